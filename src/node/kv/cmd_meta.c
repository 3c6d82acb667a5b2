/* SET, ADD, DEL_WITH_META and their quiet forms. */
#include "node/command.h"

static bool options_fit(const struct with_meta *m, bool lww)
{
    bool accept_lost = m->options & WITH_META_FORCE_ACCEPT;
    if (accept_lost != lww && !(lww && (m->options & WITH_META_FORCE))) return false;
    return !(m->options & WITH_META_REGENERATE_CAS) || (m->options & WITH_META_SKIP_RESOLUTION);
}

void run_write_with_meta(struct request *rq)
{
    struct with_meta m;
    struct divan_error err;
    struct frame plain = rq->frame; /* lengths are those of the inflated value */
    bool lww = rq->bucket->spec.conflict == CONFLICT_LWW;
    plain.value = rq->input.body;
    if (with_meta_read(&plain, &m, &err)) {
        reply_problem(rq, ST_EINVAL, err.message);
        return;
    }
    if (!options_fit(&m, lww)) {
        reply_plain(rq, ST_EINVAL);
        return;
    }
    if (!m.cas || m.cas == UINT64_MAX) {
        reply_result(rq, KV_EXISTS);
        return;
    }
    bool del = rq->command == OP_DEL_WITH_META;
    const struct meta_write write = {.meta = &m, .add = rq->command == OP_ADD_WITH_META, .del = del, .lww = lww};
    struct kv_done done = {0};
    enum kv_result rc = kv_write_meta(&rq->op, &write, &done);
    rq->bucket->store.counters.sets++;
    if (!rc && (m.options & WITH_META_REGENERATE_CAS) && !del)
        done.cas = m.cas; /* measured: the answer shows the one sent */
    if (rc) reply_result(rq, rc);
    else reply_mutation(rq, &done);
}
