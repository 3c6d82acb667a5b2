#include "node/account.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/alloc.h"
#include "base/error.h"

bool account_table_init(struct account_table *t)
{
    *t = (struct account_table){.epoch = 1};
    return RAND_bytes(t->pepper, sizeof t->pepper) == 1;
}

struct account *account_retain(struct account *a)
{
    a->refs++;
    return a;
}

void account_release(struct account *a)
{
    if (!a || --a->refs) return;
    OPENSSL_cleanse(&a->secret, sizeof a->secret);
    mem_free(a->grants);
    mem_free(a->names);
    mem_free(a);
}

void account_table_fini(struct account_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        t->accounts[i]->removed = true;
        account_release(t->accounts[i]);
    }
    mem_free(t->accounts);
    OPENSSL_cleanse(t, sizeof *t);
}

/* The place of a name in the table, or where it would be. */
static size_t place_of(const struct account_table *t, struct divan_bytes name, bool *found)
{
    size_t low = 0, high = t->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(divan_str(t->accounts[middle]->name), name);
        if (order < 0) low = middle + 1;
        else high = middle;
        if (!order) *found = true, low = middle;
    }
    return low;
}

struct account *account_find(const struct account_table *t, struct divan_bytes name)
{
    bool found;
    size_t at = place_of(t, name, &found);
    return found ? t->accounts[at] : NULL;
}

static size_t names_size(const struct engine_user *u)
{
    size_t n = 1;
    for (size_t i = 0; i < u->grant_count; i++) {
        const struct user_grant *g = &u->grants[i];
        n += (g->bucket ? strlen(g->bucket) : 0) + (g->scope ? strlen(g->scope) : 0) +
             (g->collection ? strlen(g->collection) : 0) + 3;
    }
    return n;
}

static const char *keep_name(char **at, const char *name)
{
    if (!name) return NULL;
    char *kept = *at;
    size_t size = strlen(name) + 1;
    memcpy(kept, name, size);
    *at += size;
    return kept;
}

static struct account *account_new(const struct engine_user *u)
{
    struct account *a = mem_zalloc(sizeof *a);
    if (!a) return NULL;
    a->refs = 1;
    a->admin = u->admin;
    a->secret = u->secret;
    text_copy(a->name, sizeof a->name, u->name);
    a->grants = mem_zalloc(u->grant_count * sizeof *a->grants);
    a->names = mem_alloc(names_size(u));
    if (!a->grants || !a->names) {
        account_release(a);
        return NULL;
    }
    char *at = a->names;
    for (size_t i = 0; i < u->grant_count; i++) {
        a->grants[i] = u->grants[i];
        a->grants[i].bucket = keep_name(&at, u->grants[i].bucket);
        a->grants[i].scope = keep_name(&at, u->grants[i].scope);
        a->grants[i].collection = keep_name(&at, u->grants[i].collection);
    }
    a->grant_count = u->grant_count;
    return a;
}

static void give_up(struct account *a)
{
    a->removed = true;
    account_release(a);
}

/* Connections of a replaced user go on with the new rights: they hold the account, so its content moves over. */
static void replace_content(struct account *old, struct account *new)
{
    struct account kept = *old;
    *old = *new;
    *new = kept;
    uint32_t refs = old->refs;
    old->refs = new->refs;
    new->refs = refs;
}

enum divan_code account_set(struct account_table *t, const struct engine_user *u, struct divan_error *err)
{
    if (!u->name || !*u->name || strlen(u->name) > SASL_USER_MAX)
        return err_set(err, DIVAN_ERR_CREDENTIALS, "a user name has 1 to %d bytes", SASL_USER_MAX);
    bool found;
    size_t at = place_of(t, divan_str(u->name), &found);
    struct account *fresh = account_new(u);
    struct account **grown = fresh && !found ? mem_realloc(t->accounts, (t->count + 1) * sizeof *grown) : t->accounts;
    if (!fresh || !grown) {
        account_release(fresh);
        return err_oom(err);
    }
    t->accounts = grown;
    if (found) {
        replace_content(grown[at], fresh);
        account_release(fresh);
    } else {
        memmove(grown + at + 1, grown + at, (t->count - at) * sizeof *grown);
        grown[at] = fresh;
        t->count++;
    }
    t->epoch++;
    return DIVAN_OK;
}

void account_drop(struct account_table *t, const char *name)
{
    bool found;
    size_t at = place_of(t, divan_str(name), &found);
    if (!found) return;
    give_up(t->accounts[at]);
    memmove(t->accounts + at, t->accounts + at + 1, (t->count - at - 1) * sizeof *t->accounts);
    t->count--;
    t->epoch++;
}

static bool mark_of(const struct account_table *t, struct divan_bytes password, uint8_t out[32])
{
    unsigned len = 0;
    return HMAC(EVP_sha256(), t->pepper, sizeof t->pepper, password.data, password.len, out, &len) && len == 32;
}

bool account_check_password(const struct account_table *t, struct account *a, struct divan_bytes password)
{
    uint8_t mark[32];
    static const struct sasl_secret nobody = {
        .scram = {[SASL_SCRAM_SHA512] = {.salt = {1}, .salt_len = 64, .iterations = SCRAM_ITERATIONS}}};
    if (!mark_of(t, password.data ? password : bytes_of("", 0), mark)) return false;
    if (a && a->remembers && CRYPTO_memcmp(mark, a->remembered, sizeof mark) == 0) return true;
    bool right = sasl_secret_check(a ? &a->secret : &nobody, password) && a;
    if (right) {
        memcpy(a->remembered, mark, sizeof mark);
        a->remembers = true;
    }
    return right;
}

/* ---- rights */

enum { EVERYTHING = (PRIV_ADMIN << 1) - 1 };

static bool names_bucket(const struct user_grant *g, const char *bucket)
{
    return !g->bucket || strcmp(g->bucket, bucket) == 0;
}

uint32_t account_bucket_privileges(const struct account *a, const char *bucket)
{
    if (a->admin) return EVERYTHING;
    uint32_t sum = 0;
    for (size_t i = 0; i < a->grant_count; i++) {
        const struct user_grant *g = &a->grants[i];
        if (!g->scope && names_bucket(g, bucket)) sum |= g->privileges;
    }
    return sum;
}

uint32_t account_collection_privileges(const struct account *a, const char *bucket, const struct collection *c)
{
    if (a->admin) return EVERYTHING;
    uint32_t sum = 0;
    for (size_t i = 0; i < a->grant_count; i++) {
        const struct user_grant *g = &a->grants[i];
        if (!names_bucket(g, bucket)) continue;
        if (g->scope && (!c || strcmp(g->scope, c->scope_name))) continue;
        if (g->collection && (!c || strcmp(g->collection, c->name))) continue;
        sum |= g->privileges;
    }
    return sum;
}

bool account_sees_bucket(const struct account *a, const char *bucket)
{
    if (a->admin) return true;
    for (size_t i = 0; i < a->grant_count; i++) {
        if ((a->grants[i].privileges & ~(uint32_t)PRIV_SYSTEM_SETTINGS) && names_bucket(&a->grants[i], bucket))
            return true;
    }
    return false;
}
