#include "base/error.h"
#include "client/call.h"
#include "client/specs.h"

/* ---- lookup_in */

static enum divan_code lookup_call(struct call *call, struct call_specs *list, const struct divan_lookup *specs,
                                   size_t count, const struct divan_lookup_options *given, struct divan_error *err)
{
    const struct divan_lookup_options o = given ? *given : (struct divan_lookup_options){.timeout_ms = 0};
    call->kind = KIND_LOOKUP_IN;
    call->timeout_ms = o.timeout_ms;
    call->retry = o.retry;
    call->specs = list;
    enum divan_code rc = specs_from_lookups(list, specs, count, o.access_deleted, err);
    if (rc) err_where(err, "lookup_in", NULL);
    return rc;
}

enum divan_code divan_lookup_in(divan_collection *c, struct divan_bytes key, const struct divan_lookup *specs,
                                size_t count, const struct divan_lookup_options *o, divan_result **out,
                                struct divan_error *err)
{
    struct call_specs list;
    struct call call = {.collection = c, .key = key};
    enum divan_code rc = lookup_call(&call, &list, specs, count, o, err);
    return rc ? rc : call_run(&call, out, err);
}

enum divan_code divan_lookup_in_start(divan_collection *c, struct divan_bytes key, const struct divan_lookup *specs,
                                      size_t count, const struct divan_lookup_options *o, struct divan_done done,
                                      struct divan_error *err)
{
    struct call_specs list;
    struct call call = {.collection = c, .key = key};
    enum divan_code rc = lookup_call(&call, &list, specs, count, o, err);
    return rc ? rc : call_start(&call, done, err);
}

/* ---- mutate_in */

static enum divan_code mutate_call(struct call *call, struct call_specs *list, const struct divan_mutation *specs,
                                   size_t count, const struct divan_mutate_options *given, struct divan_error *err)
{
    const struct divan_mutate_options o = given ? *given : (struct divan_mutate_options){.timeout_ms = 0};
    call->kind = KIND_MUTATE_IN;
    call->timeout_ms = o.timeout_ms;
    call->retry = o.retry;
    call->expiry_s = o.expiry_s;
    call->keep_expiry = o.keep_expiry;
    call->cas = o.cas;
    call->durability = o.durability;
    call->persist_to = o.persist_to;
    call->replicate_to = o.replicate_to;
    call->specs = list;
    enum divan_code rc = specs_from_mutations(list, specs, count, &o, err);
    if (rc) err_where(err, "mutate_in", NULL);
    return rc;
}

enum divan_code divan_mutate_in(divan_collection *c, struct divan_bytes key, const struct divan_mutation *specs,
                                size_t count, const struct divan_mutate_options *o, divan_result **out,
                                struct divan_error *err)
{
    struct call_specs list;
    struct call call = {.collection = c, .key = key};
    enum divan_code rc = mutate_call(&call, &list, specs, count, o, err);
    return rc ? rc : call_run(&call, out, err);
}

enum divan_code divan_mutate_in_start(divan_collection *c, struct divan_bytes key, const struct divan_mutation *specs,
                                      size_t count, const struct divan_mutate_options *o, struct divan_done done,
                                      struct divan_error *err)
{
    struct call_specs list;
    struct call call = {.collection = c, .key = key};
    enum divan_code rc = mutate_call(&call, &list, specs, count, o, err);
    return rc ? rc : call_start(&call, done, err);
}
