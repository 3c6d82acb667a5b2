/* GET_COLLECTIONS_MANIFEST, GET_COLLECTION_ID, GET_SCOPE_ID. */
#include "node/command.h"

#include "wire/session.h"

void run_collections_manifest(struct request *rq)
{
    reply_value(rq, buf_view(&rq->bucket->store.manifest.json), DATATYPE_JSON);
}

/* Names as the real server takes them in a path: 1 to 251 of letters, digits, _ - %. */
static bool name_is_valid(struct divan_bytes name)
{
    const char *at = name.data;
    if (!name.len || name.len > 251) return false;
    for (size_t i = 0; i < name.len; i++) {
        bool good = (at[i] >= 'a' && at[i] <= 'z') || (at[i] >= 'A' && at[i] <= 'Z') ||
                    (at[i] >= '0' && at[i] <= '9') || at[i] == '_' || at[i] == '-' || at[i] == '%';
        if (!good) return false;
    }
    return true;
}

/* Who has no right at all in a collection is told that there is none. */
static bool sees(const struct request *rq, const struct collection *c)
{
    const struct session *s = rq->session;
    return s->privileges || account_collection_privileges(s->account, rq->bucket->name, c);
}

static bool read_path(struct request *rq, struct collection_path *path)
{
    if (rq->frame.key.len && rq->frame.value.len) {
        reply_problem(rq, ST_EINVAL, "Cannot set both key and value");
        return false;
    }
    if (session_read_collection_path(&rq->frame, path, NULL) || !name_is_valid(path->scope) ||
        !name_is_valid(path->collection)) {
        reply_plain(rq, ST_EINVAL);
        return false;
    }
    return true;
}

static void answer(const struct request *rq, uint32_t id)
{
    struct kv_reply r = reply_begin(rq, ST_SUCCESS);
    session_put_reply_collection_id(reply_out(rq), &r, &(struct collection_id){rq->bucket->store.manifest.uid, id});
}

void run_collection_id(struct request *rq)
{
    struct collection_path path = {0};
    if (!read_path(rq, &path)) return;
    const struct manifest *m = &rq->bucket->store.manifest;
    const struct scope *scope = manifest_find_scope(m, path.scope);
    if (!scope) { /* measured: without a body, unlike an unknown collection */
        reply_plain(rq, reply_knows_collections(rq->session) ? ST_UNKNOWN_SCOPE : ST_EINVAL);
        return;
    }
    const struct collection *c = manifest_find_collection(m, scope, path.collection);
    if (c && sees(rq, c)) answer(rq, c->id);
    else reply_unknown_collection(rq, ST_UNKNOWN_COLLECTION);
}

void run_scope_id(struct request *rq)
{
    struct collection_path path = {0};
    if (!read_path(rq, &path)) return;
    const struct scope *scope = manifest_find_scope(&rq->bucket->store.manifest, path.scope);
    if (scope) answer(rq, scope->id);
    else reply_unknown_collection(rq, ST_UNKNOWN_SCOPE);
}
