/* Roles and permissions: who may do what where. */
#include "unit/manager_support.h"

#include "manager/keys.h"
#include "manager/roles.h"

static void roles_are_read_with_their_parameters(void **state)
{
    static const struct {
        const char *text;
        enum role_verdict verdict;
        const char *bucket, *scope, *collection;
    } table[] = {
        {"admin", ROLE_FINE, NULL, NULL, NULL},
        {"admin[]", ROLE_MALFORMED, NULL, NULL, NULL},
        {"admin[B]", ROLE_MALFORMED, NULL, NULL, NULL},
        {"nosuch", ROLE_MALFORMED, NULL, NULL, NULL},
        {"", ROLE_MALFORMED, NULL, NULL, NULL},
        {"bucket_admin", ROLE_MALFORMED, NULL, NULL, NULL},
        {"bucket_admin[]", ROLE_MALFORMED, NULL, NULL, NULL},
        {"bucket_admin[B]", ROLE_FINE, "B", NULL, NULL},
        {"bucket_admin[*]", ROLE_FINE, "*", NULL, NULL},
        {"bucket_admin[B:s1]", ROLE_MALFORMED, NULL, NULL, NULL},
        {"bucket_admin[nope]", ROLE_UNDEFINED, NULL, NULL, NULL},
        {"scope_admin[B:s1]", ROLE_FINE, "B", "s1", NULL},
        {"scope_admin[B]", ROLE_FINE, "B", "*", NULL},
        {"data_reader[B]", ROLE_FINE, "B", "*", "*"},
        {"data_reader[B:s1:c1]", ROLE_FINE, "B", "s1", "c1"},
        {"data_reader[B:s1:*]", ROLE_FINE, "B", "s1", "*"},
        {"data_reader[B:s1:c1:x]", ROLE_MALFORMED, NULL, NULL, NULL},
        {"data_reader[B:s1:nope]", ROLE_UNDEFINED, NULL, NULL, NULL},
        {"data_reader[*:s1]", ROLE_UNDEFINED, NULL, NULL, NULL},
        {"data_reader[B:s1", ROLE_MALFORMED, NULL, NULL, NULL},
        {"data_reader]B[", ROLE_MALFORMED, NULL, NULL, NULL},
    };
    struct cluster c;
    cluster_open(&c);
    cluster_fill(&c);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct doc_role r = {0};
        enum role_verdict verdict = role_parse(c.doc, divan_str(table[i].text), &r);
        if (verdict != table[i].verdict) fail_msg("%s: %d", table[i].text, verdict);
        const char *got[] = {r.bucket, r.scope, r.collection},
                   *want[] = {table[i].bucket, table[i].scope, table[i].collection};
        for (int k = 0; k < 3 && verdict == ROLE_FINE; k++)
            if (!got[k] != !want[k] || (got[k] && strcmp(got[k], want[k]) != 0))
                fail_msg("%s: word %d", table[i].text, k);
    }
    cluster_close(&c);
}

static bool may(const struct cluster *c, const char *user, const char *permission)
{
    struct identity who = {.doc = c->doc, .user = doc_find_user(c->doc, divan_str(user), false)};
    who.admin = strcmp(user, "Administrator") == 0;
    who.anonymous = !user[0];
    return identity_may(&who, permission);
}

static void permissions_follow_from_roles(void **state)
{
    static const struct {
        const char *user, *permission;
        bool may;
    } table[] = {
        {"Administrator", "cluster.anything!at_all", true},
        {"", "cluster.pools!read", false},
        {"none", "cluster.pools!read", false},
        {"reader", "cluster.pools!read", true},
        {"reader", "cluster.bucket[B].settings!read", true},
        {"reader", "cluster.bucket[E].settings!read", false},
        {"reader", "cluster.tasks!read", false},
        {"reader", "cluster.collection[B:.:.].collections!read", false},
        {"reader", "cluster.anything!at_all", false},
        {"reader", "nonsense", false},
        {"ro", "cluster.admin.security!read", true},
        {"ro", "cluster.admin.security!write", false},
        {"ro", "cluster.bucket[nope].settings!read", true},
        {"ro", "cluster.buckets!create", false},
        {"badmin", "cluster.bucket[B]!delete", true},
        {"badmin", "cluster.bucket[E]!delete", false},
        {"badmin", "cluster.bucket[E].settings!read", true},
        {"badmin", "cluster.bucket[B].collections!write", true},
        {"badmin", "cluster.bucket[B]!flush", true},
        {"badmin", "cluster.buckets!create", false},
        {"sadmin", "cluster.scope[B:s1].collections!write", true},
        {"sadmin", "cluster.scope[B:_default].collections!write", false},
        {"sadmin", "cluster.bucket[B].collections!write", false},
        {"grouped", "cluster.admin.security!read", true},
        {"grouped", "cluster.buckets!create", false},
        {"cadmin", "cluster.buckets!create", true},
        {"cadmin", "cluster.admin.security!write", false},
    };
    struct cluster c;
    cluster_open(&c);
    cluster_fill(&c);
    cluster_must(&c, "user_put", "local none", "password=secret1");
    cluster_must(&c, "user_put", "local reader", "password=secret1&roles=data_reader[B:s1:c1]");
    cluster_must(&c, "user_put", "local ro", "password=secret1&roles=ro_admin");
    cluster_must(&c, "user_put", "local badmin", "password=secret1&roles=bucket_admin[B]");
    cluster_must(&c, "user_put", "local sadmin", "password=secret1&roles=scope_admin[B:s1]");
    cluster_must(&c, "user_put", "local grouped", "password=secret1&groups=g1");
    cluster_must(&c, "user_put", "local cadmin", "password=secret1&roles=cluster_admin");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (may(&c, table[i].user, table[i].permission) != table[i].may)
            fail_msg("%s: %s", table[i].user, table[i].permission);
    cluster_close(&c);
}

static void every_role_of_the_table_can_be_given(void **state)
{
    static const char *const params[] = {"", "[*]", "[*:*]", "[*:*:*]"};
    struct cluster c;
    cluster_open(&c);
    for (size_t i = 0; i < role_table_count; i++) {
        char text[100];
        struct doc_role r;
        snprintf(text, sizeof text, "%s%s", role_table[i].role, params[role_table[i].params]);
        if (role_parse(c.doc, divan_str(text), &r) != ROLE_FINE) fail_msg("%s", text);
        assert_ptr_equal(role_find(divan_str(r.role)), &role_table[i]); /* no name twice */
    }
    cluster_close(&c);
}

static void passwords_are_checked_by_their_keys(void **state)
{
    struct doc_key a[DOC_HASHES], b[DOC_HASHES];
    assert_int_equal(keys_derive(divan_str("password"), a, NULL), DIVAN_OK);
    assert_int_equal(keys_derive(divan_str("password"), b, NULL), DIVAN_OK);
    assert_memory_not_equal(a[0].salt, b[0].salt, a[0].salt_len);
    assert_true(keys_check(a, divan_str("password")));
    assert_false(keys_check(a, divan_str("Password")));
    assert_false(keys_check(a, divan_str("")));
    assert_false(keys_check((struct doc_key[DOC_HASHES]){{0}}, divan_str("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_are_read_with_their_parameters),
        cmocka_unit_test(permissions_follow_from_roles),
        cmocka_unit_test(every_role_of_the_table_can_be_given),
        cmocka_unit_test(passwords_are_checked_by_their_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
