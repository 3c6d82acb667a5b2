/* Sub-documents, projections and locks through the public interface, against a real node. */
#include "unit/engine_thread.h"

#include <divan/divan.h>
#include <inttypes.h>

struct stage {
    struct engine_thread node;
    divan_cluster *cluster;
    divan_collection *things;
};

static int set(void **state)
{
    struct stage *t = calloc(1, sizeof *t);
    struct divan_error err;
    const struct divan_cluster_options o = {.username = "u", .password = "p"};
    engine_thread_start(&t->node);
    engine_must(divan_cluster_open(&t->cluster, t->node.connstr, &o, &err), &err);
    t->things = divan_cluster_collection(t->cluster, "default", "s", "c", &err);
    assert_non_null(t->things);
    *state = t;
    return 0;
}

static int strike(void **state)
{
    struct stage *t = *state;
    divan_cluster_close(t->cluster);
    engine_thread_stop(&t->node);
    free(t);
    return 0;
}

static void put(struct stage *t, const char *key, const char *value)
{
    struct divan_error err;
    engine_must(divan_upsert(t->things, divan_str(key), divan_str(value), NULL, NULL, &err), &err);
}

static void assert_bytes(struct divan_bytes got, const char *want)
{
    if (!bytes_is(got, want)) fail_msg("got \"%.*s\", want \"%s\"", (int)got.len, (const char *)got.data, want);
}

static void assert_value(struct stage *t, const char *key, const char *want)
{
    struct divan_error err;
    divan_result *r = NULL;
    engine_must(divan_get(t->things, divan_str(key), NULL, &r, &err), &err);
    assert_bytes(divan_result_value(r), want);
    divan_result_release(r);
}

static void assert_code(enum divan_code got, enum divan_code want)
{
    if (got != want) fail_msg("got %s, want %s", divan_code_name(got), divan_code_name(want));
}

/* ---- lookup_in */

static void lookups_answer_in_the_order_asked(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    struct divan_spec_result spec;
    put(t, "k", "{\"name\":\"Ann\",\"tags\":[\"x\",\"y\"],\"deep\":{\"n\":7}}");
    const struct divan_lookup specs[] = {
        divan_lookup_get("name"),
        divan_lookup_exists("tags[1]"),
        divan_lookup_xattr(divan_lookup_get(DIVAN_XATTR_EXPIRY)),
        divan_lookup_exists("nothing"),
        {.op = DIVAN_LOOKUP_COUNT, .path = divan_str("tags")},
        divan_lookup_get("name.first"),
        divan_lookup_get("deep.missing"),
        divan_lookup_get("tags[-1]"),
    };
    engine_must(divan_lookup_in(t->things, divan_str("k"), specs, 8, NULL, &r, &err), &err);
    assert_int_equal(divan_result_spec_count(r), 8);
    assert_bytes(divan_result_spec_value(r, 0), "\"Ann\"");
    assert_code(divan_result_spec(r, 1, &spec), DIVAN_OK);
    assert_true(spec.exists);
    assert_bytes(spec.value, "true");
    assert_bytes(divan_result_spec_value(r, 2), "0");
    assert_code(divan_result_spec(r, 3, &spec), DIVAN_OK);
    assert_false(spec.exists);
    assert_bytes(spec.value, "false");
    assert_bytes(divan_result_spec_value(r, 4), "2");
    assert_code(divan_result_spec(r, 5, &spec), DIVAN_ERR_PATH_MISMATCH);
    assert_code(divan_result_spec(r, 6, &spec), DIVAN_ERR_PATH_NOT_FOUND);
    assert_int_equal(spec.status, 0xc0);
    assert_bytes(divan_result_spec_value(r, 7), "\"y\"");
    assert_code(divan_result_spec(r, 8, &spec), DIVAN_ERR_INVALID_ARGUMENT);
    assert_true(divan_result_cas(r) != 0);
    divan_result_release(r);
}

static void a_lookup_of_the_whole_document_and_a_missing_one(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    put(t, "k", "{\"a\":1}");
    const struct divan_lookup specs[] = {divan_lookup_document(), divan_lookup_xattr(divan_lookup_get("$XTOC"))};
    engine_must(divan_lookup_in(t->things, divan_str("k"), specs, 2, NULL, &r, &err), &err);
    assert_bytes(divan_result_spec_value(r, 0), "{\"a\":1}");
    assert_bytes(divan_result_spec_value(r, 1), "[]");
    divan_result_release(r);
    assert_code(divan_lookup_in(t->things, divan_str("none"), specs, 1, NULL, NULL, &err),
                DIVAN_ERR_DOCUMENT_NOT_FOUND);
    assert_string_equal(err.op, "lookup_in");
}

/* ---- mutate_in */

static void mutations_change_all_paths_at_once(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    struct divan_spec_result spec;
    put(t, "k", "{\"n\":1,\"list\":[2],\"old\":true,\"s\":\"x\"}");
    const struct divan_mutation specs[] = {
        divan_mutate_upsert("s", divan_str("\"y\"")),
        divan_mutate_increment("n", 41),
        divan_mutate_xattr(divan_mutate_upsert("mine", divan_str("{\"by\":1}"))),
        divan_mutate_array_append("list", divan_str("3,4")),
        divan_mutate_array_prepend("list", divan_str("1")),
        divan_mutate_remove("old"),
        divan_mutate_create_path(divan_mutate_upsert("a.b.c", divan_str("null"))),
        divan_mutate_increment("n", -2),
        divan_mutate_macro("seen.cas", DIVAN_MACRO_CAS),
    };
    engine_must(divan_mutate_in(t->things, divan_str("k"), specs, 8, NULL, &r, &err), &err);
    assert_code(divan_result_spec(r, 1, &spec), DIVAN_OK);
    assert_bytes(spec.value, "42");
    assert_bytes(divan_result_spec_value(r, 7), "40");
    assert_code(divan_result_spec(r, 0, &spec), DIVAN_OK);
    assert_int_equal(spec.value.len, 0);
    assert_true(divan_result_token(r).seqno != 0);
    divan_result_release(r);
    assert_value(t, "k", "{\"n\":40,\"list\":[1,2,3,4],\"s\":\"y\",\"a\":{\"b\":{\"c\":null}}}");
    engine_must(divan_mutate_in(t->things, divan_str("k"), &specs[8], 1, NULL, &r, &err), &err);
    divan_result_release(r);
    const struct divan_lookup back[] = {divan_lookup_xattr(divan_lookup_get("mine.by")),
                                        divan_lookup_xattr(divan_lookup_get("seen.cas"))};
    engine_must(divan_lookup_in(t->things, divan_str("k"), back, 2, NULL, &r, &err), &err);
    assert_bytes(divan_result_spec_value(r, 0), "1");
    assert_int_equal(divan_result_spec_value(r, 1).len, 20); /* "0x" and 16 digits in quotes */
    divan_result_release(r);
}

static void a_refused_path_is_named_and_nothing_changes(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    put(t, "k", "{\"n\":1}");
    const struct divan_mutation specs[] = {
        divan_mutate_upsert("n", divan_str("2")),
        divan_mutate_replace("nowhere", divan_str("2")),
        divan_mutate_xattr(divan_mutate_upsert("x", divan_str("2"))),
    };
    assert_code(divan_mutate_in(t->things, divan_str("k"), specs, 3, NULL, NULL, &err), DIVAN_ERR_PATH_NOT_FOUND);
    assert_non_null(strstr(err.message, "spec 1, path \"nowhere\""));
    assert_int_equal(err.server_status, 0xc0);
    assert_value(t, "k", "{\"n\":1}");
}

static void a_queue_tells_which_spec_was_refused(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    put(t, "k", "{\"n\":1}");
    divan_queue *queue = divan_queue_new(t->cluster);
    const struct divan_mutation specs[] = {divan_mutate_insert("m", divan_str("2")),
                                           divan_mutate_insert("n", divan_str("2"))};
    engine_must(
        divan_mutate_in_start(t->things, divan_str("k"), specs, 2, NULL, (struct divan_done){.queue = queue}, &err),
        &err);
    assert_int_equal(divan_queue_pop(queue, &r, 1, -1), 1);
    assert_code(divan_result_error(r)->code, DIVAN_ERR_PATH_EXISTS);
    assert_int_equal(divan_result_spec_failed(r), 1);
    divan_result_release(r);
    divan_queue_free(queue);
}

static void store_semantics(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    const struct divan_mutation set[] = {divan_mutate_upsert("a", divan_str("1"))};
    const struct divan_mutate_options insert = {.store = DIVAN_STORE_INSERT}, upsert = {.store = DIVAN_STORE_UPSERT};
    assert_code(divan_mutate_in(t->things, divan_str("new"), set, 1, NULL, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    engine_must(divan_mutate_in(t->things, divan_str("new"), set, 1, &insert, &r, &err), &err);
    uint64_t cas = divan_result_cas(r);
    divan_result_release(r);
    assert_code(divan_mutate_in(t->things, divan_str("new"), set, 1, &insert, NULL, &err), DIVAN_ERR_DOCUMENT_EXISTS);
    engine_must(divan_mutate_in(t->things, divan_str("new"), set, 1, &upsert, NULL, &err), &err);
    assert_code(
        divan_mutate_in(t->things, divan_str("new"), set, 1, &(struct divan_mutate_options){.cas = cas}, NULL, &err),
        DIVAN_ERR_CAS_MISMATCH);
    assert_value(t, "new", "{\"a\":1}");
}

static void whole_documents_and_their_attributes(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    const struct divan_mutation both[] = {divan_mutate_document(divan_str("{\"v\":2}")),
                                          divan_mutate_xattr(divan_mutate_upsert("meta", divan_str("\"m\"")))};
    const struct divan_mutate_options upsert = {.store = DIVAN_STORE_UPSERT, .expiry_s = 1000};
    engine_must(divan_mutate_in(t->things, divan_str("w"), both, 2, &upsert, NULL, &err), &err);
    assert_value(t, "w", "{\"v\":2}");
    engine_must(divan_get(t->things, divan_str("w"), &(struct divan_get_options){.with_expiry = true}, &r, &err), &err);
    assert_true(divan_result_expiry(r) > 1700000000);
    assert_bytes(divan_result_value(r), "{\"v\":2}");
    divan_result_release(r);
    const struct divan_mutation gone[] = {divan_mutate_remove_document()};
    engine_must(divan_mutate_in(t->things, divan_str("w"), gone, 1, NULL, NULL, &err), &err);
    assert_code(divan_get(t->things, divan_str("w"), NULL, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
}

static void a_deleted_document_has_attributes_and_can_live_again(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    const struct divan_mutation ghost[] = {divan_mutate_xattr(divan_mutate_upsert("t", divan_str("{\"id\":5}")))};
    const struct divan_mutate_options dead = {
        .store = DIVAN_STORE_INSERT, .access_deleted = true, .create_as_deleted = true};
    engine_must(divan_mutate_in(t->things, divan_str("g"), ghost, 1, &dead, NULL, &err), &err);
    const struct divan_lookup look[] = {divan_lookup_xattr(divan_lookup_get("t.id"))};
    assert_code(divan_lookup_in(t->things, divan_str("g"), look, 1, NULL, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    engine_must(divan_lookup_in(t->things, divan_str("g"), look, 1,
                                &(struct divan_lookup_options){.access_deleted = true}, &r, &err),
                &err);
    assert_true(divan_result_deleted(r));
    assert_bytes(divan_result_spec_value(r, 0), "5");
    divan_result_release(r);
    const struct divan_mutation revive[] = {
        {.op = DIVAN_MUTATE_BODY_FROM_XATTR, .path = divan_str("t"), .xattr = true}};
    engine_must(divan_mutate_in(t->things, divan_str("g"), revive, 1, &(struct divan_mutate_options){.revive = true},
                                NULL, &err),
                &err);
    assert_value(t, "g", "{\"id\":5}");
    assert_code(divan_mutate_in(t->things, divan_str("g"), ghost, 1, &(struct divan_mutate_options){.revive = true},
                                NULL, &err),
                DIVAN_ERR_CANNOT_REVIVE_LIVING_DOCUMENT);
}

static void every_refusal_has_its_code(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    char deep[400] = "a";
    for (int i = 0; i < 40; i++) strcat(deep, ".a");
    put(t, "json", "{\"n\":9223372036854775807,\"s\":\"x\",\"a\":[1]}");
    put(t, "text", "not json");
    const struct {
        const char *key;
        struct divan_mutation spec;
        enum divan_code code;
    } rows[] = {
        {"json", divan_mutate_replace("no", divan_str("1")), DIVAN_ERR_PATH_NOT_FOUND},
        {"json", divan_mutate_upsert("s.t", divan_str("1")), DIVAN_ERR_PATH_MISMATCH},
        {"json", divan_mutate_upsert("a..b", divan_str("1")), DIVAN_ERR_PATH_INVALID},
        {"json", divan_mutate_upsert(deep, divan_str("1")), DIVAN_ERR_PATH_TOO_BIG},
        {"json", divan_mutate_upsert("v", divan_str("{no")), DIVAN_ERR_VALUE_INVALID},
        {"text", divan_mutate_upsert("v", divan_str("1")), DIVAN_ERR_DOCUMENT_NOT_JSON},
        {"json", divan_mutate_increment("n", 1), DIVAN_ERR_VALUE_INVALID},
        {"json", divan_mutate_increment("s", 1), DIVAN_ERR_PATH_MISMATCH},
        {"json", divan_mutate_insert("s", divan_str("1")), DIVAN_ERR_PATH_EXISTS},
        {"json", divan_mutate_array_add_unique("a", divan_str("1")), DIVAN_ERR_PATH_EXISTS},
        {"json", divan_mutate_macro("m", "\"${Unknown.macro}\""), DIVAN_ERR_XATTR_UNKNOWN_MACRO},
        {"json", divan_mutate_xattr(divan_mutate_upsert("$document", divan_str("1"))),
         DIVAN_ERR_XATTR_CANNOT_MODIFY_VIRTUAL_ATTRIBUTE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum divan_code rc = divan_mutate_in(t->things, divan_str(rows[i].key), &rows[i].spec, 1, NULL, NULL, &err);
        if (rc != rows[i].code)
            fail_msg("row %zu: %s, want %s: %s", i, divan_code_name(rc), divan_code_name(rows[i].code), err.message);
    }
}

/* ---- projections */

static const char *const sixteen[] = {"p0", "p1", "p2",  "p3",  "p4",   "p5",     "p6",   "p7", "p8",
                                      "p9", "pa", "n.b", "n.a", "a[2]", "a[0].x", "a[2]", "zz"};

static void projections_are_what_was_asked_for(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    put(t, "k",
        "{\"p0\":0,\"p1\":{\"x\":[1, 2]},\"n\":{\"a\":1,\"b\":2,\"c\":3},\"a\":[{\"x\":1,\"y\":2},5,\"e\"],\"q\":1}");
    const struct {
        size_t first, count;
        bool with_expiry;
        const char *want;
    } rows[] = {
        {0, 1, false, "{\"p0\":0}"},
        {1, 1, true, "{\"p1\":{\"x\":[1, 2]}}"},
        {11, 2, false, "{\"n\":{\"b\":2,\"a\":1}}"},
        {13, 2, true, "{\"a\":[{\"x\":1},\"e\"]}"},
        {16, 1, false, "{}"},
        {0, 15, true, "{\"p0\":0,\"p1\":{\"x\":[1, 2]},\"n\":{\"b\":2,\"a\":1},\"a\":[{\"x\":1},\"e\"]}"},
        {0, 16, true,
         "{\"p0\":0,\"p1\":{\"x\":[1, 2]},\"n\":{\"b\":2,\"a\":1},\"a\":[{\"x\":1},\"e\"]}"}, /* 17 on the wire */
        {0, 17, false, "{\"p0\":0,\"p1\":{\"x\":[1, 2]},\"n\":{\"b\":2,\"a\":1},\"a\":[{\"x\":1},\"e\"]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct divan_get_options o = {
            .project = sixteen + rows[i].first, .project_count = rows[i].count, .with_expiry = rows[i].with_expiry};
        engine_must(divan_get(t->things, divan_str("k"), &o, &r, &err), &err);
        assert_bytes(divan_result_value(r), rows[i].want);
        assert_int_equal(divan_result_expiry(r), 0);
        divan_result_release(r);
    }
    const char *const bad[] = {"a..b"};
    assert_code(divan_get(t->things, divan_str("k"), &(struct divan_get_options){.project = bad, .project_count = 1},
                          NULL, &err),
                DIVAN_ERR_PATH_INVALID);
    put(t, "text", "plain");
    assert_code(divan_get(t->things, divan_str("text"),
                          &(struct divan_get_options){.project = sixteen, .project_count = 17}, NULL, &err),
                DIVAN_ERR_DOCUMENT_NOT_JSON);
    assert_code(divan_get(t->things, divan_str("text"),
                          &(struct divan_get_options){.project = sixteen, .project_count = 1}, NULL, &err),
                DIVAN_ERR_DOCUMENT_NOT_JSON);
    assert_code(divan_get(t->things, divan_str("none"), &(struct divan_get_options){.with_expiry = true}, NULL, &err),
                DIVAN_ERR_DOCUMENT_NOT_FOUND);
}

/* ---- locks */

static void locks_keep_others_out(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    put(t, "l", "1");
    const struct divan_lock_options impatient = {.retry = DIVAN_RETRY_FAIL_FAST};
    assert_code(divan_unlock(t->things, divan_str("l"), 7, &impatient, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_LOCKED);
    assert_code(divan_unlock(t->things, divan_str("none"), 7, NULL, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    engine_must(divan_get_and_lock(t->things, divan_str("l"), 20, NULL, &r, &err), &err);
    assert_bytes(divan_result_value(r), "1");
    uint64_t cas = divan_result_cas(r);
    divan_result_release(r);
    assert_code(divan_get_and_lock(t->things, divan_str("l"), 5, &impatient, NULL, &err), DIVAN_ERR_DOCUMENT_LOCKED);
    assert_code(divan_unlock(t->things, divan_str("l"), cas + 1, NULL, NULL, &err), DIVAN_ERR_CAS_MISMATCH);
    assert_code(
        divan_get_and_lock(t->things, divan_str("l"), 5, &(struct divan_lock_options){.timeout_ms = 60}, NULL, &err),
        DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_non_null(strstr(err.message, "key_value_locked"));
    engine_must(divan_unlock(t->things, divan_str("l"), cas, NULL, NULL, &err), &err);
    engine_must(divan_get_and_lock(t->things, divan_str("l"), 0, NULL, &r, &err), &err);
    const struct divan_replace_options with = {.cas = divan_result_cas(r)};
    engine_must(divan_replace(t->things, divan_str("l"), divan_str("2"), &with, NULL, &err), &err); /* opens it */
    divan_result_release(r);
    engine_must(divan_upsert(t->things, divan_str("l"), divan_str("3"), NULL, NULL, &err), &err);
}

/* ---- what callers get wrong */

static void malformed_arguments(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    static char path[1200];
    struct divan_lookup many[17];
    struct divan_mutation changes[17];
    memset(path, 'p', 1025);
    for (int i = 0; i < 17; i++) many[i] = divan_lookup_get("a"), changes[i] = divan_mutate_remove("a");
    const struct {
        struct divan_lookup spec;
        enum divan_code code;
    } lookups[] = {
        {{.op = (enum divan_lookup_op)9, .path = divan_str("a")}, DIVAN_ERR_SPEC_INVALID},
        {{.path = divan_str(path)}, DIVAN_ERR_PATH_TOO_LONG},
        {{.path = {NULL, 3}}, DIVAN_ERR_PATH_NULL},
        {{.op = DIVAN_LOOKUP_EXISTS}, DIVAN_ERR_SPEC_INVALID},
        {{.xattr = true}, DIVAN_ERR_SPEC_INVALID},
        {{.path = divan_str("a"), .binary = true}, DIVAN_ERR_SPEC_INVALID},
    };
    for (size_t i = 0; i < sizeof lookups / sizeof lookups[0]; i++)
        assert_code(divan_lookup_in(t->things, divan_str("k"), &lookups[i].spec, 1, NULL, NULL, &err), lookups[i].code);
    const struct divan_bytes one = divan_str("1"), none = divan_str(NULL);
    const struct {
        struct divan_mutation spec;
        enum divan_code code;
    } mutations[] = {
        {{.op = (enum divan_mutate_op)99, .path = divan_str("a"), .value = one}, DIVAN_ERR_SPEC_INVALID},
        {divan_mutate_upsert(path, one), DIVAN_ERR_PATH_TOO_LONG},
        {{.op = DIVAN_MUTATE_UPSERT, .path = {NULL, 3}, .value = one}, DIVAN_ERR_PATH_NULL},
        {divan_mutate_upsert("a", none), DIVAN_ERR_SPEC_INVALID},
        {{.op = DIVAN_MUTATE_UPSERT, .path = divan_str("a"), .value = {NULL, 9}}, DIVAN_ERR_VALUE_NULL},
        {divan_mutate_insert("", one), DIVAN_ERR_SPEC_INVALID},
        {divan_mutate_array_insert("", one), DIVAN_ERR_SPEC_INVALID},
        {divan_mutate_increment("", 1), DIVAN_ERR_SPEC_INVALID},
        {divan_mutate_increment("a", 0), DIVAN_ERR_DELTA_RANGE},
        {{.op = DIVAN_MUTATE_INCREMENT, .path = divan_str("a"), .value = one, .delta = 1}, DIVAN_ERR_SPEC_INVALID},
        {{.op = DIVAN_MUTATE_REMOVE, .path = divan_str("a"), .value = one}, DIVAN_ERR_SPEC_INVALID},
        {divan_mutate_create_path(divan_mutate_remove("a")), DIVAN_ERR_SPEC_INVALID},
        {divan_mutate_create_path(divan_mutate_replace("a", one)), DIVAN_ERR_SPEC_INVALID},
        {divan_mutate_create_path(divan_mutate_document(one)), DIVAN_ERR_SPEC_INVALID},
        {divan_mutate_xattr(divan_mutate_upsert("", one)), DIVAN_ERR_SPEC_INVALID},
        {{.op = DIVAN_MUTATE_UPSERT, .path = divan_str("a"), .value = one, .expand_macros = true},
         DIVAN_ERR_SPEC_INVALID},
        {{.op = DIVAN_MUTATE_UPSERT, .path = divan_str("a"), .value = one, .binary = true}, DIVAN_ERR_SPEC_INVALID},
        {{.op = DIVAN_MUTATE_UPSERT,
          .path = divan_str("a"),
          .value = one,
          .xattr = true,
          .expand_macros = true,
          .binary = true},
         DIVAN_ERR_SPEC_INVALID},
        {{.op = DIVAN_MUTATE_BODY_FROM_XATTR}, DIVAN_ERR_SPEC_INVALID},
        {{.op = DIVAN_MUTATE_UPSERT, .path = divan_str("a"), .value = {"", 21u << 20}}, DIVAN_ERR_VALUE_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof mutations / sizeof mutations[0]; i++) {
        assert_code(divan_mutate_in(t->things, divan_str("k"), &mutations[i].spec, 1, NULL, NULL, &err),
                    mutations[i].code);
        assert_non_null(strchr(err.message, ' '));
        assert_string_equal(err.op, "mutate_in");
    }
    const struct {
        struct divan_mutate_options options;
        enum divan_code code;
    } options[] = {
        {{.store = (enum divan_store)7}, DIVAN_ERR_STORE_CONFLICT},
        {{.store = DIVAN_STORE_INSERT, .cas = 5}, DIVAN_ERR_STORE_CONFLICT},
        {{.create_as_deleted = true}, DIVAN_ERR_STORE_CONFLICT},
        {{.create_as_deleted = true, .revive = true, .store = DIVAN_STORE_UPSERT}, DIVAN_ERR_STORE_CONFLICT},
        {{.expiry_s = 5, .keep_expiry = true}, DIVAN_ERR_EXPIRY_CONFLICT},
        {{.durability = (enum divan_durability)8}, DIVAN_ERR_DURABILITY_LEVEL},
        {{.timeout_ms = UINT32_MAX}, DIVAN_ERR_TIMEOUT_RANGE},
        {{.persist_to = (enum divan_persist_to)6}, DIVAN_ERR_OBSERVE_RANGE},
        {{.replicate_to = DIVAN_REPLICATE_TO_ONE, .durability = DIVAN_DURABILITY_MAJORITY}, DIVAN_ERR_OBSERVE_RANGE},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        assert_code(divan_mutate_in(t->things, divan_str("k"), changes, 1, &options[i].options, NULL, &err),
                    options[i].code);
    assert_code(divan_lookup_in(t->things, divan_str("k"), many, 17, NULL, NULL, &err), DIVAN_ERR_SPEC_COUNT);
    assert_code(divan_lookup_in(t->things, divan_str("k"), many, 0, NULL, NULL, &err), DIVAN_ERR_SPEC_COUNT);
    assert_code(divan_lookup_in(t->things, divan_str("k"), NULL, 1, NULL, NULL, &err), DIVAN_ERR_SPEC_COUNT);
    assert_code(divan_mutate_in(t->things, divan_str("k"), changes, 17, NULL, NULL, &err), DIVAN_ERR_SPEC_COUNT);
    assert_code(divan_mutate_in(NULL, divan_str("k"), changes, 1, NULL, NULL, &err), DIVAN_ERR_HANDLE_NULL);
    assert_code(divan_lookup_in(t->things, divan_str(""), many, 1, NULL, NULL, &err), DIVAN_ERR_KEY_EMPTY);
    assert_code(divan_get_and_lock(t->things, divan_str("k"), 31, NULL, NULL, &err), DIVAN_ERR_LOCK_RANGE);
    assert_code(divan_unlock(t->things, divan_str("k"), 0, NULL, NULL, &err), DIVAN_ERR_CAS_REQUIRED);
    const char *const empty[] = {""};
    assert_code(divan_get(t->things, divan_str("k"), &(struct divan_get_options){.project = empty, .project_count = 1},
                          NULL, &err),
                DIVAN_ERR_PATH_NULL);
    assert_code(divan_get(t->things, divan_str("k"), &(struct divan_get_options){.project_count = 1}, NULL, &err),
                DIVAN_ERR_PATH_NULL);
    /* none of it reached the server, which still answers */
    put(t, "k", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lookups_answer_in_the_order_asked, set, strike),
        cmocka_unit_test_setup_teardown(a_lookup_of_the_whole_document_and_a_missing_one, set, strike),
        cmocka_unit_test_setup_teardown(mutations_change_all_paths_at_once, set, strike),
        cmocka_unit_test_setup_teardown(a_refused_path_is_named_and_nothing_changes, set, strike),
        cmocka_unit_test_setup_teardown(a_queue_tells_which_spec_was_refused, set, strike),
        cmocka_unit_test_setup_teardown(store_semantics, set, strike),
        cmocka_unit_test_setup_teardown(whole_documents_and_their_attributes, set, strike),
        cmocka_unit_test_setup_teardown(a_deleted_document_has_attributes_and_can_live_again, set, strike),
        cmocka_unit_test_setup_teardown(every_refusal_has_its_code, set, strike),
        cmocka_unit_test_setup_teardown(projections_are_what_was_asked_for, set, strike),
        cmocka_unit_test_setup_teardown(locks_keep_others_out, set, strike),
        cmocka_unit_test_setup_teardown(malformed_arguments, set, strike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
