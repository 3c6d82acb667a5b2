/* Requests that change the cluster, one after the other on one cluster: lines "op arg arg?name=value&name=value". Whatever
 * comes, the document stays one that can be written and read, and its revision never falls. */
#include <stdlib.h>

#include "manager/plan.h"
#include "text/http.h"
#include "text/json.h"

enum { STEPS_MAX = 40, FIELDS_MAX = 8, TEXT_MAX = 400 };

struct step {
    char op[40];
    struct divan_bytes args[4];
    size_t arg_count, form_count;
    struct manager_field form[FIELDS_MAX];
    struct buf texts[2 * FIELDS_MAX];
};

static struct divan_bytes cut(struct divan_bytes *from, char at)
{
    const char *end = from->len ? memchr(from->data, at, from->len) : NULL;
    size_t n = end ? (size_t)(end - (const char *)from->data) : from->len;
    struct divan_bytes word = bytes_slice(*from, 0, n);
    *from = bytes_slice(*from, n + (end != NULL), from->len);
    return word;
}

static void read_step(struct divan_bytes line, struct step *s)
{
    struct divan_bytes head = cut(&line, '?'), op = cut(&head, ' ');
    memcpy(s->op, op.len ? op.data : "", op.len < 39 ? op.len : 39);
    while (head.len && s->arg_count < 4) s->args[s->arg_count++] = cut(&head, ' ');
    struct buf key = {.limit = TEXT_MAX}, value = {.limit = TEXT_MAX};
    while (s->form_count < FIELDS_MAX && form_next(&line, &key, &value)) {
        struct buf *k = &s->texts[2 * s->form_count], *v = k + 1;
        buf_put_bytes(k, buf_view(&key));
        buf_put_bytes(v, buf_view(&value));
        s->form[s->form_count++] = (struct manager_field){buf_view(k), buf_view(v)};
    }
    buf_fini(&key);
    buf_fini(&value);
}

static void check(const struct doc *d)
{
    struct buf json = {.limit = 1 << 26};
    struct doc *again = NULL;
    struct divan_error err = {0};
    if (!doc_to_json(d, &json) || doc_from_json(buf_view(&json), &again, &err)) abort();
    doc_release(again);
    buf_fini(&json);
}

static struct doc *run_step(struct doc *d, struct rng *rng, struct divan_bytes line)
{
    struct step s = {.op = ""};
    struct plan_reply reply = {0};
    struct doc *next = NULL;
    read_step(line, &s);
    struct manager_request request = {.op = s.op,
                                      .args = s.args,
                                      .arg_count = s.arg_count,
                                      .form = s.form,
                                      .form_count = s.form_count,
                                      .body = line,
                                      .user = "Administrator"};
    /* Deriving keys is slow and not what is looked for here. */
    bool slow = false;
    for (size_t i = 0; i < s.form_count; i++) slow = slow || bytes_is(s.form[i].name, "password");
    if (!slow) plan_run(&(struct plan_input){d, &request, rng, 1}, &next, &reply);
    if (!slow && (reply.status < 200 || reply.status > 599)) abort();
    if (reply.json && !json_is_valid(buf_view(&reply.body))) abort();
    if (next) {
        if (revision_compare(next->revision, d->revision) <= 0) abort();
        check(next);
        doc_release(d);
        d = next;
    }
    plan_reply_fini(&reply);
    for (size_t i = 0; i < 2 * FIELDS_MAX; i++) buf_fini(&s.texts[i]);
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char hello[] =
        "{\"uuid\":\"0000000000000000000000000000000a\",\"host\":\"127.0.0.1\",\"memoryMB\":8192}";
    struct divan_bytes left = bytes_of(data, size);
    struct doc *d = doc_new(), *next = NULL;
    struct plan_reply reply = {0};
    struct rng rng;
    rng_init(&rng, 1);
    d->vbuckets = 4;
    plan_run(&(struct plan_input){d,
                                  &(struct manager_request){.op = "node_hello", .body = divan_str(hello), .user = ""},
                                  &rng, 1},
             &next, &reply);
    plan_reply_fini(&reply);
    if (!next) abort();
    doc_release(d);
    d = next;
    for (int i = 0; i < STEPS_MAX && left.len; i++) d = run_step(d, &rng, cut(&left, '\n'));
    doc_release(d);
    return 0;
}
