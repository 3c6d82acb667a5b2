/* Durable writes in a vBucket: a prepare that waits until a majority of the copies has it, then the commit or the abort.
 * Pure, like the store. */
#ifndef DIVAN_NODE_KV_DURABLE_H
#define DIVAN_NODE_KV_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vbucket;
struct item;
struct item_change;
struct kv_key;
struct kv_clock;

enum { CHAIN_MAX = 4 /* one active, three replicas */ };
enum durable_end {
    DURABLE_COMMITTED,
    DURABLE_GIVEN_UP, /* aborted: what the copies have is not known */
    DURABLE_LOST,     /* this node may not decide any more: another one will */
};

/* The copies of a vBucket and what they acknowledged. */
struct chain {
    uint8_t length;            /* 0 = there is none */
    uint16_t nodes[CHAIN_MAX]; /* numbers of names; 0 = an empty place; the active first */
    uint64_t acked[CHAIN_MAX]; /* the prepare up to which the copy has everything */
};
struct durability {
    struct chain now, next; /* next: as it will be after a move, length 0 = there is none */
    uint16_t self;          /* which of them this node is; 0 = none */
    struct chain
        others; /* what copies have that are in neither: one that is being built says so before it is taken in */
};

/** Gives the vBucket its chain, in which this node is `self`; what members that stay had acknowledged is kept.
 * now->length 0 = nobody else. false: out of memory, nothing changed. */
bool vbucket_set_chain(struct vbucket *, const struct chain *now, const struct chain *next, uint16_t self);
/** Whether enough places of the chain have a node. */
bool vbucket_majority_exists(const struct vbucket *);
/** Whether a durable write of this level has to wait, for another copy or for the disk. */
bool vbucket_must_wait(const struct vbucket *, uint8_t level);

/** Adds a prepare for key; old is the present document or NULL and stays. On a replica change->seqno is set. NULL = out of
 * memory. */
struct item *vbucket_prepare(struct vbucket *, struct item *old, const struct kv_key *, uint32_t hash,
                             const struct item_change *, const struct kv_clock *);
/** The waiting prepare of a key; NULL = none. */
struct item *vbucket_find_prepare(const struct vbucket *, const struct kv_key *, uint32_t hash);
/** The same by seqno. */
struct item *vbucket_prepare_at(const struct vbucket *, uint64_t seqno);
/** Makes it the document; seqno 0 = the next. The prepare is gone. false: out of memory, it waits on. */
bool vbucket_commit(struct vbucket *, struct item *prepare, uint64_t seqno, const struct kv_clock *);
/** Gives it up; seqno likewise. */
void vbucket_abort(struct vbucket *, struct item *prepare, uint64_t seqno, const struct kv_clock *);
/** Up to where a replica may say that it has all prepares: those that must be on a majority of disks are on its own. */
uint64_t vbucket_acknowledgeable(const struct vbucket *);
/** Removes a prepare without a trace: it is known to have ended. */
void vbucket_drop_prepare(struct vbucket *, struct item *prepare);

/** A copy has everything up to the prepare `seqno`. What has its majority now is committed. */
void vbucket_acknowledge(struct vbucket *, uint16_t node, uint64_t seqno, const struct kv_clock *);
/** A copy begins anew at seqno: what it acknowledged above does not count any more. */
void vbucket_unacknowledge(struct vbucket *, uint16_t node, uint64_t seqno);
/** Commits, in order, what has its majority. Only when active. */
void vbucket_settle(struct vbucket *, const struct kv_clock *);
/** The vBucket leaves the active mode: who waits is told that it is not known. The prepares stay. */
void vbucket_disown(struct vbucket *);
/** Removes aborts and prepares of the order without a trace: reset. */
void vbucket_forget_apart(struct vbucket *, struct item *);

#endif
