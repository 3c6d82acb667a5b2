/* Users as the engine keeps them, and what they may do where. */
#ifndef DIVAN_NODE_ACCOUNT_H
#define DIVAN_NODE_ACCOUNT_H

#include "node/engine.h"
#include "node/kv/collections.h"

struct account {
    uint32_t refs;
    bool removed; /* dropped, but connections still hold it */
    bool admin;
    bool remembers; /* `remembered` is the mark of a password that was right */
    uint8_t remembered[32];
    struct sasl_secret secret;
    struct user_grant *grants; /* names point into `names` */
    size_t grant_count;
    char *names;
    char name[SASL_USER_MAX + 1];
};

struct account_table {
    struct account **accounts; /* by name */
    size_t count;
    uint8_t pepper[32]; /* secret of this process */
    uint64_t epoch;     /* grows with every change: cached rights are checked against it */
};

bool account_table_init(struct account_table *);
void account_table_fini(struct account_table *);
struct account *account_find(const struct account_table *, struct divan_bytes name); /**< NULL = unknown; borrowed */
enum divan_code account_set(struct account_table *, const struct engine_user *, struct divan_error *err);
void account_drop(struct account_table *, const char *name);
struct account *account_retain(struct account *);
void account_release(struct account *); /**< NULL is fine */

/** Whether the password is right. Costs milliseconds the first time and microseconds while it stays the same. account
 * NULL: does the same work and says no. */
bool account_check_password(const struct account_table *, struct account *, struct divan_bytes password);

/** Privileges that hold everywhere in a bucket. */
uint32_t account_bucket_privileges(const struct account *, const char *bucket);
/** Privileges in one collection; includes those of the bucket. collection NULL = a scope or collection that does not
 * exist. */
uint32_t account_collection_privileges(const struct account *, const char *bucket, const struct collection *);
/** Whether any grant names the bucket. */
bool account_sees_bucket(const struct account *, const char *bucket);

#endif
