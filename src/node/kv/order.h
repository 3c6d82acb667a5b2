/* Reading a vBucket in the order of its seqnos while it changes: a cursor opens a snapshot, and what the snapshot shows
 * stays readable until the cursor has passed it, even when it is overwritten meanwhile (as a ghost, which costs its memory
 * until then). Nothing else is copied. */
#ifndef DIVAN_NODE_KV_ORDER_H
#define DIVAN_NODE_KV_ORDER_H

#include "node/kv/item.h"

struct vbucket;

struct order_cursor {
    struct link link; /* in the vBucket */
    struct vbucket *vbucket;
    struct link *at; /* what is read next; the head of the order = nothing */
    uint64_t passed; /* everything up to this seqno was read or is not wanted */
    uint64_t until;  /* the end of the open snapshot; 0 = none */
    bool stays;      /* a change of the vBucket's mode does not break it */
    bool broken;
    bool slow; /* broken because what it keeps grew too much */
    /** Something was appended, or (broken) the vBucket changed its mode or lost its content: read no further. Not to free
     * anything from inside. */
    void (*changed)(struct order_cursor *);
};

/** Places the cursor behind seqno `from`. */
void cursor_open(struct order_cursor *, struct vbucket *, uint64_t from, void (*changed)(struct order_cursor *));
void cursor_close(struct order_cursor *); /**< fine when not open */
/** Begins a snapshot up to what the vBucket has now. The one before must be read to its end. */
void cursor_begin(struct order_cursor *);
/** What comes next in the snapshot; NULL = it is over (or none is open). Borrowed until the loop runs or the cursor moves. */
struct item *cursor_peek(const struct order_cursor *);
/** Goes behind what cursor_peek() showed. */
void cursor_pass(struct order_cursor *);
/** The snapshot is over: everything up to its end was read. */
void cursor_end(struct order_cursor *);

/* ---- of the store */

void order_append(struct vbucket *, struct item *);
/** Takes it out; cursors go on behind it. */
void order_remove(struct vbucket *, struct item *);
/** Whether a snapshot that is being read has yet to come to it. */
bool order_shows(const struct vbucket *, const struct item *);
/** Leaves it in the order for those snapshots. It must be out of the table and not counted. When ghosts take more than their
 * share of the quota, the cursors of the vBucket are broken: who is that slow begins anew. */
void order_keep_ghost(struct vbucket *, struct item *);
/** Puts `copy` in its place, as a ghost, and takes it out. */
void order_replace_by_ghost(struct vbucket *, struct item *, struct item *copy);
/** Tells the cursors; those that stay only when all. */
void order_break(struct vbucket *, bool all);

#endif
