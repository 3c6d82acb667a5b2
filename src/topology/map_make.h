/* Shared between the files that make and write maps only: names of the JSON, and the state of one parse. */
#ifndef DIVAN_TOPOLOGY_MAP_MAKE_H
#define DIVAN_TOPOLOGY_MAP_MAKE_H

#include "text/json.h"
#include "topology/map.h"

/* ---- names in the JSON, in the order of their enums */

struct map_service_names {
    const char *plain, *tls;
};
extern const struct map_service_names map_service_names[SVC_COUNT];

struct map_capability_name {
    const char *service, *name; /* service NULL: of the bucket */
    uint64_t bit;
};
/** Every known name; a bit may have several. Ends with a NULL name. */
extern const struct map_capability_name map_capability_names[];

/* ---- a parse */

struct map_parse {
    struct divan_bytes json;
    const char *source_host;
    struct map *map; /* being made */
    struct divan_error *err;
    struct json_value nodes, nodes_ext, server_map; /* type JSON_NONE = absent */
    bool has_type, has_capabilities;
    int64_t told_vbuckets; /* numVBuckets; 0 = not told */
    int16_t *served;       /* position in map->nodes of each entry of `nodes` */
    size_t served_count;
    int16_t *servers; /* position in map->nodes of each entry of serverList, -1 = not there any more */
    size_t server_count;
};

/** One known member of an object: what reads it. Members that are not listed are stepped over. */
typedef enum divan_code map_field_fn(struct map_parse *p, void *target, struct json_value value);
struct map_field {
    const char *key;
    map_field_fn *read;
    size_t offset; /* added to target */
};
/** Reads an object by a table of up to 32 fields. A known member that occurs twice is an error. */
enum divan_code map_read_object(struct map_parse *p, struct json_value object, const struct map_field *fields,
                                size_t count, void *target);

/* Readers of members. Strings are copied; an earlier one is not freed, since a member occurs once. */
map_field_fn map_read_string;  /* char *: yours */
map_field_fn map_read_value;   /* struct json_value, unread */
map_field_fn map_read_bool;    /* bool */
map_field_fn map_read_natural; /* int64_t >= 0 */
map_field_fn map_read_port;    /* uint16_t */

/** Fails at a value: the sentence has its byte offset. */
enum divan_code map_fail(const struct map_parse *p, enum divan_code code, struct json_value at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** CONFIG_FIELD_TYPE unless the value has the type. */
enum divan_code map_expect(const struct map_parse *p, struct json_value value, enum json_type type, const char *what);
size_t map_count_elements(struct json_value array);
/** A copy of a JSON string, unescaped; yours. CONFIG_FIELD_TYPE when it is none, OUT_OF_MEMORY. */
enum divan_code map_copy_string(const struct map_parse *p, struct json_value value, char **out);
/** "host:port" into a host without brackets (yours) and a port (0 = none); $HOST replaced. */
enum divan_code map_split_address(const struct map_parse *p, struct json_value value, char **host, uint16_t *port);

/** Fills map->nodes, p->served and p->servers. */
enum divan_code map_parse_nodes(struct map_parse *p);
/** Fills the entries from p->server_map. */
enum divan_code map_parse_rows(struct map_parse *p);

#endif
