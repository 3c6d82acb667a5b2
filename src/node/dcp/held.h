/* Answers to durable writes: made when the write was prepared, held back until a majority of the copies has it. */
#ifndef DIVAN_NODE_DCP_HELD_H
#define DIVAN_NODE_DCP_HELD_H

#include "node/request.h"

enum { DURABLE_DEFAULT_MS = 30000 };

/** What the command of rq wrote became a prepare: takes what it appended to the output behind `from`, to be sent when the
 * prepare is committed. A connection that wants its answers in order serves nothing else until then. When time runs out
 * the prepare is aborted and the answer is that nobody knows. */
void held_take(struct request *rq, size_t from);
/** The durable write came to its end; of the store, see store.settled. */
void held_settled(void *engine, struct vbucket *, uint64_t prepared_seqno, enum durable_end);
/** Sends what was let go since; at the end of a batch. */
void held_flush(struct engine *);
/** The session ends: nobody is answered, the writes go on. */
void held_leave(struct session *);

void held_init(struct engine *);
void held_fini(struct engine *);

#endif
