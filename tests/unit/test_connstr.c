#include "unit/unit.h"

#include <stdio.h>

#include "base/alloc.h"
#include "text/address.h"
#include "text/connstr.h"
#include "text/json.h"

/* The parse in one line: "scheme tls? host/family/kv/mgmt,... bucket key=value&..." */
static void summarise(const struct connstr *cs, struct buf *out)
{
    static const char *const schemes[] = {"couchbase", "couchbases", "http", "https"};
    buf_printf(out, "%s%s", schemes[cs->scheme], cs->has_scheme ? "" : "?");
    for (size_t i = 0; i < cs->host_count; i++)
        buf_printf(out, "%s%s/%c/%u/%u", i ? "," : " ", cs->hosts[i].name, "n46"[cs->hosts[i].family],
                   connstr_kv_port(cs, &cs->hosts[i]), connstr_mgmt_port(cs, &cs->hosts[i]));
    if (cs->bucket) buf_printf(out, " bucket=%s", cs->bucket);
    for (size_t i = 0; i < cs->param_count; i++)
        buf_printf(out, " %s=%s", cs->params[i].key, cs->params[i].value ? cs->params[i].value : "(none)");
    if (cs->srv_eligible) {
        buf_put_str(out, " ");
        connstr_srv_name(cs, out);
    }
}

static const struct {
    const char *text, *meaning;
} good[] = {
    {"couchbase://10.0.0.1", "couchbase 10.0.0.1/4/11210/8091"},
    {"couchbases://10.0.0.1:11222,10.0.0.2,10.0.0.3:11207",
     "couchbases 10.0.0.1/4/11222/0,10.0.0.2/4/11207/18091,10.0.0.3/4/11207/18091"},
    {"couchbase://10.0.0.1;10.0.0.2:11210;10.0.0.3",
     "couchbase 10.0.0.1/4/11210/8091,10.0.0.2/4/11210/8091,10.0.0.3/4/11210/8091"},
    {"couchbase://[3ffe:2a00:100:7031::1]", "couchbase 3ffe:2a00:100:7031::1/6/11210/8091"},
    {"couchbases://[::ffff:192.168.0.1]:11207,[::ffff:192.168.0.2]:11207",
     "couchbases 192.168.0.1/4/11207/18091,192.168.0.2/4/11207/18091"},
    {"couchbase://test.local:11210?key=value", "couchbase test.local/n/11210/8091 key=value"},
    {"http://fqdn?key=value", "http fqdn/n/11210/8091 key=value"},
    {"http://10.0.0.1", "http 10.0.0.1/4/11210/8091"},
    {"http://10.0.0.1:8091", "http 10.0.0.1/4/11210/8091"},
    {"http://10.0.0.1:9000", "http 10.0.0.1/4/0/9000"},
    {"10.0.0.1:8091", "couchbase? 10.0.0.1/4/11210/8091"},
    {"10.0.0.1:11210", "couchbase? 10.0.0.1/4/11210/8091"},
    {"couchbases://fqdn", "couchbases fqdn/n/11207/18091 _couchbases._tcp.fqdn"},
    {"couchbase://fqdn", "couchbase fqdn/n/11210/8091 _couchbase._tcp.fqdn"},
    {"couchbase://_couchbase._tcp.fqdn", "couchbase _couchbase._tcp.fqdn/n/11210/8091 _couchbase._tcp.fqdn"},
    {"couchbase://localhost", "couchbase localhost/n/11210/8091"},
    {"https://host2:8091,host3:8091", "https host2/n/11207/8091,host3/n/11207/8091"},
    {"couchbase://h:1234=http,h2:5678=mcd", "couchbase h/n/0/1234,h2/n/5678/0"},
    {"[::1]:8091=http,[::1]:11210=kv", "couchbase? ::1/6/11210/8091"},
    {"couchbase://foo:123=kv,foo:456=manager", "couchbase foo/n/123/456"},
    {"couchbase://foo:123=KV,foo:124=kv", "couchbase foo/n/123/0,foo/n/124/0"},
    {"couchbase:///%2FUsers%2F?", "couchbase bucket=/Users/"},
    {"couchbase://h/bU%1F-K__big__.mp3", "couchbase h/n/11210/8091 bucket=bU%1F-K__big__.mp3 _couchbase._tcp.h"},
    {"couchbase://?foo=a&foo=b&", "couchbase foo=a foo=b"},
    {"couchbase://127.0.0.1?uri=ws://example.com", "couchbase 127.0.0.1/4/11210/8091 uri=ws://example.com"},
    {"127.0.0.1?uri=ws://example.com", "couchbase? 127.0.0.1/4/11210/8091 uri=ws://example.com"},
    {"couchbase://256.1.1.1:1", "couchbase 256.1.1.1/n/1/0"},
    {"COUCHBASE://h:1", "couchbase h/n/1/0"},
    {"couchbase+dnssrv://h", "couchbase h/n/11210/8091 _couchbase._tcp.h"},
    {"couchbases+dnssrv://h", "couchbases h/n/11207/18091 _couchbases._tcp.h"},
    {"couchbase://h:8091=kv", "couchbase h/n/8091/0"},
    {"couchbases://h:11207=mcds,h:18091=https", "couchbases h/n/11207/18091"},
    {"couchbase://a, b,  c:1", "couchbase a/n/11210/8091,b/n/11210/8091,c/n/1/0"},
    {"couchbase://h:1/travel-sample?kv_timeout=5s&x", "couchbase h/n/1/0 bucket=travel-sample kv_timeout=5s x=(none)"},
    {"couchbase://h:1?a=%20b%2f%C3%A9&c=", "couchbase h/n/1/0 a= b/\xc3\xa9 c="},
    {"couchbase://[fe80::1%eth0]:1", "couchbase fe80::1%eth0/6/1/0"},
    {"couchbase://example.com.:1", "couchbase example.com./n/1/0"},
    {"couchbase://h:1/", "couchbase h/n/1/0"},
    {"localhost/b", "couchbase? localhost/n/11210/8091 bucket=b"},
    {"ns_server://h:9000", "http h/n/0/9000"},
};

static void strings_mean_what_they_should(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct connstr cs;
        struct divan_error err = {0};
        struct buf text = {.limit = 1 << 16};
        if (connstr_parse(good[i].text, &cs, &err)) fail_msg("%s: %s", good[i].text, err.message);
        summarise(&cs, &text);
        assert_string_equal(buf_text(&text), good[i].meaning);
        buf_clear(&text);
        connstr_json(&cs, &text);
        assert_true(json_is_valid(buf_view(&text)));
        connstr_fini(&cs);
        buf_fini(&text);
    }
}

static void json_shows_everything_but_passwords(void **state)
{
    struct connstr cs;
    struct buf text = {.limit = 1 << 16};
    assert_int_equal(connstr_parse("couchbases://a,[::1]:5=kv/b%20\"?password=secret&n=1&flag", &cs, NULL), DIVAN_OK);
    connstr_json(&cs, &text);
    assert_string_equal(
        buf_text(&text),
        "{\"scheme\":\"couchbases\",\"has_scheme\":true,\"tls\":true,\"hosts\":["
        "{\"host\":\"a\",\"family\":\"name\",\"port\":null,\"type\":null,\"kv\":11207,\"mgmt\":18091},"
        "{\"host\":\"::1\",\"family\":\"ipv6\",\"port\":5,\"type\":\"kv\",\"kv\":5,\"mgmt\":null}],"
        "\"bucket\":\"b \\\"\",\"params\":[{\"key\":\"password\",\"value\":\"***\"},{\"key\":\"n\",\"value\":\"1\"},"
        "{\"key\":\"flag\",\"value\":null}],\"srv\":null,\"srv_required\":false}");
    assert_string_equal(connstr_param(&cs, "n"), "1");
    assert_null(connstr_param(&cs, "m"));
    connstr_fini(&cs);
    buf_fini(&text);
}

static void seeds_and_capella_are_judged(void **state)
{
    struct connstr cs;
    struct divan_error err;
    assert_int_equal(connstr_parse("couchbase:///bucket", &cs, NULL), DIVAN_OK);
    assert_int_equal(connstr_check_seeds(&cs, &err), DIVAN_ERR_CONNSTR_NO_HOST);
    connstr_fini(&cs);
    assert_int_equal(connstr_parse("couchbase://foo.cloud.couchbase.com", &cs, NULL), DIVAN_OK);
    assert_true(cs.capella_plain);
    assert_int_equal(connstr_check_seeds(&cs, &err), DIVAN_OK);
    connstr_fini(&cs);
    assert_int_equal(connstr_parse("couchbases://foo.cloud.couchbase.com", &cs, NULL), DIVAN_OK);
    assert_false(cs.capella_plain);
    connstr_fini(&cs);
}

static void addresses_are_told_from_names(void **state)
{
    static const char *const v4[] = {"0.0.0.0", "127.0.0.1", "255.255.255.255"};
    static const char *const v6[] = {
        "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1::8", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "fe80::1%eth0"};
    static const char *const names[] = {"",
                                        "256.1.1.1",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "01.2.3.4",
                                        "1.2.3.4 ",
                                        ":",
                                        ":::",
                                        "1::2::3",
                                        "1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:8:9",
                                        "1:2:3:4:5:6:7::8:9",
                                        "12345::",
                                        "g::",
                                        "1:2:3:4:5:6:7:1.2.3.4",
                                        "::1%",
                                        "1:",
                                        ":1",
                                        "::1.2.3"};
    for (size_t i = 0; i < sizeof v4 / sizeof v4[0]; i++)
        assert_int_equal(address_family_of(divan_str(v4[i])), ADDRESS_IPV4);
    for (size_t i = 0; i < sizeof v6 / sizeof v6[0]; i++)
        if (address_family_of(divan_str(v6[i])) != ADDRESS_IPV6) fail_msg("%s", v6[i]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (address_family_of(divan_str(names[i])) != ADDRESS_NAME) fail_msg("%s", names[i]);
    assert_true(address_equal("::1", "0:0:0:0:0:0:0:1"));
    assert_true(address_equal("::ffff:10.0.0.1", "10.0.0.1"));
    assert_true(address_equal("Host.Example.", "host.example"));
    assert_false(address_equal("fe80::1%eth0", "fe80::1%eth1"));
    assert_false(address_equal("host", "host2"));
    assert_true(address_is_loopback("127.9.8.7") && address_is_loopback("::1") && address_is_loopback("LOCALHOST"));
    assert_false(address_is_loopback("128.0.0.1") || address_is_loopback("::2") || address_is_loopback("local"));
}

static void every_failed_allocation_is_survived(void **state)
{
    for (uint64_t n = 1;; n++) {
        struct connstr cs = {0};
        struct divan_error err;
        int64_t live = mem_live();
        mem_fail_at(n);
        enum divan_code rc = connstr_parse("couchbases://a,[::ffff:1.2.3.4]:5=kv,1.2.3.4:6=http/b%20?x=y&z=%31&flag",
                                           &cs, &err);
        mem_fail_at(0);
        if (rc) assert_int_equal(rc, DIVAN_ERR_OUT_OF_MEMORY);
        connstr_fini(&cs);
        assert_int_equal(mem_live(), live);
        if (!rc) return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_mean_what_they_should),       cmocka_unit_test(json_shows_everything_but_passwords),
        cmocka_unit_test(seeds_and_capella_are_judged),        cmocka_unit_test(addresses_are_told_from_names),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
