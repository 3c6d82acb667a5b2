#include "client/call.h"

#include "base/error.h"
#include "client/specs.h"

/* The operations on whole documents, each blocking and started: they only say which of their options go where. An options pointer of
 * NULL means the defaults. */

#define TAKE(type, given)                                                                                              \
    (given) ? *(given) : (struct divan_##type##_options)                                                               \
    {                                                                                                                  \
        .timeout_ms = 0                                                                                                \
    }

/* ---- get */

static struct call get_call(divan_collection *c, struct divan_bytes key, const struct divan_get_options *given)
{
    if (!given) return (struct call){.collection = c, .kind = KIND_GET, .key = key};
    return (struct call){
        .collection = c, .kind = KIND_GET, .key = key, .timeout_ms = given->timeout_ms, .retry = given->retry};
}

static bool is_projected(const struct divan_get_options *o)
{
    return o && (o->with_expiry || o->project_count);
}

/* With an expiry or a projection get is a sub-document lookup. */
static enum divan_code make_projected(struct call *call, struct call_specs *specs, const struct divan_get_options *o,
                                      struct divan_error *err)
{
    enum divan_code rc = specs_from_projection(specs, o, err);
    call->kind = KIND_GET_PROJECTED;
    call->specs = specs;
    if (rc) err_where(err, "get", NULL);
    return rc;
}

static enum divan_code get_projected(struct call *call, const struct divan_get_options *o, divan_result **out,
                                     struct divan_error *err)
{
    struct call_specs specs;
    enum divan_code rc = make_projected(call, &specs, o, err);
    return rc ? rc : call_run(call, out, err);
}

static enum divan_code get_projected_start(struct call *call, const struct divan_get_options *o, struct divan_done done,
                                           struct divan_error *err)
{
    struct call_specs specs;
    enum divan_code rc = make_projected(call, &specs, o, err);
    return rc ? rc : call_start(call, done, err);
}

enum divan_code divan_get(divan_collection *c, struct divan_bytes key, const struct divan_get_options *o,
                          divan_result **out, struct divan_error *err)
{
    struct call call = get_call(c, key, o);
    return is_projected(o) ? get_projected(&call, o, out, err) : call_run(&call, out, err);
}

enum divan_code divan_get_start(divan_collection *c, struct divan_bytes key, const struct divan_get_options *o,
                                struct divan_done done, struct divan_error *err)
{
    struct call call = get_call(c, key, o);
    return is_projected(o) ? get_projected_start(&call, o, done, err) : call_start(&call, done, err);
}

/* ---- exists */

static struct call exists_call(divan_collection *c, struct divan_bytes key, const struct divan_exists_options *given)
{
    const struct divan_exists_options o = TAKE(exists, given);
    return (struct call){
        .collection = c, .kind = KIND_EXISTS, .key = key, .timeout_ms = o.timeout_ms, .retry = o.retry};
}

enum divan_code divan_exists(divan_collection *c, struct divan_bytes key, const struct divan_exists_options *o,
                             divan_result **out, struct divan_error *err)
{
    const struct call call = exists_call(c, key, o);
    return call_run(&call, out, err);
}

enum divan_code divan_exists_start(divan_collection *c, struct divan_bytes key, const struct divan_exists_options *o,
                                   struct divan_done done, struct divan_error *err)
{
    const struct call call = exists_call(c, key, o);
    return call_start(&call, done, err);
}

/* ---- get_and_touch */

static struct call get_and_touch_call(divan_collection *c, struct divan_bytes key, uint32_t expiry_s,
                                      const struct divan_touch_options *given)
{
    const struct divan_touch_options o = TAKE(touch, given);
    return (struct call){.collection = c,
                         .kind = KIND_GET_AND_TOUCH,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .expiry_s = expiry_s};
}

enum divan_code divan_get_and_touch(divan_collection *c, struct divan_bytes key, uint32_t expiry_s,
                                    const struct divan_touch_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = get_and_touch_call(c, key, expiry_s, o);
    return call_run(&call, out, err);
}

enum divan_code divan_get_and_touch_start(divan_collection *c, struct divan_bytes key, uint32_t expiry_s,
                                          const struct divan_touch_options *o, struct divan_done done,
                                          struct divan_error *err)
{
    const struct call call = get_and_touch_call(c, key, expiry_s, o);
    return call_start(&call, done, err);
}

/* ---- touch */

static struct call touch_call(divan_collection *c, struct divan_bytes key, uint32_t expiry_s,
                              const struct divan_touch_options *given)
{
    const struct divan_touch_options o = TAKE(touch, given);
    return (struct call){.collection = c,
                         .kind = KIND_TOUCH,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .expiry_s = expiry_s};
}

enum divan_code divan_touch(divan_collection *c, struct divan_bytes key, uint32_t expiry_s,
                            const struct divan_touch_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = touch_call(c, key, expiry_s, o);
    return call_run(&call, out, err);
}

enum divan_code divan_touch_start(divan_collection *c, struct divan_bytes key, uint32_t expiry_s,
                                  const struct divan_touch_options *o, struct divan_done done, struct divan_error *err)
{
    const struct call call = touch_call(c, key, expiry_s, o);
    return call_start(&call, done, err);
}

/* ---- insert */

static struct call insert_call(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                               const struct divan_insert_options *given)
{
    const struct divan_insert_options o = TAKE(insert, given);
    return (struct call){.collection = c,
                         .kind = KIND_INSERT,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .value = value,
                         .expiry_s = o.expiry_s,
                         .flags = o.flags,
                         .durability = o.durability,
                         .persist_to = o.persist_to,
                         .replicate_to = o.replicate_to};
}

enum divan_code divan_insert(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                             const struct divan_insert_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = insert_call(c, key, value, o);
    return call_run(&call, out, err);
}

enum divan_code divan_insert_start(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                                   const struct divan_insert_options *o, struct divan_done done,
                                   struct divan_error *err)
{
    const struct call call = insert_call(c, key, value, o);
    return call_start(&call, done, err);
}

/* ---- upsert */

static struct call upsert_call(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                               const struct divan_upsert_options *given)
{
    const struct divan_upsert_options o = TAKE(upsert, given);
    return (struct call){.collection = c,
                         .kind = KIND_UPSERT,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .value = value,
                         .expiry_s = o.expiry_s,
                         .flags = o.flags,
                         .durability = o.durability,
                         .keep_expiry = o.keep_expiry,
                         .persist_to = o.persist_to,
                         .replicate_to = o.replicate_to};
}

enum divan_code divan_upsert(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                             const struct divan_upsert_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = upsert_call(c, key, value, o);
    return call_run(&call, out, err);
}

enum divan_code divan_upsert_start(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                                   const struct divan_upsert_options *o, struct divan_done done,
                                   struct divan_error *err)
{
    const struct call call = upsert_call(c, key, value, o);
    return call_start(&call, done, err);
}

/* ---- replace */

static struct call replace_call(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                                const struct divan_replace_options *given)
{
    const struct divan_replace_options o = TAKE(replace, given);
    return (struct call){.collection = c,
                         .kind = KIND_REPLACE,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .value = value,
                         .expiry_s = o.expiry_s,
                         .flags = o.flags,
                         .durability = o.durability,
                         .keep_expiry = o.keep_expiry,
                         .cas = o.cas,
                         .persist_to = o.persist_to,
                         .replicate_to = o.replicate_to};
}

enum divan_code divan_replace(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                              const struct divan_replace_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = replace_call(c, key, value, o);
    return call_run(&call, out, err);
}

enum divan_code divan_replace_start(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                                    const struct divan_replace_options *o, struct divan_done done,
                                    struct divan_error *err)
{
    const struct call call = replace_call(c, key, value, o);
    return call_start(&call, done, err);
}

/* ---- remove */

static struct call remove_call(divan_collection *c, struct divan_bytes key, const struct divan_remove_options *given)
{
    const struct divan_remove_options o = TAKE(remove, given);
    return (struct call){.collection = c,
                         .kind = KIND_REMOVE,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .durability = o.durability,
                         .cas = o.cas,
                         .persist_to = o.persist_to,
                         .replicate_to = o.replicate_to};
}

enum divan_code divan_remove(divan_collection *c, struct divan_bytes key, const struct divan_remove_options *o,
                             divan_result **out, struct divan_error *err)
{
    const struct call call = remove_call(c, key, o);
    return call_run(&call, out, err);
}

enum divan_code divan_remove_start(divan_collection *c, struct divan_bytes key, const struct divan_remove_options *o,
                                   struct divan_done done, struct divan_error *err)
{
    const struct call call = remove_call(c, key, o);
    return call_start(&call, done, err);
}

/* ---- append */

static struct call concat_call(divan_collection *c, enum op_kind kind, struct divan_bytes key, struct divan_bytes value,
                               const struct divan_append_options *given)
{
    const struct divan_append_options o = TAKE(append, given);
    return (struct call){.collection = c,
                         .kind = kind,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .value = value,
                         .durability = o.durability,
                         .cas = o.cas,
                         .persist_to = o.persist_to,
                         .replicate_to = o.replicate_to};
}

enum divan_code divan_append(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                             const struct divan_append_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = concat_call(c, KIND_APPEND, key, value, o);
    return call_run(&call, out, err);
}

enum divan_code divan_append_start(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                                   const struct divan_append_options *o, struct divan_done done,
                                   struct divan_error *err)
{
    const struct call call = concat_call(c, KIND_APPEND, key, value, o);
    return call_start(&call, done, err);
}

/* ---- prepend */

enum divan_code divan_prepend(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                              const struct divan_append_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = concat_call(c, KIND_PREPEND, key, value, o);
    return call_run(&call, out, err);
}

enum divan_code divan_prepend_start(divan_collection *c, struct divan_bytes key, struct divan_bytes value,
                                    const struct divan_append_options *o, struct divan_done done,
                                    struct divan_error *err)
{
    const struct call call = concat_call(c, KIND_PREPEND, key, value, o);
    return call_start(&call, done, err);
}

/* ---- increment */

static struct call counter_call(divan_collection *c, enum op_kind kind, struct divan_bytes key, uint64_t delta,
                                const struct divan_counter_options *given)
{
    const struct divan_counter_options o = TAKE(counter, given);
    return (struct call){.collection = c,
                         .kind = kind,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .delta = delta,
                         .create = o.create,
                         .initial = o.initial,
                         .expiry_s = o.expiry_s,
                         .durability = o.durability,
                         .keep_expiry = o.keep_expiry,
                         .persist_to = o.persist_to,
                         .replicate_to = o.replicate_to};
}

enum divan_code divan_increment(divan_collection *c, struct divan_bytes key, uint64_t delta,
                                const struct divan_counter_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = counter_call(c, KIND_INCREMENT, key, delta, o);
    return call_run(&call, out, err);
}

enum divan_code divan_increment_start(divan_collection *c, struct divan_bytes key, uint64_t delta,
                                      const struct divan_counter_options *o, struct divan_done done,
                                      struct divan_error *err)
{
    const struct call call = counter_call(c, KIND_INCREMENT, key, delta, o);
    return call_start(&call, done, err);
}

/* ---- decrement */

enum divan_code divan_decrement(divan_collection *c, struct divan_bytes key, uint64_t delta,
                                const struct divan_counter_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = counter_call(c, KIND_DECREMENT, key, delta, o);
    return call_run(&call, out, err);
}

enum divan_code divan_decrement_start(divan_collection *c, struct divan_bytes key, uint64_t delta,
                                      const struct divan_counter_options *o, struct divan_done done,
                                      struct divan_error *err)
{
    const struct call call = counter_call(c, KIND_DECREMENT, key, delta, o);
    return call_start(&call, done, err);
}
