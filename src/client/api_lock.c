#include "client/call.h"

static struct call lock_call(divan_collection *c, struct divan_bytes key, uint32_t lock_s,
                             const struct divan_lock_options *given)
{
    const struct divan_lock_options o = given ? *given : (struct divan_lock_options){.timeout_ms = 0};
    return (struct call){.collection = c,
                         .kind = KIND_GET_AND_LOCK,
                         .key = key,
                         .timeout_ms = o.timeout_ms,
                         .retry = o.retry,
                         .lock_s = lock_s};
}

enum divan_code divan_get_and_lock(divan_collection *c, struct divan_bytes key, uint32_t lock_s,
                                   const struct divan_lock_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = lock_call(c, key, lock_s, o);
    return call_run(&call, out, err);
}

enum divan_code divan_get_and_lock_start(divan_collection *c, struct divan_bytes key, uint32_t lock_s,
                                         const struct divan_lock_options *o, struct divan_done done,
                                         struct divan_error *err)
{
    const struct call call = lock_call(c, key, lock_s, o);
    return call_start(&call, done, err);
}

static struct call unlock_call(divan_collection *c, struct divan_bytes key, uint64_t cas,
                               const struct divan_lock_options *given)
{
    const struct divan_lock_options o = given ? *given : (struct divan_lock_options){.timeout_ms = 0};
    return (struct call){
        .collection = c, .kind = KIND_UNLOCK, .key = key, .timeout_ms = o.timeout_ms, .retry = o.retry, .cas = cas};
}

enum divan_code divan_unlock(divan_collection *c, struct divan_bytes key, uint64_t cas,
                             const struct divan_lock_options *o, divan_result **out, struct divan_error *err)
{
    const struct call call = unlock_call(c, key, cas, o);
    return call_run(&call, out, err);
}

enum divan_code divan_unlock_start(divan_collection *c, struct divan_bytes key, uint64_t cas,
                                   const struct divan_lock_options *o, struct divan_done done, struct divan_error *err)
{
    const struct call call = unlock_call(c, key, cas, o);
    return call_start(&call, done, err);
}
