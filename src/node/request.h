/* One request while it is served, and the ways to answer it. */
#ifndef DIVAN_NODE_REQUEST_H
#define DIVAN_NODE_REQUEST_H

#include "node/kv/ops.h"
#include "node/session.h"
#include "wire/kv.h"

struct request {
    struct session *session;
    struct engine *engine;
    struct frame frame;
    struct kv_framing framing;
    uint8_t command; /* the opcode in its loud form */
    bool quiet;
    uint8_t needs;         /* enum command_need: the command's, or what its check made of them */
    struct bucket *bucket; /* what follows is set for commands that need it */
    struct vbucket *vbucket;
    struct kv_op op;
    struct kv_input input; /* sent and body; flags and expiry are the command's */
    uint32_t privileges;   /* of the user where the request goes */
    uint64_t began_ns;     /* with tracing */
};

/** Serves one frame: checks it in the order of the real server, runs its command, appends the answer. */
void request_serve(struct session *, const struct frame *);

/* ---- answering */

/** The answer's head: opcode, opaque, status, duration. The caller adds the rest and appends it. */
struct kv_reply reply_begin(const struct request *, enum status);
static inline struct buf *reply_out(const struct request *rq)
{
    return io_stream_output(rq->session->stream);
}
/** Bits of a datatype that the client understands. */
uint8_t reply_datatype(const struct session *, uint8_t datatype);

/** No body at all. Statuses as they are: what checks find. */
void reply_plain(const struct request *, enum status);
/** With an error body; text NULL = plain. */
void reply_problem(const struct request *, enum status, const char *text);
/** Statuses that old clients do not know become others, or end the connection. */
void reply_status(const struct request *, enum status);
void reply_status_problem(const struct request *, enum status, const char *text);
/** What an operation on a document came to, unless OK. */
void reply_result(const struct request *, enum kv_result);
/** Success of a write, silent when quiet. */
void reply_mutation(const struct request *, const struct kv_done *);
/** A document as GET shows it: without attributes, inflated for who cannot. cas as the client shall see it. */
void reply_document(const struct request *, const struct item *, uint64_t cas, bool with_key);
/** Success with a value and nothing else; json: marked so for who understands. */
void reply_value(const struct request *, struct divan_bytes value, uint8_t datatype);
/** Unknown collection or scope, with the manifest's uid. */
void reply_unknown_collection(const struct request *, enum status);
/** Whether the client may be told of unknown collections and scopes by their own statuses. */
bool reply_knows_collections(const struct session *);
/** NOT_MY_VBUCKET with the configuration. */
void reply_not_my_vbucket(const struct request *);
/** A refusal that is to be found in the log: context and a reference. */
void reply_denied(const struct request *, const char *privilege);
/** A failed authentication: a reference and no reason. */
void reply_auth_error(const struct request *, enum status);
/** The configuration as an answer's value; status SUCCESS or NOT_MY_VBUCKET. */
void reply_config(const struct request *, enum status, struct served *);

#endif
