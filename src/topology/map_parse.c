/* A cluster configuration from its JSON: the top level. Nodes and vBuckets have files of their own. */
#include "base/alloc.h"
#include "base/error.h"
#include "text/ascii.h"
#include "topology/map_make.h"

/* ---- members of the top level that need more than a reader of one type */

static enum divan_code read_locator(struct map_parse *p, void *target, struct json_value value)
{
    bool is_vbucket = json_string_is(value.text, divan_str("vbucket"));
    if (!is_vbucket && !json_string_is(value.text, divan_str("ketama")))
        return map_fail(p, DIVAN_ERR_CONFIG_LOCATOR, value, "nodeLocator is neither \"vbucket\" nor \"ketama\"");
    p->map->is_vbucket = is_vbucket;
    return DIVAN_OK;
}

static enum divan_code read_type(struct map_parse *p, void *target, struct json_value value)
{
    p->has_type = true;
    p->map->ephemeral = json_string_is(value.text, divan_str("ephemeral"));
    return map_expect(p, value, JSON_STRING, "bucketType");
}

static enum divan_code read_hex(struct map_parse *p, void *target, struct json_value value)
{
    uint64_t number = 0;
    enum divan_code rc = map_expect(p, value, JSON_STRING, "this");
    const char *text = value.text.data;
    size_t digits = rc ? 0 : value.text.len - 2;
    if (!rc && (digits == 0 || digits > 16))
        rc = map_fail(p, DIVAN_ERR_CONFIG_FIELD_RANGE, value,
                      "this hexadecimal number has %zu digits, 1 to 16 are fine", digits);
    for (size_t i = 1; !rc && i <= digits; i++) {
        int digit = ascii_hex((unsigned char)text[i]);
        if (digit < 0) rc = map_fail(p, DIVAN_ERR_CONFIG_FIELD_RANGE, value, "this is no hexadecimal number");
        number = number << 4 | (unsigned)digit;
    }
    if (!rc) *(uint64_t *)target = number;
    return rc;
}

static uint64_t capability_bit(struct divan_bytes service, struct divan_bytes name)
{
    for (const struct map_capability_name *c = map_capability_names; c->name; c++) {
        bool right_service = c->service ? service.len && json_string_is(service, divan_str(c->service)) : !service.len;
        if (right_service && json_string_is(name, divan_str(c->name))) return c->bit;
    }
    return 0;
}

/* service: a JSON string, empty for capabilities of the bucket. */
static enum divan_code read_names(struct map_parse *p, struct divan_bytes service, struct json_value list,
                                  uint64_t *bits)
{
    enum divan_code rc = map_expect(p, list, JSON_ARRAY, "capabilities");
    struct json_walk w = json_walk_begin(list);
    struct json_value name;
    while (!rc && json_next_element(&w, &name)) {
        rc = map_expect(p, name, JSON_STRING, "a capability");
        *bits |= capability_bit(service, name.text);
    }
    return rc;
}

static enum divan_code read_capabilities(struct map_parse *p, void *target, struct json_value value)
{
    p->has_capabilities = true;
    return read_names(p, bytes_of(NULL, 0), value, target);
}

static enum divan_code read_cluster_capabilities(struct map_parse *p, void *target, struct json_value value)
{
    enum divan_code rc = map_expect(p, value, JSON_OBJECT, "clusterCapabilities");
    struct json_walk w = json_walk_begin(value);
    struct divan_bytes service;
    struct json_value list;
    while (!rc && json_next_member(&w, &service, &list)) rc = read_names(p, service, list, target);
    return rc;
}

#define IN_MAP(member) offsetof(struct map, member)

static const struct map_field map_fields[] = {
    {"rev", map_read_natural, IN_MAP(revision.rev)},
    {"revEpoch", map_read_natural, IN_MAP(revision.epoch)},
    {"name", map_read_string, IN_MAP(bucket)},
    {"uuid", map_read_string, IN_MAP(bucket_uuid)},
    {"clusterUUID", map_read_string, IN_MAP(cluster_uuid)},
    {"clusterName", map_read_string, IN_MAP(cluster_name)},
    {"nodeLocator", read_locator, 0},
    {"bucketType", read_type, 0},
    {"collectionsManifestUid", read_hex, IN_MAP(manifest_uid)},
    {"bucketCapabilities", read_capabilities, IN_MAP(capabilities)},
    {"clusterCapabilities", read_cluster_capabilities, IN_MAP(cluster_capabilities)},
};
static const struct map_field parse_fields[] = {
    {"nodes", map_read_value, offsetof(struct map_parse, nodes)},
    {"nodesExt", map_read_value, offsetof(struct map_parse, nodes_ext)},
    {"vBucketServerMap", map_read_value, offsetof(struct map_parse, server_map)},
    {"numVBuckets", map_read_natural, offsetof(struct map_parse, told_vbuckets)},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static enum divan_code check_json(struct map_parse *p)
{
    size_t at = 0;
    if (p->json.len > MAP_BYTES_MAX)
        return err_set(p->err, DIVAN_ERR_CONFIG_TOO_LARGE, "cluster configuration: it has %zu bytes, %d are accepted",
                       p->json.len, MAP_BYTES_MAX);
    enum json_verdict verdict = json_check(p->json, JSON_UTF8, 64, &at);
    if (verdict != JSON_VALID)
        return err_set(p->err, DIVAN_ERR_CONFIG_NOT_JSON, "cluster configuration, byte %zu: %s", at,
                       verdict == JSON_TOO_DEEP ? "it is nested too deeply"
                       : at == p->json.len      ? "it ends in the middle of the JSON text"
                                                : "this does not belong into a JSON text");
    return DIVAN_OK;
}

static enum divan_code parse_text(struct map_parse *p)
{
    struct json_value root = {0};
    enum divan_code rc = check_json(p);
    if (!rc) root = json_value_of(p->json);
    if (!rc && root.type != JSON_OBJECT)
        rc = map_fail(p, DIVAN_ERR_CONFIG_NOT_OBJECT, root, "a configuration is a JSON object");
    if (!rc) rc = map_read_object(p, root, map_fields, COUNT(map_fields), p->map);
    if (!rc) rc = map_read_object(p, root, parse_fields, COUNT(parse_fields), p);
    if (!rc) rc = map_parse_nodes(p);
    if (!rc && p->map->bucket && p->map->is_vbucket) rc = map_parse_rows(p);
    return rc;
}

/* Views need the disk, so a bucket that says what it can do and not views is ephemeral. Older servers name no type. */
static void guess_type(struct map_parse *p)
{
    if (p->map->bucket && !p->has_type && p->has_capabilities)
        p->map->ephemeral = !(p->map->capabilities & MAP_COUCHAPI);
}

/* A configuration without a name is global, whatever else stands in it. */
static void forget_bucket(struct map *m)
{
    mem_free(m->bucket_uuid);
    m->bucket_uuid = NULL;
    m->is_vbucket = m->ephemeral = false;
    m->capabilities = m->manifest_uid = 0;
    for (size_t i = 0; i < m->node_count; i++) m->nodes[i].serves_bucket = false;
}

enum divan_code map_parse(struct divan_bytes json, const char *source_host, struct map **out, struct divan_error *err)
{
    struct map *m = mem_zalloc(sizeof *m);
    if (!m) return err_oom(err);
    struct map_parse p = {
        .json = json, .source_host = source_host && *source_host ? source_host : "127.0.0.1", .map = m, .err = err};
    atomic_init(&m->refs, 1);
    m->revision.epoch = -1;
    m->is_vbucket = true;
    enum divan_code rc = parse_text(&p);
    if (!m->bucket) forget_bucket(m);
    guess_type(&p);
    if (!rc) {
        *out = m;
        m = NULL;
    }
    mem_free(p.served);
    mem_free(p.servers);
    map_release(m);
    return rc;
}
