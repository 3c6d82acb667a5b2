/* The vBucket map: rows of indexes into serverList, turned into positions of nodes. */
#include "base/alloc.h"
#include "base/error.h"
#include "topology/map_make.h"

enum { REPLICAS_MAX = 15 };

struct server_map {
    struct json_value rows, forward;
    int64_t replicas;
};
static const struct map_field fields[] = {
    {"vBucketMap", map_read_value, offsetof(struct server_map, rows)},
    {"vBucketMapForward", map_read_value, offsetof(struct server_map, forward)},
    {"numReplicas", map_read_natural, offsetof(struct server_map, replicas)},
};

/* The number of rows; *widest grows to the longest. */
static enum divan_code measure(const struct map_parse *p, struct json_value rows, size_t *count, size_t *widest)
{
    enum divan_code rc = map_expect(p, rows, JSON_ARRAY, "the vBucket map");
    struct json_walk w = json_walk_begin(rows);
    struct json_value row;
    *count = 0;
    while (!rc && json_next_element(&w, &row)) {
        size_t width = row.type == JSON_ARRAY ? map_count_elements(row) : 0;
        if (row.type != JSON_ARRAY)
            rc = map_fail(p, DIVAN_ERR_CONFIG_VBUCKETS, row, "the row of vBucket %zu is no array", *count);
        else if (width > MAP_ROW_MAX)
            rc = map_fail(p, DIVAN_ERR_CONFIG_VBUCKETS, row, "the row of vBucket %zu has %zu entries, %d are accepted",
                          *count, width, MAP_ROW_MAX);
        if (width > *widest) *widest = width;
        ++*count;
    }
    return rc;
}

static enum divan_code read_entry(const struct map_parse *p, struct json_value value, size_t vbucket, int16_t *out)
{
    int64_t index;
    if (value.type != JSON_NUMBER || !json_to_i64(value, &index))
        return map_fail(p, DIVAN_ERR_CONFIG_VBUCKETS, value, "an entry of vBucket %zu is no whole number", vbucket);
    /* Without a serverList the rows can only count in the list of nodes. */
    size_t servers = p->servers ? p->server_count : p->map->node_count;
    if (index < -1 || index >= (int64_t)servers)
        return map_fail(p, DIVAN_ERR_CONFIG_NODE_INDEX, value, "vBucket %zu is given to server %lld, there are %zu",
                        vbucket, (long long)index, servers);
    *out = index < 0 ? -1 : p->servers ? p->servers[index] : (int16_t)index;
    return DIVAN_OK;
}

/* Entries that a row does not have stay -1. */
static enum divan_code read_rows(const struct map_parse *p, struct json_value rows, int16_t **out)
{
    size_t row_len = p->map->row, total = p->map->vbuckets * row_len, vbucket = 0;
    int16_t *entries = mem_alloc(total * sizeof *entries);
    if (!entries) return err_oom(p->err);
    memset(entries, 0xff, total * sizeof *entries);
    enum divan_code rc = DIVAN_OK;
    struct json_walk w = json_walk_begin(rows);
    for (struct json_value row; !rc && json_next_element(&w, &row); vbucket++) {
        struct json_walk in_row = json_walk_begin(row);
        int16_t *entry = entries + vbucket * row_len;
        for (struct json_value value; !rc && json_next_element(&in_row, &value); entry++)
            rc = read_entry(p, value, vbucket, entry);
    }
    *out = entries; /* freed with the map, also on failure */
    return rc;
}

static enum divan_code check_counts(const struct map_parse *p, const struct server_map *s, size_t rows, size_t forward)
{
    if (rows > MAP_VBUCKETS_MAX)
        return map_fail(p, DIVAN_ERR_CONFIG_VBUCKETS, s->rows, "the map has %zu vBuckets, %d are accepted", rows,
                        MAP_VBUCKETS_MAX);
    if (rows && p->told_vbuckets && (size_t)p->told_vbuckets != rows)
        return map_fail(p, DIVAN_ERR_CONFIG_VBUCKETS, s->rows, "the map has %zu rows but numVBuckets is %lld", rows,
                        (long long)p->told_vbuckets);
    if (forward && forward != rows)
        return map_fail(p, DIVAN_ERR_CONFIG_VBUCKETS, s->forward, "the forward map has %zu rows, the map %zu", forward,
                        rows);
    if (s->replicas > REPLICAS_MAX)
        return map_fail(p, DIVAN_ERR_CONFIG_FIELD_RANGE, p->server_map, "numReplicas is above %d", REPLICAS_MAX);
    return DIVAN_OK;
}

enum divan_code map_parse_rows(struct map_parse *p)
{
    struct server_map s = {0};
    size_t rows = 0, forward = 0, widest = 1;
    enum divan_code rc = DIVAN_OK;
    if (p->server_map.type) rc = map_read_object(p, p->server_map, fields, sizeof fields / sizeof fields[0], &s);
    if (!rc && s.rows.type) rc = measure(p, s.rows, &rows, &widest);
    if (!rc && s.forward.type) rc = measure(p, s.forward, &forward, &widest);
    if (!rc) rc = check_counts(p, &s, rows, forward);
    if (rc) return rc;
    p->map->replicas = (uint8_t)s.replicas;
    p->map->vbuckets = (uint16_t)rows;
    p->map->row = (uint8_t)widest;
    if (rows) rc = read_rows(p, s.rows, &p->map->entries);
    if (!rc && forward) rc = read_rows(p, s.forward, &p->map->forward);
    return rc;
}
