/* What users and peers get wrong in texts: each mistake has its code, and its sentence says where and what to do. Bad keys,
 * values and frames have a table of their own. */
#include "unit/unit.h"

#include <stdio.h>

#include "base/error.h"
#include "text/options.h"
#include "topology/map.h"

#define E(code) DIVAN_ERR_##code

struct bad {
    const char *text;
    enum divan_code code;
    size_t column; /* 1-based, or byte offset for configurations; 0 = not looked at */
};

static const struct bad bad_strings[] = {
    {"", E(CONNSTR_EMPTY), 0},
    {"   ", E(CONNSTR_EMPTY), 0},
    {"\n", E(CONNSTR_EMPTY), 0},
    {"couchbase://", E(CONNSTR_NO_HOST), 13},
    {"couchbases://", E(CONNSTR_NO_HOST), 14},
    {"couchbase://,h", E(CONNSTR_NO_HOST), 13},
    {"couchbase://h,", E(CONNSTR_NO_HOST), 15},
    {"couchbase://h,,i", E(CONNSTR_NO_HOST), 15},
    {"couchbase://h;;i", E(CONNSTR_NO_HOST), 15},
    {"couchbase://h, ", E(CONNSTR_NO_HOST), 0},
    {"couchbase://:11210", E(CONNSTR_NO_HOST), 13},
    {"ftp://h", E(CONNSTR_SCHEME), 1},
    {"couchbase2://h", E(CONNSTR_SCHEME), 1},
    {"couchbse://h", E(CONNSTR_SCHEME), 1},
    {"://h", E(CONNSTR_SCHEME), 1},
    {"memcached://h", E(CONNSTR_SCHEME), 1},
    {"http://host1,http://host2", E(CONNSTR_HOST), 14},
    {"couchbase://h..i", E(CONNSTR_HOST), 15},
    {"couchbase://.h", E(CONNSTR_HOST), 13},
    {"couchbase://-h", E(CONNSTR_HOST), 13},
    {"couchbase://h-", E(CONNSTR_HOST), 13},
    {"couchbase://h_i!", E(CONNSTR_HOST), 16},
    {"couchbase://h%41", E(CONNSTR_HOST), 14},
    {"couchbase://\xc3\xa9t\xc3\xa9.fr", E(CONNSTR_HOST), 13},
    {"couchbase://[::1]x", E(CONNSTR_HOST), 18},
    {"couchbase://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", E(CONNSTR_HOST), 13},
    {"couchbase://h#x", E(CONNSTR_HOST), 14},
    {"http://::ffff:00ee:2122", E(CONNSTR_IPV6), 8},
    {"couchbase://::1", E(CONNSTR_IPV6), 13},
    {"couchbase://[:13.15.49.232]", E(CONNSTR_IPV6), 14},
    {"couchbase://[1:2:3:4:5:6:7:8:9]", E(CONNSTR_IPV6), 0},
    {"couchbase://[1::2::3]", E(CONNSTR_IPV6), 0},
    {"couchbase://[::1", E(CONNSTR_IPV6), 13},
    {"couchbase://[]", E(CONNSTR_IPV6), 14},
    {"[]:0=kv", E(CONNSTR_IPV6), 2},
    {"couchbase://[10.0.0.1]", E(CONNSTR_IPV6), 0},
    {"couchbase://[host]", E(CONNSTR_IPV6), 14},
    {"couchbase://[12345::]", E(CONNSTR_IPV6), 0},
    {"couchbase://h:0", E(CONNSTR_PORT), 15},
    {"couchbase://h:65536", E(CONNSTR_PORT), 15},
    {"couchbase://h:99999999999999999999", E(CONNSTR_PORT), 15},
    {"couchbase://h:", E(CONNSTR_PORT), 15},
    {"couchbase://h:kv", E(CONNSTR_PORT), 15},
    {"couchbase://h:12a", E(CONNSTR_PORT), 17},
    {"couchbase://h:-1", E(CONNSTR_PORT), 15},
    {"couchbase://h:1:2", E(CONNSTR_PORT), 16},
    {"foo=kv", E(CONNSTR_PORT), 4},
    {"foo:0=kv", E(CONNSTR_PORT), 5},
    {"couchbase://[::1]=kv", E(CONNSTR_PORT), 18},
    {"couchbase://h:11210=foo", E(CONNSTR_PORT_TYPE), 21},
    {"couchbase://h:11210=", E(CONNSTR_PORT_TYPE), 21},
    {"couchbase://h:11210=mccompat", E(CONNSTR_PORT_TYPE), 21},
    {"couchbase://h:11210=kv=kv", E(CONNSTR_PORT_TYPE), 21},
    {"1.2.3.4:999", E(CONNSTR_PORT_AMBIGUOUS), 9},
    {"h:18091", E(CONNSTR_PORT_AMBIGUOUS), 3},
    {"couchbase://h:8091", E(CONNSTR_PORT_AMBIGUOUS), 15},
    {"couchbases://h:18091", E(CONNSTR_PORT_AMBIGUOUS), 16},
    {"couchbase://a,b,h:8091", E(CONNSTR_PORT_AMBIGUOUS), 19},
    {"http://h:11210", E(CONNSTR_PORT_AMBIGUOUS), 10},
    {"https://h:11207", E(CONNSTR_PORT_AMBIGUOUS), 11},
    {"couchbase://h:11207=mcds", E(CONNSTR_PORT_AMBIGUOUS), 21},
    {"couchbase://h/bucket/foo", E(CONNSTR_BUCKET), 21},
    {"couchbase://h/bucket/", E(CONNSTR_BUCKET), 21},
    {"couchbase://h//", E(CONNSTR_BUCKET), 15},
    {"couchbase://h/b%", E(CONNSTR_ESCAPE), 16},
    {"couchbase://h/b%zz", E(CONNSTR_ESCAPE), 16},
    {"couchbase://h?a=%2", E(CONNSTR_ESCAPE), 17},
    {"couchbase://h?a=1&b=x%g0", E(CONNSTR_ESCAPE), 22},
    {"couchbase://h?a=%00", E(CONNSTR_ESCAPE), 17},
    {"couchbase://h?%=1", E(CONNSTR_ESCAPE), 15},
    {"couchbase://user@h", E(CONNSTR_USER), 17},
    {"couchbase://user:pass@h", E(CONNSTR_USER), 22},
    {"user:pass@h", E(CONNSTR_USER), 10},
    {"couchbase+dnssrv://a,b", E(CONNSTR_SRV), 20},
    {"couchbase+dnssrv://h:123", E(CONNSTR_SRV), 20},
    {"couchbases+dnssrv://10.0.0.1", E(CONNSTR_SRV), 21},
    {"couchbases+dnssrv://[::1]", E(CONNSTR_SRV), 21},
    {"couchbase://h ", E(CONNSTR_CHARACTER), 14},
    {" couchbase://h", E(CONNSTR_CHARACTER), 1},
    {"couchbase://h\n", E(CONNSTR_CHARACTER), 14},
    {"couchbase://h1 ,h2", E(CONNSTR_CHARACTER), 15},
    {"couchbase://h/my bucket", E(CONNSTR_CHARACTER), 17},
    {"couchbase://h?a=b c", E(CONNSTR_CHARACTER), 18},
    {"couchbase://h?a=\x01", E(CONNSTR_CHARACTER), 17},
    {"couchbase://h\t", E(CONNSTR_CHARACTER), 14},
    {"couchbase://h?=1", E(CONNSTR_CHARACTER), 15},
};

static const struct bad bad_options[] = {
    {"couchbase://h?nonsense=1", E(OPTION_UNKNOWN), 15},
    {"couchbase://h?kv_timeouts=1", E(OPTION_UNKNOWN), 15},
    {"couchbase://h?a=1&kv_timeout=1", E(OPTION_UNKNOWN), 15},
    {"couchbase://h?%41=1", E(OPTION_UNKNOWN), 15},
    {"couchbase://h?kv_timeout", E(OPTION_NO_VALUE), 0},
    {"couchbase://h?kv_timeout=", E(OPTION_NO_VALUE), 26},
    {"couchbase://h?network=", E(OPTION_NO_VALUE), 23},
    {"couchbase://h?username", E(OPTION_NO_VALUE), 0},
    {"couchbase://h?ip_protocol=", E(OPTION_NO_VALUE), 27},
    {"couchbase://h?compression_min_size=", E(OPTION_NO_VALUE), 36},
    {"couchbase://h?enable_metrics=", E(OPTION_NO_VALUE), 30},
    {"couchbase://h?enable_metrics=maybe", E(OPTION_NOT_BOOLEAN), 30},
    {"couchbase://h?enable_compression=2", E(OPTION_NOT_BOOLEAN), 34},
    {"couchbase://h?enable_dns_srv=t", E(OPTION_NOT_BOOLEAN), 30},
    {"couchbase://h?compression_min_size=ten", E(OPTION_NOT_NUMBER), 36},
    {"couchbase://h?compression_min_size=1.5", E(OPTION_NOT_NUMBER), 36},
    {"couchbase://h?compression_min_size=1k", E(OPTION_NOT_NUMBER), 36},
    {"couchbase://h?compression_min_size=0x10", E(OPTION_NOT_NUMBER), 36},
    {"couchbase://h?compression_min_ratio=0,83", E(OPTION_NOT_NUMBER), 37},
    {"couchbase://h?compression_min_ratio=1e-1", E(OPTION_NOT_NUMBER), 37},
    {"couchbase://h?kv_timeout=soon", E(OPTION_NOT_DURATION), 26},
    {"couchbase://h?kv_timeout=2.5", E(OPTION_NOT_DURATION), 26},
    {"couchbase://h?kv_timeout=5d", E(OPTION_NOT_DURATION), 26},
    {"couchbase://h?kv_timeout=1s 2", E(CONNSTR_CHARACTER), 28},
    {"couchbase://h?kv_timeout=99999999999999999999s", E(OPTION_NOT_DURATION), 26},
    {"couchbase://h?kv_timeout=0", E(OPTION_RANGE), 26},
    {"couchbase://h?kv_timeout=-5s", E(OPTION_RANGE), 26},
    {"couchbase://h?kv_timeout=25h", E(OPTION_RANGE), 26},
    {"couchbase://h?config_poll_interval=1ms", E(OPTION_RANGE), 36},
    {"couchbase://h?compression_min_size=-1", E(OPTION_RANGE), 36},
    {"couchbase://h?compression_min_size=99999999999999999999999", E(OPTION_RANGE), 36},
    {"couchbase://h?compression_min_ratio=1.01", E(OPTION_RANGE), 37},
    {"couchbase://h?num_kv_connections=0", E(OPTION_RANGE), 34},
    {"couchbase://h?num_kv_connections=17", E(OPTION_RANGE), 34},
    {"couchbase://h?ip_protocol=ipv4", E(OPTION_CHOICE), 27},
    {"couchbases://h?tls_verify=maybe", E(OPTION_CHOICE), 27},
    {"couchbases://h?ssl=sometimes", E(OPTION_CHOICE), 20},
    {"couchbase://h?sasl_mech_force=GSSAPI", E(OPTION_CHOICE), 31},
    {"couchbase://h?allowed_sasl_mechanisms=PLAIN,", E(OPTION_CHOICE), 39},
    {"couchbases://h?ssl=off", E(OPTION_CONFLICT), 16},
    {"couchbase://h?ssl=on", E(OPTION_CONFLICT), 15},
    {"couchbase://h?password=p", E(OPTION_CONFLICT), 0},
    {"couchbase://h?config_poll_floor=5s", E(OPTION_CONFLICT), 0},
    {"couchbases://h?certificate_path=/c.pem", E(OPTION_CONFLICT), 0},
    {"couchbases://h?key_path=/k.pem", E(OPTION_CONFLICT), 0},
    {"couchbase://h?certpath=/c.pem&keypath=/k.pem", E(OPTION_CONFLICT), 0},
    {"couchbases://h?certpath=/c.pem&keypath=/k.pem&username=u", E(OPTION_CONFLICT), 0},
    {"couchbase+dnssrv://h?enable_dns_srv=false", E(OPTION_CONFLICT), 0},
};

#define NODES      "\"nodesExt\":[{\"hostname\":\"a\",\"services\":{\"kv\":1}}]"
#define BUCKET     "\"name\":\"b\",\"nodeLocator\":\"vbucket\"," NODES ","
#define ROWS(rows) "{" BUCKET "\"vBucketServerMap\":{\"serverList\":[\"a:1\"],\"vBucketMap\":" rows "}}"

static const struct bad bad_configs[] = {
    {"", E(CONFIG_NOT_JSON), 0},
    {"{", E(CONFIG_NOT_JSON), 1},
    {"{\"rev\": $REV}", E(CONFIG_NOT_JSON), 8},
    {"{\"rev\":1," NODES "} x", E(CONFIG_NOT_JSON), 0},
    {"{\"rev\":1,\"rev\":2," NODES "}", E(CONFIG_NOT_JSON), 15},
    {"{\"name\":\"\xff\"}", E(CONFIG_NOT_JSON), 9},
    {"[]", E(CONFIG_NOT_OBJECT), 0},
    {"\"config\"", E(CONFIG_NOT_OBJECT), 0},
    {"null", E(CONFIG_NOT_OBJECT), 0},
    {"{\"rev\":\"1\"}", E(CONFIG_FIELD_TYPE), 7},
    {"{\"rev\":1.0}", E(CONFIG_FIELD_TYPE), 7},
    {"{\"rev\":1e3}", E(CONFIG_FIELD_TYPE), 7},
    {"{\"revEpoch\":true}", E(CONFIG_FIELD_TYPE), 12},
    {"{\"name\":7}", E(CONFIG_FIELD_TYPE), 8},
    {"{\"name\":\"a\\u0000b\"," NODES "}", E(CONFIG_FIELD_TYPE), 8},
    {"{\"nodesExt\":{}}", E(CONFIG_FIELD_TYPE), 12},
    {"{\"nodesExt\":[7]}", E(CONFIG_FIELD_TYPE), 13},
    {"{\"nodesExt\":[{\"services\":[]}]}", E(CONFIG_FIELD_TYPE), 25},
    {"{\"nodesExt\":[{\"services\":{\"kv\":\"1\"}}]}", E(CONFIG_FIELD_TYPE), 31},
    {"{\"nodesExt\":[{\"hostname\":1}]}", E(CONFIG_FIELD_TYPE), 25},
    {"{\"nodesExt\":[{\"thisNode\":1}]}", E(CONFIG_FIELD_TYPE), 25},
    {"{\"nodesExt\":[{\"alternateAddresses\":[]}]}", E(CONFIG_FIELD_TYPE), 0},
    {"{\"nodesExt\":[{\"alternateAddresses\":{\"external\":1}}]}", E(CONFIG_FIELD_TYPE), 0},
    {"{\"bucketCapabilities\":{}," NODES "}", E(CONFIG_FIELD_TYPE), 0},
    {"{\"bucketCapabilities\":[1]," NODES "}", E(CONFIG_FIELD_TYPE), 0},
    {"{\"clusterCapabilities\":[]," NODES "}", E(CONFIG_FIELD_TYPE), 0},
    {"{" BUCKET "\"vBucketServerMap\":[]}", E(CONFIG_FIELD_TYPE), 0},
    {"{" BUCKET "\"vBucketServerMap\":{\"serverList\":7}}", E(CONFIG_FIELD_TYPE), 0},
    {"{" BUCKET "\"vBucketServerMap\":{\"vBucketMap\":7}}", E(CONFIG_FIELD_TYPE), 0},
    {"{" BUCKET "\"nodes\":{}}", E(CONFIG_FIELD_TYPE), 0},
    {"{" BUCKET "\"nodes\":[{\"hostname\":5}]}", E(CONFIG_FIELD_TYPE), 0},
    {"{\"rev\":-1}", E(CONFIG_FIELD_RANGE), 7},
    {"{\"rev\":9223372036854775808}", E(CONFIG_FIELD_RANGE), 7},
    {"{\"nodesExt\":[{\"services\":{\"kv\":65536}}]}", E(CONFIG_FIELD_RANGE), 31},
    {"{\"nodesExt\":[{\"services\":{\"mgmtSSL\":-1}}]}", E(CONFIG_FIELD_RANGE), 36},
    {"{" BUCKET "\"nodes\":[{\"hostname\":\"a:x\"}]}", E(CONFIG_FIELD_RANGE), 0},
    {"{" BUCKET "\"nodes\":[{\"hostname\":\"a:8091\",\"ports\":{\"direct\":70000}}]}", E(CONFIG_FIELD_RANGE), 0},
    {"{\"collectionsManifestUid\":\"\"," NODES "}", E(CONFIG_FIELD_RANGE), 0},
    {"{\"collectionsManifestUid\":\"xyz\"," NODES "}", E(CONFIG_FIELD_RANGE), 0},
    {"{\"collectionsManifestUid\":\"11111111111111111\"," NODES "}", E(CONFIG_FIELD_RANGE), 0},
    {"{" BUCKET "\"vBucketServerMap\":{\"numReplicas\":99}}", E(CONFIG_FIELD_RANGE), 0},
    {"{}", E(CONFIG_NO_NODES), 0},
    {"{\"rev\":1,\"nodesExt\":[]}", E(CONFIG_NO_NODES), 0},
    {"{\"name\":\"b\",\"nodes\":[]}", E(CONFIG_NO_NODES), 0},
    {ROWS("[7]"), E(CONFIG_VBUCKETS), 0},
    {ROWS("[[0],\"x\"]"), E(CONFIG_VBUCKETS), 0},
    {ROWS("[[0],[\"0\"]]"), E(CONFIG_VBUCKETS), 0},
    {ROWS("[[0.0]]"), E(CONFIG_VBUCKETS), 0},
    {ROWS("[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]"), E(CONFIG_VBUCKETS), 0},
    {ROWS("[[0],[0]],\"vBucketMapForward\":[[0]]"), E(CONFIG_VBUCKETS), 0},
    {"{" BUCKET "\"numVBuckets\":4,\"vBucketServerMap\":{\"serverList\":[\"a:1\"],\"vBucketMap\":[[0],[0]]}}",
     E(CONFIG_VBUCKETS), 0},
    {ROWS("[[0],[1]]"), E(CONFIG_NODE_INDEX), 0},
    {ROWS("[[-2]]"), E(CONFIG_NODE_INDEX), 0},
    {ROWS("[[99999999999]]"), E(CONFIG_NODE_INDEX), 0},
    {ROWS("[[0]],\"vBucketMapForward\":[[5]]"), E(CONFIG_NODE_INDEX), 0},
    {"{\"name\":\"b\",\"nodeLocator\":\"moxi\"," NODES "}", E(CONFIG_LOCATOR), 26},
    {"{\"name\":\"b\",\"nodeLocator\":1," NODES "}", E(CONFIG_LOCATOR), 26},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The right code, its sentence with the place, and never the bare text of the code alone. */
static void check(const struct bad *b, enum divan_code code, const struct divan_error *err, const char *place)
{
    char where[40];
    if (code != b->code)
        fail_msg("%s: %s instead of %s: %s", b->text, err_code_name(code), err_code_name(b->code), err->message);
    assert_int_equal(err->code, b->code);
    assert_true(strlen(err->message) > 20);
    snprintf(where, sizeof where, "%s %zu", place, b->column);
    const char *found = strstr(err->message, where);
    bool exact = found && (found[strlen(where)] < '0' || found[strlen(where)] > '9');
    if (b->column && !exact) fail_msg("%s: expected %s in: %s", b->text, where, err->message);
}

static void bad_connection_strings_are_told_apart(void **state)
{
    for (size_t i = 0; i < COUNT(bad_strings); i++) {
        struct connstr cs = {0};
        struct divan_error err = {0};
        check(&bad_strings[i], connstr_parse(bad_strings[i].text, &cs, &err), &err, "column");
        assert_null(cs.hosts);
    }
}

static void bad_options_are_told_apart(void **state)
{
    for (size_t i = 0; i < COUNT(bad_options); i++) {
        struct connstr cs = {0};
        struct options o;
        struct divan_error err = {0};
        options_init(&o);
        enum divan_code rc = connstr_parse(bad_options[i].text, &cs, &err);
        if (!rc) rc = options_from_connstr(&o, &cs, &err);
        check(&bad_options[i], rc, &err, "column");
        connstr_fini(&cs);
        options_fini(&o);
    }
}

static void bad_configurations_are_told_apart(void **state)
{
    for (size_t i = 0; i < COUNT(bad_configs); i++) {
        struct map *m = NULL;
        struct divan_error err = {0};
        check(&bad_configs[i], map_parse(divan_str(bad_configs[i].text), "h", &m, &err), &err, "byte");
        assert_null(m);
    }
}

static void too_long_is_told_from_malformed(void **state)
{
    static char text[CONNSTR_MAX + 100];
    struct connstr cs = {0};
    struct divan_error err;
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(connstr_parse(text, &cs, &err), DIVAN_ERR_CONNSTR_TOO_LONG);
    size_t len = 0;
    for (int i = 0; i <= CONNSTR_HOSTS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%d", i ? "," : "couchbase://", i);
    assert_int_equal(connstr_parse(text, &cs, &err), DIVAN_ERR_CONNSTR_TOO_LONG);
    len = (size_t)snprintf(text, sizeof text, "couchbase://h/");
    memset(text + len, 'b', 251);
    text[len + 251] = 0;
    assert_int_equal(connstr_parse(text, &cs, &err), DIVAN_ERR_CONNSTR_BUCKET);

    struct map *m = NULL;
    char *config = calloc(1, (size_t)MAP_BYTES_MAX + 1);
    assert_int_equal(map_parse(bytes_of(config, (size_t)MAP_BYTES_MAX + 1), NULL, &m, &err),
                     DIVAN_ERR_CONFIG_TOO_LARGE);
    memset(config, '[', 100);
    assert_int_equal(map_parse(bytes_of(config, 100), NULL, &m, &err), DIVAN_ERR_CONFIG_NOT_JSON);
    assert_non_null(strstr(err.message, "deep"));
    free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_connection_strings_are_told_apart),
        cmocka_unit_test(bad_options_are_told_apart),
        cmocka_unit_test(bad_configurations_are_told_apart),
        cmocka_unit_test(too_long_is_told_from_malformed),
    };
    print_message("%zu bad inputs\n", COUNT(bad_strings) + COUNT(bad_options) + COUNT(bad_configs) + 5);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
