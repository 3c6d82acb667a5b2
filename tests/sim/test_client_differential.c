/* Random operations of the public interface against a model in memory: registers, counters, locks, expiry and sub-documents. The
 * client, the network and the node run in one thread in virtual time, so a seed is a whole history.
 *
 *     DIVAN_SEED=7 tests/test_client_differential               one seed
 *     DIVAN_SEEDS=100 DIVAN_OPERATIONS=1000000 tests/test_client_differential */
#include "unit/unit.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "sim/support_world.h"

enum { KEYS = 48, TEXT_MAX = 1200, GROWN = 300, OPERATIONS = 100000, LOCK_NONE = 0 };

/* Instrumented builds look at fewer histories: they look for other faults, and are many times slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SEEDS = 3 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SEEDS = 3 };
#else
enum { SEEDS = 20 };
#endif
#else
enum { SEEDS = 20 };
#endif

/* What the model knows of a document. */
struct entry {
    bool exists;
    char key[16], text[TEXT_MAX];
    uint64_t cas;
    uint32_t flags;
    uint64_t expires_s;  /* since 1970; 0 = never */
    uint64_t lock_cas;   /* LOCK_NONE = free */
    uint64_t unlocks_ns; /* virtual */
    int64_t attribute;   /* of the extended attribute "m"; -1 = there is none */
};

struct play {
    struct world world;
    struct rng rng;
    uint64_t seed;
    size_t number; /* of the operation */
    struct entry entries[KEYS];
    char what[200]; /* the operation in words */
};

static void complain(struct play *p, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
static void complain(struct play *p, const char *format, ...)
{
    char why[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    fprintf(stderr,
            "seed %" PRIu64 ", operation %zu, %s: %s\nagain: DIVAN_SEED=%" PRIu64 " tests/test_client_differential\n",
            p->seed, p->number, p->what, why, p->seed);
    exit(1);
}

static size_t pick(struct play *p, size_t n)
{
    return (size_t)rng_below(&p->rng, n);
}

static bool chance(struct play *p, unsigned percent)
{
    return pick(p, 100) < percent;
}

static void describe(struct play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void describe(struct play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->what, sizeof p->what, format, args);
    va_end(args);
}

static void expect_code(struct play *p, enum divan_code got, enum divan_code want, const struct divan_error *err)
{
    if (got != want)
        complain(p, "got %s, want %s (%s)", divan_code_name(got), divan_code_name(want),
                 got ? err->message : "no error");
}

static void expect_text(struct play *p, struct divan_bytes got, const char *want)
{
    if (!bytes_equal(got, divan_str(want)))
        complain(p, "got \"%.*s\", want \"%s\"", (int)got.len, (const char *)got.data, want);
}

/* ---- the model's clock. Where a second decides, time passes first, so that both sides agree. */

static uint64_t now_s(struct play *p)
{
    return world_wall_s(&p->world);
}

static void settle(struct play *p, struct entry *e)
{
    uint64_t now = now_s(p), ns = sim_now(p->world.sim);
    if (e->exists && e->expires_s && now + 2 >= e->expires_s && now <= e->expires_s + 2) world_pass(&p->world, 5);
    if (e->lock_cas && ns + NS_PER_S >= e->unlocks_ns && ns <= e->unlocks_ns + NS_PER_S) world_pass(&p->world, 3);
    now = now_s(p);
    if (e->exists && e->expires_s && now >= e->expires_s) e->exists = false, e->attribute = -1;
    if (e->lock_cas && sim_now(p->world.sim) >= e->unlocks_ns) e->lock_cas = LOCK_NONE;
    if (!e->exists) e->lock_cas = LOCK_NONE;
}

static bool is_locked(const struct entry *e)
{
    return e->lock_cas != LOCK_NONE;
}

static uint64_t expiry_at(struct play *p, uint32_t expiry_s)
{
    return expiry_s ? now_s(p) + expiry_s : 0;
}

/* ---- values */

static const char *a_value(struct play *p, char out[TEXT_MAX])
{
    switch (pick(p, 5)) {
    case 0:
        snprintf(out, TEXT_MAX, "%zu", pick(p, 1000));
        break;
    case 1:
        snprintf(out, TEXT_MAX, "text-%zu", pick(p, 100000));
        break;
    case 2:
        snprintf(out, TEXT_MAX, "{}");
        break;
    case 3:
        snprintf(out, TEXT_MAX, "{\"n\":%zu,\"a\":[%zu,\"x\"],\"o\":{\"x\":%zu,\"y\":{\"z\":null}}}", pick(p, 100),
                 pick(p, 10), pick(p, 10));
        break;
    default:
        snprintf(out, TEXT_MAX, "{ \"s\" : \"t%zu\", \"o\":{ \"y\":{\"z\":[1,2,3]} }, \"a\":[] }", pick(p, 100));
        break;
    }
    return out;
}

static uint32_t an_expiry(struct play *p)
{
    return chance(p, 15) ? 40 + (uint32_t)pick(p, 400) : 0;
}

/* A CAS to give: mostly none, else the right one or a wrong one. */
static uint64_t a_cas(struct play *p, const struct entry *e)
{
    if (chance(p, 60)) return 0;
    if (chance(p, 25)) return e->cas + 1 + pick(p, 5);
    return is_locked(e) ? e->lock_cas : e->exists ? e->cas : 5;
}

/* Sub-document reads are refused while a document is locked, plain ones are not. */
static enum divan_code look_verdict(const struct entry *e)
{
    return !e->exists ? DIVAN_ERR_DOCUMENT_NOT_FOUND : is_locked(e) ? DIVAN_ERR_DOCUMENT_LOCKED : DIVAN_OK;
}

/* What a write that carries this CAS meets. */
static enum divan_code write_verdict(const struct entry *e, uint64_t cas, bool creates)
{
    if (!e->exists) return creates && !cas ? DIVAN_OK : DIVAN_ERR_DOCUMENT_NOT_FOUND;
    if (is_locked(e)) return cas == e->lock_cas ? DIVAN_OK : DIVAN_ERR_DOCUMENT_LOCKED;
    return cas && cas != e->cas ? DIVAN_ERR_CAS_MISMATCH : DIVAN_OK;
}

static void set_entry(struct entry *e, const char *text, uint64_t cas, uint32_t flags, uint64_t expires_s)
{
    if (!e->exists) e->attribute = -1;
    e->exists = true;
    if (text != e->text) snprintf(e->text, sizeof e->text, "%s", text);
    e->cas = cas;
    e->flags = flags;
    e->expires_s = expires_s;
    e->lock_cas = LOCK_NONE;
}

/* ---- registers */

static void do_get(struct play *p, struct entry *e)
{
    struct divan_error err;
    divan_result *r = NULL;
    describe(p, "get %s", e->key);
    enum divan_code rc = divan_get(p->world.things, divan_str(e->key), NULL, &r, &err);
    expect_code(p, rc, e->exists ? DIVAN_OK : DIVAN_ERR_DOCUMENT_NOT_FOUND, &err);
    if (!rc) {
        expect_text(p, divan_result_value(r), e->text);
        uint64_t want = is_locked(e) ? UINT64_MAX : e->cas;
        if (divan_result_cas(r) != want) complain(p, "CAS %" PRIx64 ", want %" PRIx64, divan_result_cas(r), want);
        if (divan_result_flags(r) != e->flags) complain(p, "flags %x, want %x", divan_result_flags(r), e->flags);
    }
    divan_result_release(r);
}

static void do_get_expiry(struct play *p, struct entry *e)
{
    struct divan_error err;
    divan_result *r = NULL;
    describe(p, "get %s with its expiry", e->key);
    enum divan_code rc = divan_get(p->world.things, divan_str(e->key),
                                   &(struct divan_get_options){.with_expiry = true, .retry = DIVAN_RETRY_FAIL_FAST}, &r,
                                   &err);
    expect_code(p, rc, look_verdict(e), &err);
    if (!rc) {
        uint64_t got = divan_result_expiry(r);
        expect_text(p, divan_result_value(r), e->text);
        if (!got != !e->expires_s || got > e->expires_s + 1 || got + 1 < e->expires_s)
            complain(p, "expires at %" PRIu64 ", want %" PRIu64, got, e->expires_s);
    }
    divan_result_release(r);
}

static void do_exists(struct play *p, struct entry *e)
{
    struct divan_error err;
    divan_result *r = NULL;
    describe(p, "exists %s", e->key);
    expect_code(p, divan_exists(p->world.things, divan_str(e->key), NULL, &r, &err), DIVAN_OK, &err);
    if (divan_result_exists(r) != e->exists) complain(p, "got %d, want %d", !e->exists, e->exists);
    divan_result_release(r);
}

static void do_upsert(struct play *p, struct entry *e)
{
    char text[TEXT_MAX];
    struct divan_error err;
    divan_result *r = NULL;
    const struct divan_upsert_options o = {
        .retry = DIVAN_RETRY_FAIL_FAST, .flags = (uint32_t)pick(p, 3), .keep_expiry = chance(p, 20)};
    struct divan_upsert_options with = o;
    if (!o.keep_expiry) with.expiry_s = an_expiry(p);
    a_value(p, text);
    describe(p, "upsert %s %s expiry %u keep %d", e->key, text, with.expiry_s, with.keep_expiry);
    enum divan_code rc = divan_upsert(p->world.things, divan_str(e->key), divan_str(text), &with, &r, &err);
    expect_code(p, rc, write_verdict(e, 0, true), &err);
    uint64_t expires = with.keep_expiry && e->exists ? e->expires_s : expiry_at(p, with.expiry_s);
    if (!rc) set_entry(e, text, divan_result_cas(r), with.flags, expires);
    divan_result_release(r);
}

static void do_insert(struct play *p, struct entry *e)
{
    char text[TEXT_MAX];
    struct divan_error err;
    divan_result *r = NULL;
    const struct divan_insert_options o = {.retry = DIVAN_RETRY_FAIL_FAST, .expiry_s = an_expiry(p)};
    a_value(p, text);
    describe(p, "insert %s %s expiry %u", e->key, text, o.expiry_s);
    enum divan_code rc = divan_insert(p->world.things, divan_str(e->key), divan_str(text), &o, &r, &err);
    expect_code(p, rc, e->exists ? DIVAN_ERR_DOCUMENT_EXISTS : DIVAN_OK, &err);
    if (!rc) set_entry(e, text, divan_result_cas(r), 0, expiry_at(p, o.expiry_s));
    divan_result_release(r);
}

static void do_replace(struct play *p, struct entry *e)
{
    char text[TEXT_MAX];
    struct divan_error err;
    divan_result *r = NULL;
    const struct divan_replace_options o = {
        .retry = DIVAN_RETRY_FAIL_FAST, .cas = a_cas(p, e), .flags = 9, .expiry_s = an_expiry(p)};
    a_value(p, text);
    describe(p, "replace %s %s cas %" PRIx64 " expiry %u", e->key, text, o.cas, o.expiry_s);
    enum divan_code rc = divan_replace(p->world.things, divan_str(e->key), divan_str(text), &o, &r, &err);
    expect_code(p, rc, write_verdict(e, o.cas, false), &err);
    if (!rc) set_entry(e, text, divan_result_cas(r), 9, expiry_at(p, o.expiry_s));
    divan_result_release(r);
}

static void do_remove(struct play *p, struct entry *e)
{
    struct divan_error err;
    const struct divan_remove_options o = {.retry = DIVAN_RETRY_FAIL_FAST, .cas = a_cas(p, e)};
    describe(p, "remove %s cas %" PRIx64, e->key, o.cas);
    enum divan_code rc = divan_remove(p->world.things, divan_str(e->key), &o, NULL, &err);
    expect_code(p, rc, write_verdict(e, o.cas, false), &err);
    if (!rc) e->exists = false, e->lock_cas = LOCK_NONE, e->attribute = -1;
}

static void do_concat(struct play *p, struct entry *e)
{
    bool front = chance(p, 50);
    struct divan_error err;
    divan_result *r = NULL;
    char text[TEXT_MAX];
    const char *piece = chance(p, 50) ? "7" : "ab";
    if (strlen(e->text) > GROWN) return;
    const struct divan_append_options o = {.retry = DIVAN_RETRY_FAIL_FAST, .cas = a_cas(p, e)};
    describe(p, "%s %s %s cas %" PRIx64, front ? "prepend" : "append", e->key, piece, o.cas);
    enum divan_code rc = front ? divan_prepend(p->world.things, divan_str(e->key), divan_str(piece), &o, &r, &err)
                               : divan_append(p->world.things, divan_str(e->key), divan_str(piece), &o, &r, &err);
    expect_code(p, rc, write_verdict(e, o.cas, false), &err);
    if (!rc) {
        snprintf(text, sizeof text, "%.300s%.300s", front ? piece : e->text, front ? e->text : piece);
        set_entry(e, text, divan_result_cas(r), e->flags, e->expires_s);
    }
    divan_result_release(r);
}

/* ---- counters */

static bool is_number(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n && n < 19 && !text[n];
}

static void do_counter(struct play *p, struct entry *e)
{
    bool up = chance(p, 60);
    char text[TEXT_MAX];
    struct divan_error err;
    divan_result *r = NULL;
    uint64_t delta = 1 + pick(p, 50), want;
    const struct divan_counter_options o = {
        .retry = DIVAN_RETRY_FAIL_FAST, .create = chance(p, 70), .initial = pick(p, 100)};
    if (e->exists && strspn(e->text, "0123456789") == strlen(e->text) && !is_number(e->text)) return; /* too long */
    describe(p, "%s %s by %" PRIu64 " create %d", up ? "increment" : "decrement", e->key, delta, o.create);
    enum divan_code rc = up ? divan_increment(p->world.things, divan_str(e->key), delta, &o, &r, &err)
                            : divan_decrement(p->world.things, divan_str(e->key), delta, &o, &r, &err);
    enum divan_code verdict = write_verdict(e, 0, o.create);
    if (!verdict && e->exists && !is_number(e->text)) verdict = DIVAN_ERR_DELTA_INVALID;
    expect_code(p, rc, verdict, &err);
    if (!rc) {
        uint64_t old = strtoull(e->text, NULL, 10);
        want = !e->exists ? o.initial : up ? old + delta : old > delta ? old - delta : 0;
        if (divan_result_number(r) != want) complain(p, "got %" PRIu64 ", want %" PRIu64, divan_result_number(r), want);
        snprintf(text, sizeof text, "%" PRIu64, want);
        set_entry(e, text, divan_result_cas(r), e->exists ? e->flags : 0, e->exists ? e->expires_s : 0);
    }
    divan_result_release(r);
}

/* ---- expiry and locks */

static void do_touch(struct play *p, struct entry *e)
{
    bool with_get = chance(p, 50);
    struct divan_error err;
    divan_result *r = NULL;
    const struct divan_touch_options o = {.retry = DIVAN_RETRY_FAIL_FAST};
    uint32_t expiry = chance(p, 70) ? 40 + (uint32_t)pick(p, 400) : 0;
    describe(p, "%s %s %u", with_get ? "get_and_touch" : "touch", e->key, expiry);
    enum divan_code rc = with_get ? divan_get_and_touch(p->world.things, divan_str(e->key), expiry, &o, &r, &err)
                                  : divan_touch(p->world.things, divan_str(e->key), expiry, &o, &r, &err);
    enum divan_code want = !e->exists     ? DIVAN_ERR_DOCUMENT_NOT_FOUND
                           : is_locked(e) ? DIVAN_ERR_DOCUMENT_LOCKED
                                          : DIVAN_OK;
    expect_code(p, rc, want, &err);
    if (!rc) {
        if (with_get) expect_text(p, divan_result_value(r), e->text);
        e->cas = divan_result_cas(r);
        e->expires_s = expiry_at(p, expiry);
    }
    divan_result_release(r);
}

static void do_lock(struct play *p, struct entry *e)
{
    struct divan_error err;
    divan_result *r = NULL;
    uint32_t seconds = (uint32_t)pick(p, 30);
    const struct divan_lock_options o = {.retry = DIVAN_RETRY_FAIL_FAST};
    if (e->exists && e->expires_s && e->expires_s < now_s(p) + 60) return; /* a lock outlives no document */
    describe(p, "get_and_lock %s %u", e->key, seconds);
    enum divan_code rc = divan_get_and_lock(p->world.things, divan_str(e->key), seconds, &o, &r, &err);
    enum divan_code want = !e->exists     ? DIVAN_ERR_DOCUMENT_NOT_FOUND
                           : is_locked(e) ? DIVAN_ERR_DOCUMENT_LOCKED
                                          : DIVAN_OK;
    expect_code(p, rc, want, &err);
    if (!rc) {
        expect_text(p, divan_result_value(r), e->text);
        e->lock_cas = divan_result_cas(r);
        e->unlocks_ns = sim_now(p->world.sim) + (seconds ? seconds : DIVAN_LOCK_DEFAULT_S) * NS_PER_S;
    }
    divan_result_release(r);
}

static void do_unlock(struct play *p, struct entry *e)
{
    struct divan_error err;
    const struct divan_lock_options o = {.retry = DIVAN_RETRY_FAIL_FAST};
    uint64_t cas = is_locked(e) && chance(p, 80) ? e->lock_cas : 1 + pick(p, 1000);
    describe(p, "unlock %s cas %" PRIx64, e->key, cas);
    enum divan_code rc = divan_unlock(p->world.things, divan_str(e->key), cas, &o, NULL, &err);
    enum divan_code want = !e->exists           ? DIVAN_ERR_DOCUMENT_NOT_FOUND
                           : !is_locked(e)      ? DIVAN_ERR_DOCUMENT_NOT_LOCKED
                           : cas != e->lock_cas ? DIVAN_ERR_CAS_MISMATCH
                                                : DIVAN_OK;
    expect_code(p, rc, want, &err);
    if (!rc) e->lock_cas = LOCK_NONE; /* its CAS is the one from before */
}

static void do_lock_wait(struct play *p, struct entry *e)
{
    struct divan_error err;
    divan_result *r = NULL;
    if (!is_locked(e)) return;
    describe(p, "upsert %s while it is locked", e->key);
    const struct divan_upsert_options o = {.timeout_ms = 35000};
    expect_code(p, divan_upsert(p->world.things, divan_str(e->key), divan_str("waited"), &o, &r, &err), DIVAN_OK, &err);
    if (sim_now(p->world.sim) < e->unlocks_ns) complain(p, "it did not wait for the lock to end");
    set_entry(e, "waited", divan_result_cas(r), 0, 0);
    divan_result_release(r);
}

/* ---- sub-documents: the model works on a tree of its own */

struct place {
    json_t *parent, *found; /* borrowed; parent: where the last component looks */
    enum divan_code code;   /* DIVAN_OK: found; PATH_NOT_FOUND with parent: only the last one is missing */
    bool only_last;
    char name[24];
    bool is_index;
    size_t index;
};

static json_t *go(json_t *at, struct place *out)
{
    if (out->is_index ? !json_is_array(at) : !json_is_object(at)) {
        out->code = DIVAN_ERR_PATH_MISMATCH;
        return NULL;
    }
    if (out->is_index && out->index == SIZE_MAX) out->index = json_array_size(at) - 1;
    json_t *next = out->is_index ? json_array_get(at, out->index) : json_object_get(at, out->name);
    if (!next) out->code = DIVAN_ERR_PATH_NOT_FOUND;
    return next;
}

/* Paths of the test: names and [n] or [-1]. create makes missing objects on the way. */
static struct place locate(json_t *root, const char *path, bool create)
{
    struct place p = {.found = root, .code = DIVAN_OK};
    while (*path && !p.code) {
        p.is_index = *path == '[';
        size_t n = strcspn(p.is_index ? ++path : path, p.is_index ? "]" : ".[");
        snprintf(p.name, sizeof p.name, "%.*s", (int)n, path);
        if (p.is_index) p.index = *path == '-' ? SIZE_MAX : strtoul(p.name, NULL, 10);
        path += n + (p.is_index || path[n] == '.');
        if (p.is_index && *path == '.') path++;
        p.parent = p.found;
        p.found = go(p.parent, &p);
        p.only_last = !*path;
        if (p.code == DIVAN_ERR_PATH_NOT_FOUND && create && *path && !p.is_index) {
            json_object_set_new(p.parent, p.name, json_object());
            p.found = json_object_get(p.parent, p.name);
            p.code = DIVAN_OK;
        }
    }
    return p;
}

static const char *const member_paths[] = {"n",     "s",          "a",    "o",    "o.x", "o.y",
                                           "o.y.z", "new.deep.x", "s.no", "a.no", "q"};
static const char *const all_paths[] = {"n",    "s", "a",    "o",     "o.x",  "o.y",  "o.y.z", "new.deep.x", "s.no",
                                        "a.no", "q", "a[0]", "a[-1]", "a[1]", "a[7]", "o[0]",  "o.y.z[1]"};
static const char *const values[] = {"1", "\"x\"", "null", "[1,2]", "{\"k\":1}", "true", "-5"};
static const char *const primitives[] = {"1", "\"x\"", "null", "true", "9"};

#define ANY(p, list) (list)[pick(p, sizeof(list) / sizeof(list)[0])]

static json_t *parse(const char *text)
{
    return json_loads(text, JSON_DECODE_ANY, NULL);
}

static enum divan_code model_dict(json_t *root, const struct divan_mutation *m, const char *path)
{
    struct place at = locate(root, path, m->create_path);
    if (at.code == DIVAN_ERR_PATH_MISMATCH) return at.code;
    if (at.code && !at.only_last) return DIVAN_ERR_PATH_NOT_FOUND;
    if (!at.code && m->op == DIVAN_MUTATE_INSERT) return DIVAN_ERR_PATH_EXISTS;
    json_object_set_new(at.parent, at.name, parse(m->value.data));
    return DIVAN_OK;
}

static enum divan_code model_replace(json_t *root, const struct divan_mutation *m, const char *path)
{
    struct place at = locate(root, path, false);
    if (at.code) return at.code;
    if (at.is_index) json_array_set_new(at.parent, at.index, parse(m->value.data));
    else json_object_set_new(at.parent, at.name, parse(m->value.data));
    return DIVAN_OK;
}

static enum divan_code model_remove(json_t *root, const char *path)
{
    struct place at = locate(root, path, false);
    if (at.code) return at.code;
    if (at.is_index) json_array_remove(at.parent, at.index);
    else json_object_del(at.parent, at.name);
    return DIVAN_OK;
}

static bool is_primitive(const json_t *v)
{
    return !json_is_object(v) && !json_is_array(v);
}

/* The first element that decides does: the same value, or one that cannot be compared. */
static enum divan_code add_unique(json_t *array, json_t *value)
{
    size_t i;
    json_t *it;
    json_array_foreach(array, i, it)
    {
        if (!is_primitive(it)) return DIVAN_ERR_PATH_MISMATCH;
        if (json_equal(it, value)) return DIVAN_ERR_PATH_EXISTS;
    }
    json_array_append(array, value);
    return DIVAN_OK;
}

static enum divan_code model_array(json_t *root, const struct divan_mutation *m, const char *path)
{
    struct place at = locate(root, path, m->create_path);
    enum divan_code rc = DIVAN_OK;
    if (at.code == DIVAN_ERR_PATH_MISMATCH) return at.code;
    if (at.code && (!m->create_path || !at.only_last || at.is_index)) return DIVAN_ERR_PATH_NOT_FOUND;
    if (at.code) {
        json_object_set_new(at.parent, at.name, json_array());
        at.found = json_object_get(at.parent, at.name);
    }
    if (!json_is_array(at.found)) return DIVAN_ERR_PATH_MISMATCH;
    json_t *value = parse(m->value.data);
    if (m->op == DIVAN_MUTATE_ARRAY_APPEND) json_array_append(at.found, value);
    else if (m->op == DIVAN_MUTATE_ARRAY_PREPEND) json_array_insert(at.found, 0, value);
    else rc = add_unique(at.found, value);
    json_decref(value);
    return rc;
}

static enum divan_code model_array_insert(json_t *root, const struct divan_mutation *m, const char *path)
{
    struct place at = locate(root, path, false);
    if (at.code == DIVAN_ERR_PATH_MISMATCH) return at.code;
    if (at.code && (!at.only_last || at.index > json_array_size(at.parent))) return DIVAN_ERR_PATH_NOT_FOUND;
    json_array_insert_new(at.parent, at.index, parse(m->value.data));
    return DIVAN_OK;
}

static enum divan_code model_counter(json_t *root, const struct divan_mutation *m, const char *path, int64_t *number)
{
    struct place at = locate(root, path, m->create_path);
    if (at.code == DIVAN_ERR_PATH_MISMATCH) return at.code;
    if (at.code && !at.only_last) return DIVAN_ERR_PATH_NOT_FOUND;
    if (!at.code && !json_is_integer(at.found)) return DIVAN_ERR_PATH_MISMATCH;
    *number = (at.code ? 0 : json_integer_value(at.found)) + m->delta;
    json_object_set_new(at.parent, at.name, json_integer(*number));
    return DIVAN_OK;
}

struct change {
    struct divan_mutation spec;
    const char *path;
    int64_t number; /* the model's, of a counter */
};

static enum divan_code model_change(json_t *root, struct change *c, int64_t *attribute)
{
    const struct divan_mutation *m = &c->spec;
    if (m->xattr) {
        *attribute = atoll(m->value.data);
        return DIVAN_OK;
    }
    if (!root) return DIVAN_ERR_DOCUMENT_NOT_JSON;
    switch (m->op) {
    case DIVAN_MUTATE_INSERT:
    case DIVAN_MUTATE_UPSERT:
        return model_dict(root, m, c->path);
    case DIVAN_MUTATE_REPLACE:
        return model_replace(root, m, c->path);
    case DIVAN_MUTATE_REMOVE:
        return model_remove(root, c->path);
    case DIVAN_MUTATE_ARRAY_INSERT:
        return model_array_insert(root, m, c->path);
    case DIVAN_MUTATE_INCREMENT:
        return model_counter(root, m, c->path, &c->number);
    default:
        return model_array(root, m, c->path);
    }
}

static void a_change(struct play *p, struct change *c)
{
    static const char *const slots[] = {"a[0]", "a[1]", "a[2]", "o.y.z[0]", "s[0]", "none[0]"};
    static const char *const attributes[] = {"1", "2", "3"};
    struct divan_bytes value = divan_str(ANY(p, values));
    memset(c, 0, sizeof *c);
    switch (pick(p, 9)) {
    case 0:
        c->spec = divan_mutate_insert(c->path = ANY(p, member_paths), value);
        break;
    case 1:
        c->spec = divan_mutate_upsert(c->path = ANY(p, member_paths), value);
        break;
    case 2:
        c->spec = divan_mutate_replace(c->path = ANY(p, all_paths), value);
        break;
    case 3:
        c->spec = divan_mutate_remove(c->path = ANY(p, all_paths));
        break;
    case 4:
        c->spec = divan_mutate_array_append(c->path = ANY(p, member_paths), value);
        break;
    case 5:
        c->spec = divan_mutate_array_prepend(c->path = ANY(p, member_paths), value);
        break;
    case 6:
        c->spec = divan_mutate_array_insert(c->path = ANY(p, slots), value);
        return;
    case 7:
        c->spec = divan_mutate_increment(c->path = ANY(p, member_paths), chance(p, 50) ? 3 : -4);
        break;
    default:
        if (chance(p, 50))
            c->spec = divan_mutate_array_add_unique(c->path = ANY(p, member_paths), divan_str(ANY(p, primitives)));
        else c->spec = divan_mutate_xattr(divan_mutate_upsert(c->path = "m", divan_str(ANY(p, attributes))));
        break;
    }
    bool may_create = c->spec.op != DIVAN_MUTATE_REPLACE && c->spec.op != DIVAN_MUTATE_REMOVE;
    c->spec.create_path = may_create && chance(p, 40);
}

/* After a success the document must say what the tree says; its exact text is taken from the server then. */
static void adopt(struct play *p, struct entry *e, const json_t *tree)
{
    struct divan_error err;
    divan_result *r = NULL;
    expect_code(p, divan_get(p->world.things, divan_str(e->key), NULL, &r, &err), DIVAN_OK, &err);
    struct divan_bytes v = divan_result_value(r);
    if (v.len >= TEXT_MAX) complain(p, "the document grew to %zu bytes", v.len);
    memcpy(e->text, v.data, v.len);
    e->text[v.len] = 0;
    json_t *got = parse(e->text);
    if (!got || !json_equal(got, tree)) {
        char *want = json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY);
        complain(p, "the document is %s, want %s", e->text, want);
    }
    json_decref(got);
    divan_result_release(r);
}

static void check_numbers(struct play *p, const divan_result *r, const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char want[24] = "";
        struct divan_spec_result spec;
        expect_code(p, divan_result_spec(r, i, &spec), DIVAN_OK, NULL);
        if (changes[i].spec.op == DIVAN_MUTATE_INCREMENT) snprintf(want, sizeof want, "%" PRId64, changes[i].number);
        expect_text(p, spec.value, want);
    }
}

/* The order in which the server applies them: attributes first. */
static enum divan_code model_all(json_t *root, struct change *changes, size_t count, int64_t *attribute)
{
    for (int xattr = 1; xattr >= 0; xattr--)
        for (size_t i = 0; i < count; i++) {
            if (changes[i].spec.xattr != xattr) continue;
            enum divan_code rc = model_change(root, &changes[i], attribute);
            if (rc) return rc;
        }
    return DIVAN_OK;
}

static void describe_changes(struct play *p, const struct entry *e, const struct change *changes, size_t count)
{
    size_t n = (size_t)snprintf(p->what, sizeof p->what, "mutate_in %s", e->key);
    for (size_t i = 0; i < count && n < sizeof p->what; i++)
        n += (size_t)snprintf(p->what + n, sizeof p->what - n, " [%d %s %.*s%s]", changes[i].spec.op, changes[i].path,
                              (int)changes[i].spec.value.len, (const char *)changes[i].spec.value.data,
                              changes[i].spec.create_path ? " create" : "");
}

static void do_mutate(struct play *p, struct entry *e)
{
    struct change changes[4];
    struct divan_mutation specs[4];
    struct divan_error err;
    divan_result *r = NULL;
    size_t count = 1 + pick(p, 4), bodies = 0;
    if (strlen(e->text) > GROWN) return;
    for (size_t i = 0; i < count; i++) {
        a_change(p, &changes[i]);
        specs[i] = changes[i].spec;
        bodies += !specs[i].xattr;
    }
    const struct divan_mutate_options o = {
        .retry = DIVAN_RETRY_FAIL_FAST, .cas = a_cas(p, e), .expiry_s = an_expiry(p)};
    describe_changes(p, e, changes, count);
    json_t *tree = e->exists ? parse(e->text) : NULL;
    int64_t attribute = e->attribute;
    enum divan_code want = write_verdict(e, o.cas, false);
    if (!want) want = model_all(tree, changes, count, &attribute);
    enum divan_code rc = divan_mutate_in(p->world.things, divan_str(e->key), specs, count, &o, &r, &err);
    expect_code(p, rc, want, &err);
    if (!rc) {
        check_numbers(p, r, changes, count);
        set_entry(e, e->text, divan_result_cas(r), e->flags, expiry_at(p, o.expiry_s));
        e->attribute = attribute;
        if (bodies) adopt(p, e, tree);
    }
    json_decref(tree);
    divan_result_release(r);
}

static void check_lookup(struct play *p, const divan_result *r, size_t i, json_t *tree, const struct divan_lookup *spec,
                         const char *path)
{
    struct divan_spec_result got;
    struct place at = {.code = DIVAN_ERR_DOCUMENT_NOT_JSON};
    divan_result_spec(r, i, &got);
    if (tree) at = locate(tree, path, false);
    if (spec->op == DIVAN_LOOKUP_EXISTS && at.code == DIVAN_ERR_PATH_NOT_FOUND) {
        if (got.code || got.exists) complain(p, "spec %zu: %s exists", i, path);
        return;
    }
    if (spec->op == DIVAN_LOOKUP_COUNT && !at.code && is_primitive(at.found)) at.code = DIVAN_ERR_PATH_MISMATCH;
    if (got.code != at.code)
        complain(p, "spec %zu, %s: got %s, want %s", i, path, divan_code_name(got.code), divan_code_name(at.code));
    if (got.code) return;
    if (spec->op == DIVAN_LOOKUP_EXISTS) expect_text(p, got.value, "true");
    if (spec->op == DIVAN_LOOKUP_COUNT) {
        char count[24];
        size_t n = json_is_array(at.found) ? json_array_size(at.found) : json_object_size(at.found);
        snprintf(count, sizeof count, "%zu", n);
        expect_text(p, got.value, count);
    }
    if (spec->op != DIVAN_LOOKUP_GET) return;
    json_t *value = json_loadb(got.value.data, got.value.len, JSON_DECODE_ANY, NULL);
    if (!value || !json_equal(value, at.found))
        complain(p, "spec %zu, %s: got %.*s", i, path, (int)got.value.len, (const char *)got.value.data);
    json_decref(value);
}

static void do_lookup(struct play *p, struct entry *e)
{
    struct divan_lookup specs[5];
    const char *paths[5];
    struct divan_error err;
    divan_result *r = NULL;
    size_t count = 1 + pick(p, 4);
    for (size_t i = 0; i < count; i++) {
        paths[i] = ANY(p, all_paths);
        specs[i] = divan_lookup_get(paths[i]);
        specs[i].op = (enum divan_lookup_op)pick(p, 3);
    }
    specs[count] = divan_lookup_xattr(divan_lookup_get("m"));
    describe(p, "lookup_in %s (%zu paths, first %s)", e->key, count, paths[0]);
    const struct divan_lookup_options o = {.retry = DIVAN_RETRY_FAIL_FAST};
    enum divan_code rc = divan_lookup_in(p->world.things, divan_str(e->key), specs, count + 1, &o, &r, &err);
    expect_code(p, rc, look_verdict(e), &err);
    if (rc) return;
    json_t *tree = parse(e->text);
    for (size_t i = 0; i < count; i++) check_lookup(p, r, i, tree, &specs[i], paths[i]);
    char want[24] = "";
    if (e->attribute >= 0) snprintf(want, sizeof want, "%" PRId64, e->attribute);
    expect_text(p, divan_result_spec_value(r, count), want);
    json_decref(tree);
    divan_result_release(r);
}

static void do_project(struct play *p, struct entry *e)
{
    static const char *const paths[] = {"n", "o.x", "o.y", "q"};
    struct divan_error err;
    divan_result *r = NULL;
    json_t *tree = e->exists ? parse(e->text) : NULL;
    describe(p, "get %s projected", e->key);
    const struct divan_get_options o = {.project = paths, .project_count = 4, .retry = DIVAN_RETRY_FAIL_FAST};
    enum divan_code rc = divan_get(p->world.things, divan_str(e->key), &o, &r, &err);
    enum divan_code verdict = look_verdict(e);
    if (!verdict && !tree) verdict = DIVAN_ERR_DOCUMENT_NOT_JSON;
    expect_code(p, rc, verdict, &err);
    json_t *want = json_object();
    for (size_t i = 0; i < 4 && !rc; i++) {
        struct place at = locate(tree, paths[i], false);
        if (at.code) continue;
        json_t *home = want;
        if (paths[i][0] == 'o') {
            if (!json_object_get(want, "o")) json_object_set_new(want, "o", json_object());
            home = json_object_get(want, "o");
        }
        json_object_set(home, at.name, at.found);
    }
    json_t *got = rc ? NULL : json_loadb(divan_result_value(r).data, divan_result_value(r).len, 0, NULL);
    if (!rc && (!got || !json_equal(got, want)))
        complain(p, "got %.*s", (int)divan_result_value(r).len, (const char *)divan_result_value(r).data);
    json_decref(got);
    json_decref(want);
    json_decref(tree);
    divan_result_release(r);
}

/* ---- all of them at once */

static struct entry *entry_of(struct play *p, struct divan_bytes key)
{
    for (int i = 0; i < KEYS; i++)
        if (bytes_equal(key, divan_str(p->entries[i].key))) return &p->entries[i];
    complain(p, "a key that nobody wrote: %.*s", (int)key.len, (const char *)key.data);
}

static void do_scan(struct play *p, struct entry *unused)
{
    struct divan_error err;
    struct divan_scan_item item;
    divan_scanner *scanner;
    size_t want = 0, got = 0;
    enum divan_code rc;
    describe(p, "scan");
    for (int i = 0; i < KEYS; i++) settle(p, &p->entries[i]);
    for (int i = 0; i < KEYS; i++) settle(p, &p->entries[i]); /* time may have passed for another */
    for (int i = 0; i < KEYS; i++) want += p->entries[i].exists;
    const struct divan_scan_options o = {.page_items = 1 + (uint32_t)pick(p, 5),
                                         .concurrency = 1 + (uint32_t)pick(p, 9)};
    expect_code(p, divan_scan_open(p->world.things, NULL, &o, &scanner, &err), DIVAN_OK, &err);
    while (!(rc = divan_scan_next(scanner, &item, &err))) {
        const struct entry *e = entry_of(p, item.key);
        if (!e->exists) complain(p, "%s was scanned but is gone", e->key);
        expect_text(p, item.value, e->text);
        got++;
    }
    expect_code(p, rc, DIVAN_ERR_RANGE_SCAN_COMPLETED, &err);
    if (got != want) complain(p, "%zu documents, want %zu", got, want);
    divan_scan_close(scanner);
}

static void do_get_many(struct play *p, struct entry *unused)
{
    struct divan_bytes keys[10];
    struct entry *entries[10];
    divan_result *results[10];
    struct divan_error err;
    describe(p, "get_many");
    for (int i = 0; i < 10; i++) entries[i] = &p->entries[pick(p, KEYS)], keys[i] = divan_str(entries[i]->key);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 10; i++) settle(p, entries[i]);
    divan_get_many(p->world.things, keys, 10, NULL, results, &err);
    for (int i = 0; i < 10; i++) {
        const struct divan_error *why = divan_result_error(results[i]);
        expect_code(p, why ? why->code : DIVAN_OK, entries[i]->exists ? DIVAN_OK : DIVAN_ERR_DOCUMENT_NOT_FOUND, why);
        if (!why) expect_text(p, divan_result_value(results[i]), entries[i]->text);
    }
    divan_result_release_many(results, 10);
}

static void do_wait(struct play *p, struct entry *unused)
{
    world_pass(&p->world, 1 + pick(p, 20));
}

static const struct act {
    void (*run)(struct play *, struct entry *);
    unsigned weight;
} acts[] = {
    {do_get, 140},    {do_get_expiry, 30}, {do_exists, 30},   {do_upsert, 120}, {do_insert, 60},
    {do_replace, 60}, {do_remove, 50},     {do_concat, 50},   {do_counter, 80}, {do_touch, 40},
    {do_lock, 30},    {do_unlock, 40},     {do_lock_wait, 1}, {do_mutate, 160}, {do_lookup, 90},
    {do_project, 20}, {do_scan, 1},        {do_get_many, 5},  {do_wait, 3},
};

static const struct act *choose_act(struct play *p)
{
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) sum += acts[i].weight;
    unsigned at = (unsigned)pick(p, sum);
    for (size_t i = 0;; i++) {
        if (at < acts[i].weight) return &acts[i];
        at -= acts[i].weight;
    }
}

static void play_seed(uint64_t seed, size_t operations)
{
    static struct play play;
    struct play *p = &play;
    memset(p, 0, sizeof *p);
    p->seed = seed;
    rng_init(&p->rng, seed);
    world_open(&p->world, seed);
    for (int i = 0; i < KEYS; i++) {
        snprintf(p->entries[i].key, sizeof p->entries[i].key, "key-%d", i);
        p->entries[i].attribute = -1;
    }
    for (p->number = 0; p->number < operations; p->number++) {
        const struct act *act = choose_act(p);
        struct entry *e = &p->entries[pick(p, KEYS)];
        settle(p, e);
        act->run(p, e);
    }
    world_close(&p->world);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void the_client_agrees_with_the_model(void **state)
{
    uint64_t one = number_of("DIVAN_SEED", 0), seeds = number_of("DIVAN_SEEDS", SEEDS);
    size_t operations = (size_t)number_of("DIVAN_OPERATIONS", OPERATIONS);
    if (one) play_seed(one, operations);
    for (uint64_t seed = 1; !one && seed <= seeds; seed++) play_seed(seed, operations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_client_agrees_with_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
