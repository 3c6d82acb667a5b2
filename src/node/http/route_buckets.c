/* Buckets and their collections. */
#include <stdio.h>

#include "node/http/render.h"
#include "node/http/routes.h"
#include "node/http/server.h"

/* ---- lists */

void get_buckets(struct exchange *x)
{
    struct facts f;
    struct buf *out = &x->body;
    render_facts(x, &f);
    jw_open(out, NULL, '[');
    for (size_t i = 0; i < x->doc->bucket_count; i++)
        if (render_may_see(x, &x->doc->buckets[i])) render_bucket(x, &x->doc->buckets[i], &f, out);
    jw_close(out, ']');
    x_json(x, 200);
}

/* ---- one bucket: in full, terse, as streams */

static bool put_full(struct exchange *x, struct buf *out)
{
    const struct doc_bucket *b = doc_find_bucket(x->doc, x->args[0]);
    struct facts f;
    if (!b) return false;
    render_facts(x, &f);
    render_bucket(x, b, &f, out);
    return true;
}

static bool put_terse(struct exchange *x, struct buf *out)
{
    const struct doc_bucket *b = doc_find_bucket(x->doc, x->args[0]);
    if (b) doc_bucket_config(x->doc, b, x->rest->options.self, out);
    return b != NULL;
}

static void answer_with(struct exchange *x, render_fn *render)
{
    if (!x_bucket(x)) return;
    render(x, &x->body);
    x_json(x, 200);
}

static void stream_with(struct exchange *x, render_fn *render)
{
    if (x_bucket(x)) x_stream(x, render);
}

void get_bucket(struct exchange *x)
{
    answer_with(x, put_full);
}
void get_bucket_terse(struct exchange *x)
{
    answer_with(x, put_terse);
}
void get_bucket_stream(struct exchange *x)
{
    stream_with(x, put_full);
}
void get_bucket_terse_stream(struct exchange *x)
{
    stream_with(x, put_terse);
}

void get_bucket_nodes(struct exchange *x)
{
    struct buf *out = &x->body;
    struct buf name = {.limit = 1024};
    if (!x_bucket(x)) return;
    percent_encode(x->args[0], false, &name);
    jw_open(out, NULL, '{');
    jw_open(out, "servers", '[');
    for (size_t i = 0; i < x->doc->node_count; i++) {
        const struct doc_node *n = &x->doc->nodes[i];
        struct buf at_encoded = {.limit = 1024};
        char at[300];
        render_address(x, n, n->ports.plain[SVC_MGMT], at);
        percent_encode(divan_str(at), false, &at_encoded);
        jw_open(out, NULL, '{');
        jw_str(out, "hostname", at);
        jw_printf(out, "uri", "/pools/default/buckets/%s/nodes/%s", buf_text(&name), buf_text(&at_encoded));
        jw_open(out, "stats", '{');
        jw_printf(out, "uri", "/pools/default/buckets/%s/nodes/%s/stats", buf_text(&name), buf_text(&at_encoded));
        jw_close(out, '}');
        jw_close(out, '}');
        buf_fini(&at_encoded);
    }
    jw_close(out, ']');
    jw_close(out, '}');
    buf_fini(&name);
    x_json(x, 200);
}

/* Nothing to compact: what is deleted is gone at once. */
void post_compact(struct exchange *x)
{
    if (x_bucket(x)) x_text(x, 200, "");
}

/* ---- collections */

void get_scopes(struct exchange *x)
{
    const struct doc_bucket *b = x_bucket(x);
    if (!b) return;
    doc_manifest_json(&b->manifest, true, &x->body);
    x_json(x, 200);
}

static bool hex_value(struct divan_bytes text, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = ((const char *)text.data)[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return false;
        n = n << 4 | digit;
    }
    *out = n;
    return text.len && text.len <= 16;
}

/* The node has applied every document it answers from, so it is enough that this one has the manifest. */
static bool try_manifest(struct exchange *x, bool last)
{
    const struct doc_bucket *b = doc_find_bucket(x->doc, x->args[0]);
    uint64_t uid = 0;
    hex_value(x->args[1], &uid);
    if (!b) x_not_found(x);
    else if (b->manifest.uid >= uid) x_text(x, 200, "");
    else if (last) x_text(x, 504, "timeout");
    else return false;
    return true;
}

void ensure_manifest(struct exchange *x)
{
    enum { DEFAULT_MS = 30 * 1000, LONGEST_MS = 600 * 1000 };
    uint64_t uid;
    int64_t ms = x_number(x, "timeout", DEFAULT_MS);
    if (!x_bucket(x)) return;
    if (!hex_value(x->args[1], &uid)) x_text(x, 400, "Invalid UID");
    else x_wait(x, try_manifest, (uint64_t)(ms > LONGEST_MS ? LONGEST_MS : ms));
}
