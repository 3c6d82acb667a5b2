#include "node/http/routes.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char POOLS_READ[] = "cluster.pools!read";
static const char POOLS_WRITE[] = "cluster.pools!write";
static const char NODES_READ[] = "cluster.nodes!read";
static const char SETTINGS_READ[] = "cluster.settings!read", SETTINGS_WRITE[] = "cluster.settings!write";
static const char SECURITY_READ[] = "cluster.admin.security!read", SECURITY_WRITE[] = "cluster.admin.security!write";
static const char SETUP[] = "cluster.admin.setup!write";
static const char BUCKET_READ[] = "cluster.bucket[$0].settings!read";
static const char COLLECTIONS_WRITE[] = "cluster.bucket[$0].collections!write",
                  SCOPE_WRITE[] = "cluster.scope[$0:$1].collections!write";

const struct route management_routes[] = {
    /* the cluster */
    {"GET", "/pools", POOLS_READ, get_pools, NULL},
    {"GET", "/pools/default", POOLS_READ, get_pool, NULL},
    {"GET", "/pools/nodes", POOLS_READ, get_pool, NULL},
    {"POST", "/pools/default", "cluster.pools!write", NULL, "pools_default"},
    {"GET", "/poolsStreaming/default", POOLS_READ, get_pool_stream, NULL},
    {"GET", "/pools/default/nodeServices", POOLS_READ, get_node_services, NULL},
    {"GET", "/pools/default/nodeServicesStreaming", POOLS_READ, get_node_services_stream, NULL},
    {"GET", "/pools/default/terseClusterInfo", POOLS_READ, get_terse_cluster_info, NULL},
    {"GET", "/pools/default/tasks", "cluster.tasks!read", get_tasks, NULL},
    {"GET", "/pools/default/rebalanceProgress", "cluster.tasks!read", get_rebalance_progress, NULL},
    {"GET", "/pools/default/pendingRetryRebalance", "cluster.tasks!read", get_pending_retry, NULL},
    {"GET", "/pools/default/certificate", NULL, get_certificate, NULL},
    {"POST", "/pools/default/checkPermissions", NULL, check_permissions, NULL},
    {"GET", "/pools/default/serverGroups", "cluster.server_groups!read", get_server_groups, NULL},
    {"POST", "/pools/default/serverGroups", "cluster.server_groups!write", NULL, "group_add"},
    {"PUT", "/pools/default/serverGroups/*", "cluster.server_groups!write", NULL, "group_rename"},
    {"DELETE", "/pools/default/serverGroups/*", "cluster.server_groups!write", NULL, "group_delete"},
    {"GET", "/whoami", NULL, get_whoami, NULL},
    {"GET", "/versions", POOLS_READ, get_versions, NULL},
    {"GET", "/", NULL, get_root, NULL},
    {"GET", "/ui/index.html", NULL, get_ui, NULL},
    {"POST", "/clusterInit", SETUP, post_cluster_init, NULL},

    /* who is in the cluster */
    {"POST", "/controller/rebalance", POOLS_WRITE, NULL, "rebalance"},
    {"POST", "/controller/stopRebalance", POOLS_WRITE, NULL, "stop_rebalance"},
    {"POST", "/controller/addNode", POOLS_WRITE, NULL, "add_node"},
    {"POST", "/controller/addNodeV2", POOLS_WRITE, NULL, "add_node"},
    {"POST", "/pools/default/serverGroups/*/addNode", POOLS_WRITE, NULL, "add_node"},
    {"POST", "/controller/ejectNode", POOLS_WRITE, NULL, "eject"},
    {"POST", "/controller/failOver", POOLS_WRITE, NULL, "fail_over"},
    {"POST", "/controller/startFailover", POOLS_WRITE, NULL, "start_fail_over"},
    {"POST", "/controller/startGracefulFailover", POOLS_WRITE, NULL, "graceful_fail_over"},
    {"POST", "/controller/setRecoveryType", POOLS_WRITE, NULL, "recovery_type"},
    {"POST", "/controller/reAddNode", POOLS_WRITE, NULL, "re_add"},
    {"POST", "/controller/reFailOver", POOLS_WRITE, NULL, "re_fail_over"},
    {"POST", "/controller/hardResetNode", SETUP, post_hard_reset, NULL},
    {"POST", "/node/controller/doJoinCluster", SETUP, NULL, "ask_to_join"},
    {"POST", "/divan/join", SETUP, post_join, NULL},
    {"GET", "/logs/rebalanceReport", "cluster.tasks!read", get_rebalance_report, NULL},
    {"POST", "/controller/changePassword", "", change_password, NULL},

    /* nodes */
    {"GET", "/nodeStatuses", NODES_READ, get_node_statuses, NULL},
    {"GET", "/nodes/self", NODES_READ, get_nodes_self, NULL},
    {"GET", "/nodes/*", NODES_READ, get_node, NULL},
    {"POST", "/nodes/self/controller/settings", SETUP, NULL, "paths"},
    {"POST", "/nodeInit", SETUP, post_node_init, NULL},
    {"POST", "/node/controller/rename", SETUP, post_rename, NULL},
    {"POST", "/node/controller/setupServices", SETUP, NULL, "services"},
    {"PUT", "/node/controller/setupAlternateAddresses/external", "cluster.nodes!write", NULL, "alternate_set"},
    {"DELETE", "/node/controller/setupAlternateAddresses/external", "cluster.nodes!write", NULL, "alternate_clear"},

    /* buckets */
    {"GET", "/pools/default/buckets", POOLS_READ, get_buckets, NULL},
    {"POST", "/pools/default/buckets", "cluster.buckets!create", NULL, "bucket_create"},
    {"GET", "/pools/default/buckets/*", BUCKET_READ, get_bucket, NULL},
    {"POST", "/pools/default/buckets/*", "cluster.bucket[$0].settings!write", NULL, "bucket_edit"},
    {"DELETE", "/pools/default/buckets/*", "cluster.bucket[$0]!delete", NULL, "bucket_delete"},
    {"GET", "/pools/default/buckets/*/nodes", BUCKET_READ, get_bucket_nodes, NULL},
    {"POST", "/pools/default/buckets/*/controller/doFlush", "cluster.bucket[$0]!flush", NULL, "bucket_flush"},
    {"POST", "/pools/default/buckets/*/controller/compactBucket", "cluster.bucket[$0]!compact", post_compact, NULL},
    {"GET", "/pools/default/b/*", BUCKET_READ, get_bucket_terse, NULL},
    {"GET", "/pools/default/bs/*", BUCKET_READ, get_bucket_terse_stream, NULL},
    {"GET", "/pools/default/bucketsStreaming/*", BUCKET_READ, get_bucket_stream, NULL},

    /* collections */
    {"GET", "/pools/default/buckets/*/scopes", "cluster.collection[$0:.:.].collections!read", get_scopes, NULL},
    {"POST", "/pools/default/buckets/*/scopes", COLLECTIONS_WRITE, NULL, "scope_create"},
    {"PUT", "/pools/default/buckets/*/scopes", COLLECTIONS_WRITE, NULL, "manifest_put"},
    {"POST", "/pools/default/buckets/*/scopes/@ensureManifest/*", BUCKET_READ, ensure_manifest, NULL},
    {"DELETE", "/pools/default/buckets/*/scopes/*", COLLECTIONS_WRITE, NULL, "scope_drop"},
    {"POST", "/pools/default/buckets/*/scopes/*/collections", SCOPE_WRITE, NULL, "collection_create"},
    {"PATCH", "/pools/default/buckets/*/scopes/*/collections/*", SCOPE_WRITE, NULL, "collection_edit"},
    {"DELETE", "/pools/default/buckets/*/scopes/*/collections/*", SCOPE_WRITE, NULL, "collection_drop"},

    /* settings */
    {"GET", "/settings/web", SETTINGS_READ, get_web, NULL},
    {"POST", "/settings/web", SETUP, NULL, "web"},
    {"GET", "/settings/autoFailover", SETTINGS_READ, get_auto_failover, NULL},
    {"POST", "/settings/autoFailover", SETTINGS_WRITE, NULL, "auto_failover"},
    {"POST", "/settings/autoFailover/resetCount", SETTINGS_WRITE, NULL, "auto_failover_reset"},

    /* users */
    {"GET", "/settings/rbac/users", SECURITY_READ, get_users, NULL},
    {"GET", "/settings/rbac/users/*", SECURITY_READ, get_users_domain, NULL},
    {"GET", "/settings/rbac/users/*/*", SECURITY_READ, get_user, NULL},
    {"PUT", "/settings/rbac/users/*/*", SECURITY_WRITE, NULL, "user_put"},
    {"PATCH", "/settings/rbac/users/*/*", SECURITY_WRITE, NULL, "user_patch"},
    {"DELETE", "/settings/rbac/users/*/*", SECURITY_WRITE, NULL, "user_delete"},
    {"GET", "/settings/rbac/groups", SECURITY_READ, get_groups, NULL},
    {"GET", "/settings/rbac/groups/*", SECURITY_READ, get_group, NULL},
    {"PUT", "/settings/rbac/groups/*", SECURITY_WRITE, NULL, "user_group_put"},
    {"DELETE", "/settings/rbac/groups/*", SECURITY_WRITE, NULL, "user_group_delete"},
    {"GET", "/settings/rbac/roles", SECURITY_READ, get_roles, NULL},
    {"GET", "/settings/rbac/profiles", SECURITY_READ, get_profiles, NULL},
    {"GET", "/settings/rbac/profiles/@self", "", get_profile, NULL},

    /* settings that are kept and given back; last, so that the others win */
    {"GET", "/settings/*", SETTINGS_READ, get_setting, NULL},
    {"POST", "/settings/*", SETTINGS_WRITE, post_setting, NULL},
};
const size_t management_route_count = COUNT(management_routes);

/* The views service is not there yet; its port tells so. */
const struct route views_routes[] = {
    {"GET", "/", NULL, get_views_root, NULL},
};
const size_t views_route_count = COUNT(views_routes);
