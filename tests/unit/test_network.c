#include "unit/unit.h"

#include "topology/map.h"

/* Two nodes behind one external name, a third without it, a second network on one node. */
static const char config[] =
    "{\"rev\":1,\"nodesExt\":["
    "{\"hostname\":\"10.0.0.1\",\"services\":{\"kv\":11210,\"kvSSL\":11207,\"mgmt\":8091,\"mgmtSSL\":18091,\"n1ql\":"
    "8093},"
    "\"alternateAddresses\":{\"external\":{\"hostname\":\"ext.example.com\",\"ports\":{\"kv\":31001,\"mgmt\":31091}}}},"
    "{\"hostname\":\"10.0.0.2\",\"services\":{\"kv\":11210,\"kvSSL\":11207,\"mgmt\":8091,\"mgmtSSL\":18091},"
    "\"alternateAddresses\":{\"external\":{\"hostname\":\"ext.example.com\",\"ports\":{\"kv\":31002,\"mgmt\":31091}},"
    "\"backup\":{\"hostname\":\"fd00::2\"}}},"
    "{\"hostname\":\"fd00::3\",\"services\":{\"kv\":11210,\"mgmt\":8091}}]}";
static const char plain[] =
    "{\"rev\":1,\"nodesExt\":[{\"hostname\":\"10.0.0.1\",\"services\":{\"kv\":11210,\"mgmt\":8091}}]}";

static struct map *parse(const char *json)
{
    struct map *m = NULL;
    struct divan_error err = {0};
    if (map_parse(divan_str(json), NULL, &m, &err)) fail_msg("%s", err.message);
    return m;
}

static void the_seed_tells_the_network(void **state)
{
    const struct {
        const char *config, *wanted, *host;
        uint16_t port;
        const char *network;
    } cases[] = {
        {config, "auto", "10.0.0.1", 11210, "default"},
        {config, NULL, "10.0.0.2", 11207, "default"},
        {config, "auto", "10.0.0.2", 8091, "default"},
        {config, "auto", "::ffff:10.0.0.2", 18091, "default"},
        {config, "auto", "FD00:0::3", 11210, "default"},
        {config, "auto", "ext.example.com", 31002, "external"},
        {config, "auto", "EXT.example.com.", 31091, "external"},
        {config, "auto", "fd00::2", 11210, "backup"},           /* no ports of its own: those of the default network */
        {config, "auto", "ext.example.com", 11210, "external"}, /* no match, but somebody offers external */
        {config, "auto", "10.0.0.1", 9999, "external"},
        {plain, "auto", "elsewhere", 11210, "default"},
        {plain, "auto", NULL, 0, "default"},
        {config, "default", "ext.example.com", 31001, "default"},
        {config, "external", "10.0.0.1", 11210, "external"},
        {config, "backup", "10.0.0.1", 11210, "backup"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct map *m = parse(cases[i].config);
        const char *network = map_choose_network(m, cases[i].wanted, cases[i].host, cases[i].port, NULL);
        assert_non_null(network);
        assert_string_equal(network, cases[i].network);
        map_release(m);
    }
}

static void a_network_nobody_offers_is_refused_with_those_that_are(void **state)
{
    struct map *m = parse(config);
    struct divan_error err;
    assert_null(map_choose_network(m, "internal", "10.0.0.1", 11210, &err));
    assert_int_equal(err.code, DIVAN_ERR_CONFIG_NETWORK);
    assert_non_null(strstr(err.message, "\"internal\""));
    assert_non_null(strstr(err.message, "default, external, backup"));
    map_release(m);
}

static void endpoints_keep_the_position_of_their_node(void **state)
{
    const struct {
        size_t position;
        const char *network;
        enum map_service service;
        bool tls;
        const char *host;
        uint16_t port;
    } cases[] = {
        {0, "default", SVC_KV, false, "10.0.0.1", 11210},
        {0, NULL, SVC_KV, true, "10.0.0.1", 11207},
        {0, "default", SVC_QUERY, false, "10.0.0.1", 8093},
        {1, "default", SVC_QUERY, false, NULL, 0},
        {0, "external", SVC_KV, false, "ext.example.com", 31001},
        {1, "external", SVC_KV, false, "ext.example.com", 31002},
        {0, "external", SVC_KV, true, NULL, 0}, /* ports given: only these exist */
        {0, "external", SVC_QUERY, false, NULL, 0},
        {1, "backup", SVC_KV, true, "fd00::2", 11207}, /* none given: those of the default network */
        {2, "external", SVC_KV, false, NULL, 0},       /* not there, yet it keeps its place */
        {2, "default", SVC_MGMT, false, "fd00::3", 8091},
        {3, "default", SVC_KV, false, NULL, 0},
    };
    struct map *m = parse(config);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *host = NULL;
        uint16_t port = 0;
        bool found = map_endpoint(m, cases[i].position, cases[i].network, cases[i].service, cases[i].tls, &host, &port);
        assert_int_equal(found, cases[i].host != NULL);
        if (!found) continue;
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
    map_release(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_tells_the_network),
        cmocka_unit_test(a_network_nobody_offers_is_refused_with_those_that_are),
        cmocka_unit_test(endpoints_keep_the_position_of_their_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
