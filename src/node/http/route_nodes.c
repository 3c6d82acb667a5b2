/* Nodes, server groups, and setting this one up. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "node/http/render.h"
#include "node/http/routes.h"
#include "node/http/server.h"

/* ---- reading */

static void put_storage(struct exchange *x, const struct doc_node *n, const struct facts *f, struct buf *out)
{
    jw_open(out, "availableStorage", '{');
    jw_open(out, "hdd", '[');
    jw_open(out, NULL, '{');
    jw_str(out, "path", "/");
    jw_uint(out, "sizeKBytes", f->disk_total / 1024);
    jw_uint(out, "usagePercent", f->disk_total ? (f->disk_total - f->disk_free) * 100 / f->disk_total : 0);
    jw_close(out, '}');
    jw_close(out, ']');
    jw_close(out, '}');
    render_storage_totals(x, f, out);
    jw_open(out, "storage", '{');
    jw_raw(out, "ssd", "[]");
    jw_open(out, "hdd", '[');
    jw_open(out, NULL, '{');
    jw_str(out, "path", n->data_path);
    jw_str(out, "index_path", n->data_path);
    jw_open(out, "cbas_dirs", '[');
    jw_str(out, NULL, n->data_path);
    jw_close(out, ']');
    jw_str(out, "eventing_path", n->data_path);
    jw_str(out, "java_home", "");
    jw_str(out, "quotaMb", "none");
    jw_str(out, "state", "ok");
    jw_close(out, '}');
    jw_close(out, ']');
    jw_close(out, '}');
}

static void answer_node(struct exchange *x, const struct doc_node *n)
{
    struct facts f;
    struct buf *out = &x->body;
    if (!n) {
        x_text(x, 404, "Not found.");
        return;
    }
    render_facts(x, &f);
    render_node_open(x, n, NULL, &f, out);
    put_storage(x, n, &f, out);
    render_quotas(x->doc, out);
    jw_close(out, '}');
    x_json(x, 200);
}

void get_nodes_self(struct exchange *x)
{
    answer_node(x, x_self(x));
}

void get_node(struct exchange *x)
{
    char otp[300];
    snprintf(otp, sizeof otp, "%.*s", (int)(x->args[0].len < 299 ? x->args[0].len : 299),
             (const char *)x->args[0].data);
    answer_node(x, doc_find_otp(x->doc, otp));
}

void get_server_groups(struct exchange *x)
{
    const struct doc *d = x->doc;
    struct buf *out = &x->body;
    struct facts f;
    render_facts(x, &f);
    jw_open(out, NULL, '{');
    jw_open(out, "groups", '[');
    for (size_t g = 0; g < d->group_count; g++) {
        jw_open(out, NULL, '{');
        jw_str(out, "name", d->groups[g].name);
        jw_printf(out, "uri", "/pools/default/serverGroups/%s", d->groups[g].uuid);
        jw_printf(out, "addNodeURI", "/pools/default/serverGroups/%s/addNode", d->groups[g].uuid);
        jw_open(out, "nodes", '[');
        for (size_t i = 0; i < d->node_count; i++) {
            if (strcmp(d->nodes[i].group, d->groups[g].uuid) != 0) continue;
            render_node_open(x, &d->nodes[i], NULL, &f, out);
            jw_close(out, '}');
        }
        jw_close(out, ']');
        jw_close(out, '}');
    }
    jw_close(out, ']');
    jw_printf(out, "uri", "/pools/default/serverGroups?rev=%lld", (long long)d->revision.rev);
    jw_close(out, '}');
    x_json(x, 200);
}

/* ---- a name for this node: it has to resolve, and to an address of this machine. Only the node can find that out, so it
 * looks before it asks the manager, and passes on what is wrong as the first argument. */

struct naming {
    struct exchange *x;
    struct io_lookup *lookup;
    const char *op;
    char host[260];
};

static void forward_with_flaw(struct naming *n, const char *flaw)
{
    struct exchange *x = n->x;
    x->args[0] = divan_str(flaw);
    x->arg_count = 1;
    x_forward(x, n->op);
    mem_free(n);
}

static void ignore_stream(void *user, struct io_stream *s)
{
    io_stream_close(s, false);
}

static bool can_listen(struct io_loop *loop, const struct io_addr *addr)
{
    struct divan_error err;
    struct io_addr any = *addr;
    any.port = 0;
    struct io_listener *l = io_listen(loop, &any, ignore_stream, NULL, &err);
    io_listener_close(l);
    return l != NULL;
}

static void on_resolved(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *err)
{
    struct naming *n = user;
    char flaw[600] = "";
    if (!count) snprintf(flaw, sizeof flaw, "Unable to resolve IPv4 address for \"%s\": nxdomain", n->host);
    else if (!can_listen(n->x->rest->loop, &addrs[0]))
        snprintf(flaw, sizeof flaw, "Could not listen on address \"%s\": eaddrnotavail", n->host);
    n->lookup = NULL;
    if (x_resume(n->x)) forward_with_flaw(n, flaw);
    else mem_free(n);
}

static void cancel_naming(void *arg)
{
    struct naming *n = arg;
    io_lookup_cancel(n->lookup);
    mem_free(n);
}

static void forward_named(struct exchange *x, const char *op)
{
    struct divan_bytes host = x_field(x, "hostname");
    struct naming *n = mem_zalloc(sizeof *n);
    struct io_addr addr;
    struct divan_error err;
    char flaw[600] = "";
    if (!n) {
        x_text(x, 500, "out of memory");
        return;
    }
    *n = (struct naming){.x = x, .op = op};
    snprintf(n->host, sizeof n->host, "%.*s", (int)(host.len < 255 ? host.len : 255),
             host.len ? (const char *)host.data : "");
    if (!host.data) {
        forward_with_flaw(n, "");
    } else if (!strpbrk(n->host, ".:") && strcmp(n->host, "localhost") != 0) {
        snprintf(flaw, sizeof flaw,
                 "Requested hostname \"%s\" is not allowed: Short names are not allowed. Please use a Fully Qualified "
                 "Domain Name.",
                 n->host);
        forward_with_flaw(n, flaw);
    } else if (io_addr_parse(&addr, n->host, 0)) {
        if (!can_listen(x->rest->loop, &addr))
            snprintf(flaw, sizeof flaw, "Could not listen on address \"%s\": eaddrnotavail", n->host);
        forward_with_flaw(n, flaw);
    } else {
        n->lookup = io_lookup_start(x->rest->loop, n->host, 0, IO_V4, on_resolved, n, &err);
        if (n->lookup) x_pause(x, cancel_naming, n);
        else forward_with_flaw(n, err.message);
    }
}

void post_rename(struct exchange *x)
{
    forward_named(x, "rename");
}
void post_cluster_init(struct exchange *x)
{
    forward_named(x, "cluster_init");
}

/* Paths and address families are chosen where the node is started; what is left is the name. */
void post_node_init(struct exchange *x)
{
    if (x_field(x, "hostname").data) forward_named(x, "rename");
    else x_text(x, 200, "");
}
