/* Parts of documents, locks, many documents at once and a scan: parts couchbase://localhost/default Administrator password */
#include <divan/divan.h>
#include <stdio.h>

/* Counts a visit and appends its page, in one request that changes all of it or nothing. */
static enum divan_code visit(divan_collection *people, const char *who, const char *page, struct divan_error *err)
{
    divan_result *r = NULL;
    const struct divan_mutation changes[] = {
        divan_mutate_create_path(divan_mutate_increment("visits.count", 1)),
        divan_mutate_create_path(divan_mutate_array_append("visits.pages", divan_str(page))),
        divan_mutate_macro("audit.cas", DIVAN_MACRO_CAS),
    };
    const struct divan_mutate_options create = {.store = DIVAN_STORE_UPSERT};
    enum divan_code rc = divan_mutate_in(people, divan_str(who), changes, 3, &create, &r, err);
    struct divan_bytes count = divan_result_spec_value(r, 0);
    if (!rc) printf("%s: visit %.*s\n", who, (int)count.len, (const char *)count.data);
    divan_result_release(r);
    return rc;
}

static enum divan_code look(divan_collection *people, const char *who, struct divan_error *err)
{
    divan_result *r = NULL;
    const struct divan_lookup specs[] = {divan_lookup_get("visits.pages[-1]"), divan_lookup_exists("email"),
                                         divan_lookup_xattr(divan_lookup_get(DIVAN_XATTR_EXPIRY))};
    enum divan_code rc = divan_lookup_in(people, divan_str(who), specs, 3, NULL, &r, err);
    for (size_t i = 0; i < divan_result_spec_count(r); i++) {
        struct divan_bytes v = divan_result_spec_value(r, i);
        printf("%s, spec %zu: %.*s\n", who, i, (int)v.len, (const char *)v.data);
    }
    divan_result_release(r);
    return rc;
}

/* Nobody else changes the document between reading and writing. */
static enum divan_code rename_locked(divan_collection *people, const char *who, struct divan_error *err)
{
    divan_result *r = NULL;
    enum divan_code rc = divan_get_and_lock(people, divan_str(who), 5, NULL, &r, err);
    const struct divan_mutation name[] = {divan_mutate_upsert("name", divan_str("\"Ada Lovelace\""))};
    const struct divan_mutate_options with_lock = {.cas = divan_result_cas(r)};
    if (!rc) rc = divan_mutate_in(people, divan_str(who), name, 1, &with_lock, NULL, err); /* opens the lock */
    divan_result_release(r);
    return rc;
}

static enum divan_code store_some(divan_collection *people, struct divan_error *err)
{
    const struct divan_document some[] = {{divan_str("p:1"), divan_str("{\"name\":\"Grace\"}")},
                                          {divan_str("p:2"), divan_str("{\"name\":\"Edsger\"}")},
                                          {divan_str("p:3"), divan_str("{\"name\":\"Barbara\"}")}};
    return divan_upsert_many(people, some, 3, NULL, NULL, err);
}

static enum divan_code list(divan_collection *people, struct divan_error *err)
{
    divan_scanner *scanner = NULL;
    struct divan_scan_item item;
    const struct divan_scan all_p = {.prefix = divan_str("p:")};
    enum divan_code rc = divan_scan_open(people, &all_p, NULL, &scanner, err);
    while (!rc && !(rc = divan_scan_next(scanner, &item, err)))
        printf("%.*s = %.*s\n", (int)item.key.len, (const char *)item.key.data, (int)item.value.len,
               (const char *)item.value.data);
    divan_scan_close(scanner);
    return rc == DIVAN_ERR_RANGE_SCAN_COMPLETED ? DIVAN_OK : rc;
}

int main(int argc, char **argv)
{
    struct divan_error err = {.code = DIVAN_OK};
    divan_cluster *cluster = NULL;
    const struct divan_cluster_options login = {.username = argc > 2 ? argv[2] : NULL,
                                                .password = argc > 3 ? argv[3] : NULL};
    enum divan_code rc = divan_cluster_open(&cluster, argc > 1 ? argv[1] : "couchbase://localhost/default", &login,
                                            &err);
    divan_collection *people = rc ? NULL : divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
    if (!rc && !people) rc = err.code;
    if (!rc) rc = visit(people, "ada", "\"/home\"", &err);
    if (!rc) rc = visit(people, "ada", "\"/notes\"", &err);
    if (!rc) rc = look(people, "ada", &err);
    if (!rc) rc = rename_locked(people, "ada", &err);
    if (!rc) rc = store_some(people, &err);
    if (!rc) rc = list(people, &err);
    if (rc) fprintf(stderr, "%s\n", err.message);
    divan_cluster_close(cluster);
    return rc != DIVAN_OK;
}
