/* The cluster document: what is written is read again, what is broken is refused with its place. */
#include "unit/manager_support.h"

static void what_is_written_is_read_again(void **state)
{
    struct cluster c;
    struct doc *again = NULL;
    struct divan_error err;
    cluster_open(&c);
    cluster_fill(&c);
    char *before = doc_json(c.doc);
    if (doc_from_json(divan_str(before), &again, &err)) fail_msg("%s", err.message);
    char *after = doc_json(again);
    assert_string_equal(before, after);
    assert_int_equal(again->bucket_count, 3);
    const struct doc_bucket *b = doc_find_bucket(again, divan_str("B"));
    assert_int_equal(b->map.vbuckets, 64);
    assert_int_equal(b->map.row, 2);
    assert_int_equal(b->map.entries[0], 0);
    assert_int_equal(b->map.entries[1], -1);
    const struct doc_user *u = doc_find_user(again, divan_str("u1"), false);
    assert_string_equal(u->roles[0].collection, "c1");
    assert_null(u->roles[1].scope);
    assert_int_equal(u->keys[DOC_SHA512].iterations, c.doc->users[1].keys[DOC_SHA512].iterations);
    assert_string_equal(doc_setting(again, "/settings/stats"), "{\"sendStats\":true}");
    mem_free(before);
    mem_free(after);
    doc_release(again);
    cluster_close(&c);
}

static void a_copy_is_of_its_own(void **state)
{
    struct cluster c;
    cluster_open(&c);
    cluster_fill(&c);
    struct doc *copy = doc_copy(c.doc);
    char *whole = doc_json(c.doc);
    copy->buckets[0].quota_mb = 1;
    copy->name = doc_text(copy, "changed");
    doc_remove(copy->users, &copy->user_count, 0, sizeof *copy->users);
    char *same = doc_json(c.doc);
    assert_string_equal(whole, same);
    doc_release(copy);
    mem_free(whole);
    mem_free(same);
    cluster_close(&c);
}

/* Each line is put in place of a part of a good document. */
static void broken_documents_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *part, *with;
        enum divan_code code;
        const char *place;
    } table[] = {
        {"{\"epoch\"", "{epoch", DIVAN_ERR_CONFIG_NOT_JSON, "byte 1"},
        {"\"uuid\":\"", "\"uuid\":7,\"x\":\"", DIVAN_ERR_CONFIG_FIELD_TYPE, "uuid"},
        {"\"provisioned\":true", "\"provisioned\":1", DIVAN_ERR_CONFIG_FIELD_TYPE, "provisioned"},
        {"\"vbuckets\":64", "\"vbuckets\":1025", DIVAN_ERR_CONFIG_FIELD_RANGE, "vbuckets"},
        {"\"vbuckets\":64", "\"vbuckets\":-1", DIVAN_ERR_CONFIG_FIELD_RANGE, "vbuckets"},
        {"\"vbuckets\":64", "\"vbuckets\":0", DIVAN_ERR_CONFIG_FIELD_RANGE, "vBuckets"},
        {"\"replicas\":1", "\"replicas\":4", DIVAN_ERR_CONFIG_FIELD_RANGE, "buckets.replicas"},
        {"\"type\":\"membase\"", "\"type\":\"magic\"", DIVAN_ERR_CONFIG_FIELD_RANGE, "buckets.type"},
        {"\"entries\":\"0,", "\"entries\":\"1,", DIVAN_ERR_CONFIG_NODE_INDEX, "buckets.map.entries"},
        {"\"entries\":\"0,-1,", "\"entries\":\"0,", DIVAN_ERR_CONFIG_VBUCKETS, "buckets.map.entries"},
        {"\"entries\":\"0,-1,", "\"entries\":\"0,-1,0,", DIVAN_ERR_CONFIG_VBUCKETS, "buckets.map.entries"},
        {"\"servers\":[\"" NODE_A "\"]", "\"servers\":[\"x\"]", DIVAN_ERR_CONFIG_NODE_INDEX, "unknown node"},
        {"\"nodes\":[", "\"nodes\":{},\"x\":[", DIVAN_ERR_CONFIG_FIELD_TYPE, "nodes"},
        {"\"nodes\":[{", "\"nodes\":[3,{", DIVAN_ERR_CONFIG_NOT_OBJECT, "nodes"},
        {"\"salt\":\"", "\"salt\":\"0", DIVAN_ERR_CONFIG_FIELD_TYPE, "adminKeys"},
        {"\"stored\":\"", "\"stored\":\"00\",\"x\":\"", DIVAN_ERR_CONFIG_FIELD_RANGE, "adminKeys"},
        {"\"services\":[\"kv\"]", "\"services\":[\"gold\"]", DIVAN_ERR_CONFIG_FIELD_RANGE, "nodes.services"},
        {"\"name\":\"rec\"", "\"name\":\"a\\u0000b\"", DIVAN_ERR_CONFIG_FIELD_RANGE, "name"},
        {"{\\\"sendStats\\\":true}", "{\\\"sendStats\\\"}", DIVAN_ERR_CONFIG_FIELD_TYPE, "setting"},
    };
    struct cluster c;
    cluster_open(&c);
    cluster_fill(&c);
    char *good = doc_json(c.doc);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf text = {.limit = 0};
        struct divan_error err = {0};
        struct doc *d = NULL;
        const char *at = strstr(good, table[i].part);
        if (!at) fail_msg("row %zu: the document has no %s", i, table[i].part);
        buf_put(&text, good, (size_t)(at - good));
        buf_put_str(&text, table[i].with);
        buf_put_str(&text, at + strlen(table[i].part));
        assert_int_equal(doc_from_json(buf_view(&text), &d, &err), table[i].code);
        assert_null(d);
        if (!strstr(err.message, table[i].place)) fail_msg("row %zu: %s", i, err.message);
        buf_fini(&text);
    }
    mem_free(good);
    cluster_close(&c);
}

static void every_failed_allocation_is_survived(void **state)
{
    struct cluster c;
    cluster_open(&c);
    cluster_fill(&c);
    char *json = doc_json(c.doc);
    int64_t live = mem_live();
    bool done = false;
    for (uint64_t n = 1; !done && n < 10000; n++) {
        struct doc *d = NULL;
        struct divan_error err;
        mem_fail_at(n);
        enum divan_code rc = doc_from_json(divan_str(json), &d, &err);
        mem_fail_at(0);
        done = rc == DIVAN_OK;
        if (!done) assert_int_equal(rc, DIVAN_ERR_OUT_OF_MEMORY);
        doc_release(d);
        assert_int_equal(mem_live(), live);
    }
    assert_true(done);
    mem_free(json);
    cluster_close(&c);
}

/* ---- what clients are told */

static char *config_of(const struct cluster *c, const char *bucket)
{
    struct buf out = {.limit = 0};
    if (bucket) doc_bucket_config(c->doc, doc_find_bucket(c->doc, divan_str(bucket)), NODE_A, &out);
    else doc_global_config(c->doc, NODE_A, &out);
    assert_true(json_is_valid(buf_view(&out)));
    return buf_take_text(&out);
}

static void configurations_parse_as_cluster_maps(void **state)
{
    struct cluster c;
    struct map *m = NULL;
    struct divan_error err;
    cluster_open(&c);
    cluster_fill(&c);
    char *text = config_of(&c, "B");
    if (map_parse(divan_str(text), "127.0.0.1", &m, &err)) fail_msg("%s", err.message);
    assert_string_equal(m->bucket, "B");
    assert_int_equal(m->vbuckets, 64);
    assert_int_equal(m->replicas, 1);
    assert_int_equal(m->revision.rev, doc_find_bucket(c.doc, divan_str("B"))->rev);
    assert_int_equal(m->node_count, 1);
    assert_int_equal(m->nodes[0].ports.plain[SVC_KV], 9010);
    assert_int_equal(m->nodes[0].ports.tls[SVC_MGMT], 9050);
    assert_int_equal(m->nodes[0].alternate_count, 1);
    assert_true(m->nodes[0].this_node);
    assert_int_equal(m->manifest_uid, 3);
    assert_non_null(strstr(text, "\"serverList\":[\"$HOST:9010\"]"));
    assert_null(strstr(text, "\"hostname\":\"127.0.0.1"));
    map_release(m);
    mem_free(text);
    text = config_of(&c, NULL);
    if (map_parse(divan_str(text), "127.0.0.1", &m, &err)) fail_msg("%s", err.message);
    assert_null(m->bucket);
    map_release(m);
    mem_free(text);
    cluster_close(&c);
}

static void a_service_that_does_not_listen_is_not_named(void **state)
{
    struct cluster c;
    cluster_open(&c);
    char *text = config_of(&c, NULL);
    assert_non_null(strstr(text, "\"services\":{\"mgmt\":9000,\"mgmtSSL\":9050,\"kv\":9010,\"kvSSL\":9007}"));
    mem_free(text);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_copy_is_of_its_own),
        cmocka_unit_test(broken_documents_are_refused_with_their_place),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(configurations_parse_as_cluster_maps),
        cmocka_unit_test(a_service_that_does_not_listen_is_not_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
