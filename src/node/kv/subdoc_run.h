/* Executing a sub-document plan on a document. */
#ifndef DIVAN_NODE_KV_SUBDOC_RUN_H
#define DIVAN_NODE_KV_SUBDOC_RUN_H

#include "node/kv/ops.h"
#include "wire/pathop.h"

/* What one spec came to. */
struct subdoc_outcome {
    enum status status;
    uint32_t at, len; /* its value in subdoc_run.values */
    bool has_value;
    bool raw; /* the value is bytes, not JSON */
};

struct subdoc_run {
    struct subdoc_outcome outcomes[PATHOPS_MAX];
    struct buf values;
    struct buf section, body, edited; /* the document while it changes; edited is for the next step */
    struct buf work;
    bool sees_system; /* attributes of the system are shown in $XTOC */
};

enum { SUBDOC_WORK_MAX = 64 * 1024 * 1024 };

static inline void subdoc_run_init(struct subdoc_run *r)
{
    *r = (struct subdoc_run){0};
    r->values.limit = r->section.limit = r->body.limit = r->edited.limit = r->work.limit = SUBDOC_WORK_MAX;
}
static inline void subdoc_run_fini(struct subdoc_run *r)
{
    buf_fini(&r->values);
    buf_fini(&r->section);
    buf_fini(&r->body);
    buf_fini(&r->edited);
    buf_fini(&r->work);
}

/* How a whole plan ended. */
struct subdoc_end {
    enum kv_result result; /* not KV_OK: nothing was done */
    enum status status;    /* SUCCESS, SUBDOC_SUCCESS_DELETED, or why it failed */
    uint8_t failed;        /* index of the spec that failed (mutations) */
    bool spec_failed;      /* status is that of a spec, not of the whole */
    struct kv_done done;   /* of a mutation; of a lookup: item and its CAS */
};

/** Looks everything up; each outcome has its own status. */
void subdoc_run_lookup(struct subdoc_run *, const struct kv_op *, const struct pathop_request *, struct subdoc_end *);
/** Does everything or nothing. */
void subdoc_run_mutation(struct subdoc_run *, const struct kv_op *, const struct pathop_request *, struct subdoc_end *);

#endif
