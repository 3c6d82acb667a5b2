#include "unit/unit.h"

#include "base/alloc.h"
#include "text/json.h"
#include "text/options.h"

static enum divan_code set_all(struct options *o, const char *text, struct divan_error *err)
{
    struct connstr cs;
    enum divan_code rc = connstr_parse(text, &cs, err);
    assert_int_equal(rc, DIVAN_OK);
    rc = options_from_connstr(o, &cs, err);
    connstr_fini(&cs);
    return rc;
}

static void defaults_are_those_of_the_table(void **state)
{
    struct options o;
    options_init(&o);
    assert_int_equal(o.kv_timeout_ms, 2500);
    assert_int_equal(o.kv_durable_timeout_ms, 10000);
    assert_int_equal(o.bootstrap_timeout_ms, 10000);
    assert_int_equal(o.config_poll_floor_ms, 50);
    assert_true(o.enable_compression && o.enable_mutation_tokens && o.enable_metrics);
    assert_int_equal(o.compression_min_size, 32);
    assert_true(o.compression_min_ratio > 0.829 && o.compression_min_ratio < 0.831);
    assert_int_equal(o.ip_protocol, IP_ANY);
    assert_null(o.network);
    assert_false(options_was_set(&o, "kv_timeout"));
    options_fini(&o);
}

static void every_kind_of_value_is_read(void **state)
{
    struct options o;
    struct divan_error err = {0};
    options_init(&o);
    enum divan_code rc = set_all(
        &o,
        "couchbases://h?kv_timeout=5s&KV_DURABLE_TIMEOUT=1500&connect_timeout=1m&enable_compression=off&"
        "enable_metrics&compression_min_size=0&compression_min_ratio=0.5&ip_protocol=force_ipv6&network=external&"
        "tls_verify=none&username=u&password=&sasl_mech_force=PLAIN,SCRAM-SHA512&config_poll_interval=9999us&"
        "config_poll_interval=1s&lockmode=3&vb_noremap=",
        &err);
    if (rc) fail_msg("%s", err.message);
    assert_int_equal(o.kv_timeout_ms, 5000);
    assert_int_equal(o.kv_durable_timeout_ms, 1500);
    assert_int_equal(o.kv_connect_timeout_ms, 60000);
    assert_false(o.enable_compression);
    assert_true(o.enable_metrics);
    assert_int_equal(o.compression_min_size, 0);
    assert_true(o.compression_min_ratio == 0.5);
    assert_int_equal(o.ip_protocol, IP_FORCE_IPV6);
    assert_string_equal(o.network, "external");
    assert_int_equal(o.tls_verify, TLS_VERIFY_NONE);
    assert_string_equal(o.password, "");
    assert_string_equal(o.allowed_sasl_mechanisms, "PLAIN,SCRAM-SHA512");
    assert_int_equal(o.config_poll_interval_ms, 1000);
    assert_true(options_was_set(&o, "kv_connect_timeout") && options_was_set(&o, "lockmode"));
    assert_false(options_was_set(&o, "query_timeout"));
    options_fini(&o);
}

static void ssl_of_other_clients_is_understood(void **state)
{
    const struct {
        const char *text;
        enum divan_code code;
        int verify;
    } cases[] = {
        {"couchbases://h?ssl=no_verify", DIVAN_OK, TLS_VERIFY_NONE},
        {"couchbases://h?ssl=on", DIVAN_OK, TLS_VERIFY_PEER},
        {"couchbase://h?ssl=off", DIVAN_OK, TLS_VERIFY_PEER},
        {"couchbases://h?ssl=off", DIVAN_ERR_OPTION_CONFLICT, 0},
        {"couchbase://h?ssl=on", DIVAN_ERR_OPTION_CONFLICT, 0},
        {"couchbases://h?ssl=peer", DIVAN_OK, TLS_VERIFY_PEER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options o;
        options_init(&o);
        assert_int_equal(set_all(&o, cases[i].text, NULL), cases[i].code);
        assert_int_equal(o.tls_verify, cases[i].verify);
        options_fini(&o);
    }
}

static void near_names_are_offered(void **state)
{
    const struct {
        const char *wrong, *right;
    } cases[] = {
        {"kv_timout", "kv_timeout"},
        {"kvtimeout", "kv_timeout"},
        {"enable_compresion", "enable_compression"},
        {"polling", ""},
        {"zzzzzz", ""},
        {"poll_interval", "config_poll_interval"},
        {"usrname", "username"},
        {"pasword", "password"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf near = {.limit = 512};
        options_near(divan_str(cases[i].wrong), &near);
        const char *text = buf_text(&near);
        if (strncmp(text, cases[i].right, strlen(cases[i].right)) != 0 || (!*cases[i].right && *text))
            fail_msg("%s: %s", cases[i].wrong, text);
        buf_fini(&near);
    }
}

static void sentences_name_option_place_and_remedy(void **state)
{
    struct options o;
    struct divan_error err;
    options_init(&o);
    set_all(&o, "couchbase://h?kv_timout=5s", &err);
    assert_string_equal(err.message, "option \"kv_timout\" (column 15) is not known; did you mean kv_timeout?");
    set_all(&o, "couchbase://h?kv_timeout=5parsecs", &err);
    assert_non_null(strstr(err.message, "(column 26)"));
    assert_non_null(strstr(err.message, "2.5s"));
    assert_int_equal(o.kv_timeout_ms, 2500);
    options_fini(&o);
}

static void the_table_is_consistent(void **state)
{
    size_t count;
    const struct option_info *rows = options_list(&count);
    assert_true(count > 80);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(options_find(divan_str(rows[i].name)), &rows[i]);
        for (const char *alias = rows[i].aliases; *alias;) {
            size_t len = strcspn(alias, ",");
            assert_ptr_equal(options_find(bytes_of(alias, len)), &rows[i]); /* no name twice */
            alias += len + (alias[len] == ',');
        }
        assert_true(strlen(rows[i].text) > 5);
        if (rows[i].type == OPT_IGNORED || rows[i].type == OPT_STRING || rows[i].type == OPT_CHOICE) continue;
        struct options o;
        options_init(&o);
        assert_int_equal(options_set(&o, rows[i].name, rows[i].standard, 0, 0, NULL), DIVAN_OK);
        options_fini(&o);
    }
}

static void json_shows_all_values(void **state)
{
    struct options o;
    struct buf b = {.limit = 1 << 16};
    options_init(&o);
    assert_int_equal(set_all(&o, "couchbase://h?password=secret&username=u\"", NULL), DIVAN_OK);
    options_json(&o, &b);
    assert_true(json_is_valid(buf_view(&b)));
    const char *text = buf_text(&b);
    assert_null(strstr(text, "secret"));
    assert_non_null(strstr(text, "\"kv_timeout\":2500"));
    assert_non_null(strstr(text, "\"network\":\"auto\""));
    assert_non_null(strstr(text, "\"compression_min_ratio\":0.830000"));
    assert_non_null(strstr(text, "\"tls_verify\":\"peer\""));
    buf_fini(&b);
    options_fini(&o);
}

static void every_failed_allocation_is_survived(void **state)
{
    for (uint64_t n = 1;; n++) {
        struct options o;
        struct divan_error err;
        int64_t live = mem_live();
        options_init(&o);
        mem_fail_at(n);
        enum divan_code rc = options_set(&o, "username", "u", 0, 0, &err);
        if (!rc) rc = options_set(&o, "network", "external", 0, 0, &err);
        if (!rc && options_set(&o, "kv_timout", "1", 0, 0, &err) != DIVAN_ERR_OPTION_UNKNOWN) fail();
        mem_fail_at(0);
        if (rc) assert_int_equal(rc, DIVAN_ERR_OUT_OF_MEMORY);
        options_fini(&o);
        assert_int_equal(mem_live(), live);
        if (n > 8) return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(ssl_of_other_clients_is_understood),
        cmocka_unit_test(near_names_are_offered),
        cmocka_unit_test(sentences_name_option_place_and_remedy),
        cmocka_unit_test(the_table_is_consistent),
        cmocka_unit_test(json_shows_all_values),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
