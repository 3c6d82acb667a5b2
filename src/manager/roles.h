/* What users may do: the roles, where they apply, and the permissions they give. REST asks for permissions by name
 * ("cluster.bucket[B].settings!read"); the key-value engine gets bits, see node/apply.c. */
#ifndef DIVAN_MANAGER_ROLES_H
#define DIVAN_MANAGER_ROLES_H

#include "manager/doc.h"

enum role_params { ROLE_GLOBAL, ROLE_BUCKET, ROLE_SCOPE, ROLE_COLLECTION };

/* Data privileges a role gives where it applies. */
enum role_data {
    ROLE_READ = 1 << 0,
    ROLE_INSERT = 1 << 1,
    ROLE_UPSERT = 1 << 2,
    ROLE_DELETE = 1 << 3,
    ROLE_RANGE_SCAN = 1 << 4,
    ROLE_META_WRITE = 1 << 5,
    ROLE_SYSTEM_XATTR = 1 << 6,
    ROLE_DCP = 1 << 7,
    ROLE_STATS = 1 << 8,
    ROLE_META_READ = 1 << 9,
};

struct role_info {
    const char *role, *name, *desc;
    enum role_params params;
    uint32_t data;   /* enum role_data */
    uint32_t grants; /* private: groups of REST permissions */
};

extern const struct role_info role_table[];
extern const size_t role_table_count;
const struct role_info *role_find(struct divan_bytes role);

enum role_verdict {
    ROLE_FINE,
    ROLE_MALFORMED, /* unknown role, or not its number of parameters */
    ROLE_UNDEFINED, /* a bucket, scope or collection that does not exist */
};
/** Reads "data_reader[B:s:*]" into *out (strings of d). Missing trailing parameters mean all. */
enum role_verdict role_parse(struct doc *d, struct divan_bytes text, struct doc_role *out);

/* Who asks. Roles of groups count as the user's own. */
struct identity {
    bool anonymous, admin;       /* admin: the administrator, or anybody before there is one */
    const struct doc *doc;       /* borrowed */
    const struct doc_user *user; /* NULL for the two above */
};

/** Whether the identity has any role at all. */
bool identity_has_roles(const struct identity *);
/** Calls fn for each role, own and from groups (group NULL = own). */
void identity_each_role(const struct identity *, void (*fn)(void *user, const struct doc_role *, const char *group),
                        void *user);
/** Whether a permission "cluster.x[y].z!op" is held. A permission nobody knows is held by administrators only. */
bool identity_may(const struct identity *, const char *permission);
/** Whether the text has the form of a permission. */
bool permission_is_valid(struct divan_bytes text);

#endif
