/* SET, ADD, DEL_WITH_META and their quiet forms. */
#include "node/command.h"

/* Extras: flags, expiry, revision, CAS; then options (4 bytes) and the length of extended metadata (2), each optional. */
static void read_meta(const struct request *rq, struct meta_write *m, uint16_t *extended)
{
    struct rd r = rd_from(rq->frame.extras);
    m->flags = rd_u32be(&r);
    m->expiry_s = rd_u32be(&r);
    m->revision = rd_u64be(&r);
    m->cas = rd_u64be(&r);
    if (r.left >= 4) m->options = rd_u32be(&r);
    *extended = r.left == 2 ? rd_u16be(&r) : 0;
    m->add = rq->command == OP_ADD_WITH_META;
    m->del = rq->command == OP_DEL_WITH_META;
}

static bool options_fit(const struct meta_write *m, bool lww)
{
    bool accept_lost = m->options & META_ACCEPT_LOST;
    if (accept_lost != lww && !(lww && (m->options & META_FORCE))) return false;
    return !(m->options & META_NEW_CAS) || (m->options & META_NO_CONFLICT_CHECK);
}

void run_write_with_meta(struct request *rq)
{
    struct meta_write m = {0};
    uint16_t extended = 0;
    bool lww = rq->bucket->spec.conflict == CONFLICT_LWW;
    read_meta(rq, &m, &extended);
    if (extended > rq->input.body.len) {
        reply_problem(rq, ST_EINVAL, "Request extras invalid");
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
    rq->input.body.len -= extended; /* known to nobody: checked for length and dropped */
    struct kv_done done = {0};
    enum kv_result rc = kv_write_meta(&rq->op, &m, &rq->input, rq->frame.datatype, lww, &done);
    rq->bucket->store.counters.sets++;
    if (!rc && (m.options & META_NEW_CAS) && !m.del) done.cas = m.cas; /* measured: the answer shows the one sent */
    if (rc) reply_result(rq, rc);
    else reply_mutation(rq, &done);
}
