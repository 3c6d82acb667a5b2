/* Settings. */
#include <stdio.h>

#include "manager/settings.h"
#include "node/http/render.h"
#include "node/http/routes.h"

void get_web(struct exchange *x)
{
    const struct doc_node *self = x_self(x);
    jw_open(&x->body, NULL, '{');
    jw_uint(&x->body, "port", self ? self->ports.plain[SVC_MGMT] : 0);
    jw_str(&x->body, "username", x->doc->admin);
    jw_close(&x->body, '}');
    x_json(x, 200);
}

void get_auto_failover(struct exchange *x)
{
    const struct doc_auto_failover *f = &x->doc->auto_failover;
    struct buf *out = &x->body;
    jw_open(out, NULL, '{');
    jw_bool(out, "enabled", f->enabled);
    jw_uint(out, "timeout", f->timeout_s);
    jw_uint(out, "count", f->count);
    jw_open(out, "failoverOnDataDiskIssues", '{');
    jw_bool(out, "enabled", f->on_disk_issues);
    jw_uint(out, "timePeriod", f->disk_issue_period_s);
    jw_close(out, '}');
    jw_bool(out, "disableMaxCount", f->disable_max_count);
    jw_uint(out, "maxCount", f->max_count);
    jw_bool(out, "canAbortRebalance", f->can_abort_rebalance);
    jw_bool(out, "failoverPreserveDurabilityMajority", f->preserve_durability_majority);
    jw_close(out, '}');
    x_json(x, 200);
}

/* ---- kept and given back */

static const char *setting_path(const struct exchange *x, char out[100])
{
    snprintf(out, 100, "/settings/%.*s", (int)(x->args[0].len < 80 ? x->args[0].len : 80),
             (const char *)x->args[0].data);
    return out;
}

void get_setting(struct exchange *x)
{
    char path[100];
    const char *json = setting_json(x->doc, setting_path(x, path));
    if (json) x_json_text(x, 200, json);
    else x_text(x, 404, "Not found.");
}

void post_setting(struct exchange *x)
{
    char path[100];
    if (!setting_json(x->doc, setting_path(x, path))) {
        x_not_found(x);
        return;
    }
    x->args[0] = divan_str(path); /* copied before this returns */
    x_forward(x, "setting");
}
