/* GET_CLUSTER_CONFIG and GET_ERROR_MAP. */
#include "node/command.h"

#include "wire/errmap.h"
#include "wire/session.h"

static bool may_see_global(const struct session *s)
{
    if (s->account->admin) return true;
    for (size_t i = 0; i < s->account->grant_count; i++) {
        if (s->account->grants[i].privileges) return true; /* every real role may */
    }
    return false;
}

void run_cluster_config(struct request *rq)
{
    struct session *s = rq->session;
    bool has_known = false;
    struct config_version known = {0};
    if (session_read_get_config(&rq->frame, &has_known, &known, NULL) || (has_known && !known.epoch)) {
        reply_problem(rq, ST_EINVAL, "Revision number must not be less than 1");
        return;
    }
    if (!s->bucket && !may_see_global(s)) {
        reply_denied(rq, "SystemSettings");
        return;
    }
    struct served *config = s->bucket ? &s->bucket->config : &rq->engine->global;
    if (!served_any(config)) {
        reply_plain(rq, ST_KEY_ENOENT);
        return;
    }
    struct map_revision theirs = {known.epoch, known.rev};
    if (has_known && revision_compare(theirs, s->known) > 0) s->known = theirs;
    if (has_known && revision_compare(config->revision, theirs) <= 0) reply_plain(rq, ST_SUCCESS);
    else reply_config(rq, ST_SUCCESS, config);
}

void run_error_map(struct request *rq)
{
    if (rq->frame.vbucket) {
        reply_problem(rq, ST_EINVAL, "Request vbucket id must be 0");
        return;
    }
    if (rq->frame.value.len != 2) {
        reply_problem(rq, ST_EINVAL, "Request value must be of length 2");
        return;
    }
    unsigned version = session_read_error_map_version(&rq->frame);
    if (!version) {
        reply_plain(rq, ST_KEY_ENOENT);
        return;
    }
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    errmap_write(out, version);
    reply_value(rq, buf_view(out), DATATYPE_JSON);
}
