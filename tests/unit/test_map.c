#include "unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "text/json.h"
#include "topology/map.h"

static struct map *parse_or_fail(struct divan_bytes json, const char *source)
{
    struct map *m = NULL;
    struct divan_error err = {0};
    if (map_parse(json, source, &m, &err))
        fail_msg("%s: %.*s", err.message, (int)(json.len > 300 ? 300 : json.len), (const char *)json.data);
    return m;
}

static struct map *parse(const char *json)
{
    return parse_or_fail(divan_str(json), "10.9.9.9");
}

/* ---- hash */

static uint32_t crc_bytewise(struct divan_bytes data)
{
    const uint8_t *p = data.data;
    uint32_t sum = ~0u;
    for (size_t i = 0; i < data.len; i++) {
        sum ^= p[i];
        for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
    }
    return ~sum;
}

static void hash_matches_the_published_vectors(void **state)
{
    char many[251];
    memset(many, 'k', 250);
    many[250] = 0;
    const struct {
        const char *key;
        size_t len;
        uint32_t crc;
        unsigned of_1024, of_128, of_64;
    } vectors[] = {
        {"", 0, 0x00000000, 0, 0, 0},
        {"a", 1, 0xe8b7be43, 183, 55, 55},
        {"foo", 3, 0x8c736521, 115, 115, 51},
        {"Hello", 5, 0xf7d18982, 977, 81, 17},
        {"airline_10", 10, 0x0d694ea7, 361, 105, 41},
        {"airport_1254", 12, 0x55952424, 405, 21, 21},
        {"key_0", 5, 0x64e29498, 226, 98, 34},
        {"Key_1023", 8, 0x606929b0, 105, 105, 41},
        {"Dummy Key", 9, 0xc6a0f12b, 672, 32, 32},
        {"\xc3\xa9t\xc3\xa9", 5, 0x44d16cd4, 209, 81, 17},
        {"\0", 1, 0xd202ef8d, 514, 2, 2},
        {many, 250, 0x04977bc1, 151, 23, 23},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct divan_bytes key = bytes_of(vectors[i].key, vectors[i].len);
        assert_int_equal(crc32_of(key), vectors[i].crc);
        assert_int_equal(vbucket_hash(key) % 1024, vectors[i].of_1024);
        assert_int_equal(vbucket_hash(key) % 128, vectors[i].of_128);
        assert_int_equal(vbucket_hash(key) % 64, vectors[i].of_64);
    }
}

static void hash_by_eight_equals_hash_by_one(void **state)
{
    uint8_t data[300];
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)rng_u64(&rng);
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; len <= sizeof data - from; len++)
            assert_int_equal(crc32_of(bytes_of(data + from, len)), crc_bytewise(bytes_of(data + from, len)));
}

/* ---- recorded configurations */

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    char *data = malloc((size_t)size + 1);
    rewind(f);
    assert_int_equal(fread(data, 1, (size_t)size, f), (size_t)size);
    fclose(f);
    data[size] = 0;
    *len = (size_t)size;
    return data;
}

static void check_round_trip(struct divan_bytes json)
{
    struct map *m = parse_or_fail(json, "127.0.0.1");
    struct buf text = {.limit = MAP_BYTES_MAX};
    map_serialise(m, &text);
    assert_false(text.failed);
    assert_true(json_is_valid(buf_view(&text)));
    struct map *again = parse_or_fail(buf_view(&text), "10.1.1.1");
    if (!map_equal(m, again)) fail_msg("differs: %.*s", (int)text.len, (char *)text.data);
    struct map_change change = map_difference(m, again);
    assert_int_equal(change.nodes_added + change.nodes_removed + change.vbuckets_moved, 0);
    map_release(m);
    map_release(again);
    buf_fini(&text);
}

/* A recording keeps its configurations under "bodies"; a file without that is one configuration. */
static size_t check_file(const char *path)
{
    size_t len, count = 0;
    char *data = read_file(path, &len);
    if (!data) return 0;
    struct json_value root = json_value_of(bytes_of(data, len)), bodies = json_member(root, "bodies"), body;
    struct divan_bytes name;
    if (!bodies.type) check_round_trip(root.text), count = 1;
    struct json_walk w = json_walk_begin(bodies);
    while (json_next_member(&w, &name, &body)) {
        check_round_trip(body.text);
        count++;
    }
    free(data);
    return count;
}

static size_t check_folder(const char *folder, const char *prefix)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[1024];
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 || e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        count += check_file(path);
    }
    if (dir) closedir(dir);
    return count;
}

static void recorded_configurations_survive_a_round_trip(void **state)
{
    assert_true(check_folder(DIVAN_SOURCE_DIR "/tests/data/configs", "") >= 8);
}

static void all_recordings_survive_a_round_trip(void **state)
{
    const char *shared = getenv("DIVAN_SHARED");
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/golden-cluster", shared ? shared : DIVAN_SOURCE_DIR "/../shared");
    size_t count = check_folder(folder, "cfg64");
    if (!count) {
        print_message("no recordings in %s\n", folder);
        skip();
    }
    print_message("%zu recorded configurations\n", count);
    assert_true(count > 600);
}

/* ---- rules */

#define NODE(host, kv)   "{\"services\":{\"kv\":" #kv ",\"mgmt\":8091,\"kvSSL\":11207},\"hostname\":\"" host "\"}"
#define LEGACY(host, kv) "{\"hostname\":\"" host ":8091\",\"ports\":{\"direct\":" #kv "}}"

static void rows_are_padded_and_say_who_owns(void **state)
{
    struct map *m = parse("{\"rev\":7,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodes\":[" LEGACY("a", 1) "," LEGACY(
        "b", 2) "],"
                "\"nodesExt\":[" NODE("a", 1) "," NODE("b", 2) "," NODE(
                    "c", 3) "],"
                            "\"vBucketServerMap\":{\"numReplicas\":2,\"serverList\":[\"a:1\",\"b:2\"],"
                            "\"vBucketMap\":[[0,1,-1],[1],[],[-1,0]],\"vBucketMapForward\":[[1,0],[0],[1],[1]]}}");
    assert_int_equal(m->vbuckets, 4);
    assert_int_equal(m->row, 3);
    assert_int_equal(m->replicas, 2);
    assert_int_equal(map_owner(m, 0, 0), 0);
    assert_int_equal(map_owner(m, 0, 1), 1);
    assert_int_equal(map_owner(m, 0, 2), -1);
    assert_int_equal(map_owner(m, 1, 0), 1);
    assert_int_equal(map_owner(m, 1, 1), -1);
    assert_int_equal(map_owner(m, 2, 0), -1);
    assert_int_equal(map_owner(m, 3, 1), 0);
    assert_int_equal(map_owner(m, 4, 0), -1);
    assert_int_equal(map_owner(m, 0, 3), -1);
    assert_int_equal(map_forward_owner(m, 0, 0), 1);
    assert_int_equal(map_forward_owner(m, 3, 1), -1);
    assert_true(m->nodes[0].serves_bucket && m->nodes[1].serves_bucket && !m->nodes[2].serves_bucket);
    assert_int_equal(m->revision.epoch, -1);
    map_release(m);
}

static void missing_names_and_placeholders_become_the_source(void **state)
{
    struct map *m = parse_or_fail(
        divan_str(
            "{\"rev\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodes\":[{\"hostname\":\"$HOST:8091\",\"ports\":{"
            "\"direct\":11210}}],"
            "\"nodesExt\":[{\"services\":{\"kv\":11210,\"mgmt\":8091},\"thisNode\":true},"
            "{\"services\":{\"mgmt\":9001},\"hostname\":\"$HOST\"},{\"services\":{\"mgmt\":9002},\"hostname\":\"\"}],"
            "\"vBucketServerMap\":{\"numReplicas\":1,\"serverList\":[\"$HOST:11210\"],\"vBucketMap\":[[0,-1]]}}"),
        "fd00::1");
    for (int i = 0; i < 3; i++) assert_string_equal(m->nodes[i].hostname, "fd00::1");
    assert_true(m->nodes[0].this_node && m->nodes[0].serves_bucket);
    assert_false(m->nodes[1].serves_bucket);
    assert_int_equal(map_owner(m, 0, 0), 0);
    map_release(m);
}

static void a_departed_server_in_the_map_shifts_nothing(void **state)
{
    /* serverList still has "a", which left: entry 1 means "b", at position 0 of nodesExt. */
    struct map *m = parse("{\"rev\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodes\":[" LEGACY("b", 2) "," LEGACY(
        "c", 3) "],"
                "\"nodesExt\":[" NODE("b", 2) "," NODE(
                    "c", 3) "],"
                            "\"vBucketServerMap\":{\"numReplicas\":1,\"serverList\":[\"a:1\",\"b:2\",\"c:3\"],"
                            "\"vBucketMap\":[[0,1],[1,2],[2,0]]}}");
    assert_int_equal(map_owner(m, 0, 0), -1);
    assert_int_equal(map_owner(m, 0, 1), 0);
    assert_int_equal(map_owner(m, 1, 0), 0);
    assert_int_equal(map_owner(m, 1, 1), 1);
    assert_int_equal(map_owner(m, 2, 1), -1);
    map_release(m);
}

static void tls_only_clusters_are_read_by_position(void **state)
{
    struct map *m = parse("{\"rev\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodes\":[{\"hostname\":\"x:0\"},{"
                          "\"hostname\":\"x:0\"}],"
                          "\"nodesExt\":[{\"services\":{\"kvSSL\":11207,\"mgmtSSL\":18091},\"hostname\":\"n1\"},"
                          "{\"services\":{\"kvSSL\":11207,\"mgmtSSL\":18091},\"hostname\":\"n2\"}],"
                          "\"vBucketServerMap\":{\"serverList\":[\"x:0\",\"x:0\"],\"vBucketMap\":[[1,0],[0,1]]}}");
    const char *host;
    uint16_t port;
    assert_int_equal(map_owner(m, 0, 0), 1);
    assert_int_equal(map_owner(m, 1, 0), 0);
    assert_false(map_endpoint(m, 1, "default", SVC_KV, false, &host, &port));
    assert_true(map_endpoint(m, 1, "default", SVC_KV, true, &host, &port));
    assert_string_equal(host, "n2");
    assert_int_equal(port, 11207);
    map_release(m);
}

static void configurations_before_3_0_are_read_from_the_server_list(void **state)
{
    struct map *m = parse("{\"name\":\"old\",\"nodeLocator\":\"vbucket\",\"uuid\":\"u\","
                          "\"nodes\":[" LEGACY("b", 2) "," LEGACY(
                              "[::1]", 1) "],"
                                          "\"vBucketServerMap\":{\"hashAlgorithm\":\"CRC\",\"numReplicas\":1,"
                                          "\"serverList\":[\"[::1]:1\",\"b:2\"],\"vBucketMap\":[[0,1],[1,0]]}}");
    assert_int_equal(m->node_count, 2);
    assert_string_equal(m->nodes[0].hostname, "::1");
    assert_int_equal(m->nodes[0].ports.plain[SVC_KV], 1);
    assert_int_equal(m->nodes[0].ports.plain[SVC_MGMT], 8091);
    assert_int_equal(m->revision.rev, 0);
    assert_int_equal(map_owner(m, 1, 0), 1);
    map_release(m);
}

static void a_fresh_bucket_has_no_map_yet(void **state)
{
    struct map *m = parse(
        "{\"rev\":3,\"revEpoch\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodes\":[],\"nodesExt\":[" NODE(
            "a", 1) "],"
                    "\"numVBuckets\":64,\"vBucketServerMap\":{\"numReplicas\":1,\"serverList\":[],\"vBucketMap\":[]}}");
    assert_int_equal(m->vbuckets, 0);
    assert_false(m->nodes[0].serves_bucket);
    assert_int_equal(map_vbucket(m, divan_str("key")), 0);
    assert_int_equal(map_owner(m, 0, 0), -1);
    map_release(m);
}

static void global_and_ketama_configurations_are_known(void **state)
{
    struct map *m = parse("{\"rev\":3,\"revEpoch\":2,\"nodesExt\":[" NODE(
        "a", 1) "],\"clusterUUID\":\"cu\",\"clusterName\":\"cn\","
                "\"clusterCapabilities\":{\"n1ql\":[\"enhancedPreparedStatements\",\"later\"],\"search\":["
                "\"vectorSearch\"],\"x\":[]}}");
    assert_null(m->bucket);
    assert_false(m->is_vbucket);
    assert_string_equal(m->cluster_uuid, "cu");
    assert_int_equal(m->cluster_capabilities, MAP_N1QL_PREPARED | MAP_SEARCH_VECTOR);
    map_release(m);
    m = parse("{\"rev\":3,\"name\":\"m\",\"nodeLocator\":\"ketama\",\"nodes\":[" LEGACY("a", 1) "],\"nodesExt\":[" NODE(
        "a", 1) "]}");
    assert_false(m->is_vbucket);
    assert_true(m->nodes[0].serves_bucket);
    map_release(m);
}

static void the_kind_of_bucket_is_told_or_guessed(void **state)
{
    const struct {
        const char *fields;
        bool ephemeral;
    } cases[] = {
        {"\"bucketType\":\"ephemeral\",\"bucketCapabilities\":[\"couchapi\"]", true},
        {"\"bucketType\":\"membase\",\"bucketCapabilities\":[]", false},
        {"\"bucketCapabilities\":[\"couchapi\",\"xattr\"]", false},
        {"\"bucketCapabilities\":[\"xattr\"]", true},
        {"\"uuid\":\"old\"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodesExt\":[" NODE("a", 1) "],%s}",
                 cases[i].fields);
        struct map *m = parse(text);
        assert_int_equal(m->ephemeral, cases[i].ephemeral);
        map_release(m);
    }
}

static void numbers_keep_all_their_bits(void **state)
{
    struct map *m = parse("{\"rev\":9007199254740993,\"revEpoch\":9223372036854775807,\"name\":\"b\","
                          "\"collectionsManifestUid\":\"fFffffffffffffff\","
                          "\"nodesExt\":[" NODE("a", 1) "]}");
    assert_true(m->revision.rev == 9007199254740993);
    assert_true(m->revision.epoch == INT64_MAX);
    assert_true(m->manifest_uid == UINT64_MAX);
    map_release(m);
}

/* ---- revisions */

static struct map *revision(int64_t epoch, int64_t rev, const char *more)
{
    char text[512], epoch_text[40] = "", rev_text[40] = "";
    if (epoch >= 0) snprintf(epoch_text, sizeof epoch_text, "\"revEpoch\":%lld,", (long long)epoch);
    if (rev) snprintf(rev_text, sizeof rev_text, "\"rev\":%lld,", (long long)rev);
    snprintf(text, sizeof text, "{%s%s\"name\":\"b\",\"nodesExt\":[" NODE("a", 1) "]%s}", epoch_text, rev_text, more);
    return parse(text);
}

static void a_higher_epoch_wins_whatever_the_rev(void **state)
{
    const struct {
        int64_t epoch, rev, next_epoch, next_rev;
        bool supersedes;
    } cases[] = {
        {1, 5, 1, 6, true},  {1, 5, 1, 5, false},  {1, 5, 1, 4, false},  {1, 500, 2, 1, true}, {2, 1, 1, 500, false},
        {-1, 9, 1, 1, true}, {1, 1, -1, 9, false}, {-1, 3, -1, 4, true}, {1, 7, -1, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct map *now = revision(cases[i].epoch, cases[i].rev, ""),
                   *next = revision(cases[i].next_epoch, cases[i].next_rev, "");
        assert_int_equal(map_supersedes(now, next), cases[i].supersedes);
        assert_true(map_supersedes(NULL, next));
        map_release(now);
        map_release(next);
    }
}

static void a_map_that_does_not_fit_is_never_newer(void **state)
{
    static const char two[] = ",\"vBucketServerMap\":{\"serverList\":[\"a:1\"],\"vBucketMap\":[[0],[0]]}";
    static const char four[] = ",\"vBucketServerMap\":{\"serverList\":[\"a:1\"],\"vBucketMap\":[[0],[0],[0],[0]]}";
    static const char empty[] = ",\"vBucketServerMap\":{\"serverList\":[],\"vBucketMap\":[]}";
    static const char other[] =
        ",\"uuid\":\"z\",\"vBucketServerMap\":{\"serverList\":[\"a:1\"],\"vBucketMap\":[[0],[0],[0],[0]]}";
    static const char named[] =
        ",\"uuid\":\"y\",\"vBucketServerMap\":{\"serverList\":[\"a:1\"],\"vBucketMap\":[[0],[0]]}";
    const struct {
        const char *now, *next;
        bool supersedes;
    } cases[] = {{two, four, false}, {two, empty, false}, {empty, two, true}, {named, other, true}, {two, two, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct map *now = revision(1, 1, cases[i].now), *next = revision(1, 2, cases[i].next);
        assert_int_equal(map_supersedes(now, next), cases[i].supersedes);
        map_release(now);
        map_release(next);
    }
}

static void a_difference_counts_nodes_and_moved_vbuckets(void **state)
{
    struct map *a = parse("{\"rev\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodes\":[" LEGACY("a", 1) "," LEGACY(
        "b", 2) "],"
                "\"nodesExt\":[" NODE("a", 1) "," NODE(
                    "b",
                    2) "],"
                       "\"vBucketServerMap\":{\"serverList\":[\"a:1\",\"b:2\"],\"vBucketMap\":[[0],[0],[1],[1]]}}");
    struct map *b = parse("{\"rev\":2,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodes\":[" LEGACY("b", 2) "," LEGACY(
        "c", 3) "],"
                "\"nodesExt\":[" NODE("b", 2) "," NODE(
                    "c",
                    3) "],"
                       "\"vBucketServerMap\":{\"serverList\":[\"b:2\",\"c:3\"],\"vBucketMap\":[[1],[0],[0],[0]]}}");
    struct map_change change = map_difference(a, b);
    assert_int_equal(change.nodes_added, 1);
    assert_int_equal(change.nodes_removed, 1);
    assert_int_equal(change.vbuckets_moved, 2);
    change = map_difference(NULL, b);
    assert_int_equal(change.nodes_added, 2);
    assert_int_equal(change.vbuckets_moved, 4);
    map_release(a);
    map_release(b);
}

static void every_failed_allocation_is_survived(void **state)
{
    size_t len;
    char *data = read_file(DIVAN_SOURCE_DIR "/tests/data/configs/alternate.json", &len);
    assert_non_null(data);
    for (uint64_t n = 1;; n++) {
        struct map *m = NULL;
        struct divan_error err;
        int64_t live = mem_live();
        mem_fail_at(n);
        enum divan_code rc = map_parse(bytes_of(data, len), "h", &m, &err);
        mem_fail_at(0);
        if (rc) assert_int_equal(rc, DIVAN_ERR_OUT_OF_MEMORY);
        map_release(m);
        assert_int_equal(mem_live(), live);
        if (!rc) break;
        assert_null(m);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_matches_the_published_vectors),
        cmocka_unit_test(hash_by_eight_equals_hash_by_one),
        cmocka_unit_test(recorded_configurations_survive_a_round_trip),
        cmocka_unit_test(all_recordings_survive_a_round_trip),
        cmocka_unit_test(rows_are_padded_and_say_who_owns),
        cmocka_unit_test(missing_names_and_placeholders_become_the_source),
        cmocka_unit_test(a_departed_server_in_the_map_shifts_nothing),
        cmocka_unit_test(tls_only_clusters_are_read_by_position),
        cmocka_unit_test(configurations_before_3_0_are_read_from_the_server_list),
        cmocka_unit_test(a_fresh_bucket_has_no_map_yet),
        cmocka_unit_test(global_and_ketama_configurations_are_known),
        cmocka_unit_test(the_kind_of_bucket_is_told_or_guessed),
        cmocka_unit_test(numbers_keep_all_their_bits),
        cmocka_unit_test(a_higher_epoch_wins_whatever_the_rev),
        cmocka_unit_test(a_map_that_does_not_fit_is_never_newer),
        cmocka_unit_test(a_difference_counts_nodes_and_moved_vbuckets),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
