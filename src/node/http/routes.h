/* The table of routes and their handlers, one file per resource. */
#ifndef DIVAN_NODE_HTTP_ROUTES_H
#define DIVAN_NODE_HTTP_ROUTES_H

#include "node/http/exchange.h"

struct route {
    const char *method, *pattern; /* "*" takes one segment */
    /** What is needed: "$0" stands for the first captured word; NULL = nothing, "" = to be somebody. */
    const char *permission;
    handler_fn *handler; /* NULL: the manager answers as operation `op` */
    const char *op;
};
extern const struct route management_routes[], views_routes[];
extern const size_t management_route_count, views_route_count;

handler_fn post_hard_reset, post_join, get_rebalance_report;
handler_fn get_pools, get_pool, get_pool_stream, get_node_services, get_node_services_stream, get_tasks,
    get_rebalance_progress, get_terse_cluster_info, get_server_groups, get_node_statuses, get_nodes_self, get_versions,
    get_root, get_ui, get_whoami, get_certificate, post_rename, post_cluster_init, post_node_init, get_node;
handler_fn get_buckets, get_bucket, get_bucket_terse, get_bucket_terse_stream, get_bucket_stream, get_scopes,
    ensure_manifest, post_compact, get_bucket_nodes;
handler_fn get_users, get_users_domain, get_user, get_roles, get_groups, get_group, get_profiles, get_profile,
    check_permissions, change_password;
handler_fn get_web, get_auto_failover, get_setting, post_setting, get_pending_retry;
handler_fn get_views_root;

#endif
