/* What replication does to a vBucket that is not active: changes as another node made them, in its seqnos. */
#ifndef DIVAN_NODE_KV_REPLICA_H
#define DIVAN_NODE_KV_REPLICA_H

#include "node/kv/store.h"

enum applied {
    APPLIED,
    APPLY_NO_MEMORY,
    APPLY_OUT_OF_PLACE, /* a seqno that was passed already, or the end of a prepare that is not here */
};

/** change->seqno and ->cas are set; ->prepared is the level for a prepare, else 0. */
enum applied replica_document(struct vbucket *, const struct kv_key *, const struct item_change *,
                              const struct kv_clock *);
enum applied replica_prepare(struct vbucket *, const struct kv_key *, const struct item_change *,
                             const struct kv_clock *);
enum applied replica_commit(struct vbucket *, const struct kv_key *, uint64_t prepared, uint64_t seqno,
                            const struct kv_clock *);
enum applied replica_abort(struct vbucket *, const struct kv_key *, uint64_t prepared, uint64_t seqno,
                           const struct kv_clock *);
/** An event of collections: its kind and version, name and value as on the wire. Also how an active vBucket records
 * one (seqno 0 = the next). */
enum applied vbucket_add_event(struct vbucket *, uint64_t seqno, uint32_t event, uint8_t version,
                               struct divan_bytes name, struct divan_bytes value);
enum applied replica_advance(struct vbucket *, uint64_t seqno);

void replica_snapshot_begins(struct vbucket *, uint64_t start, uint64_t end);
/** Everything up to its end came. high_completed: prepares up to it have ended, whether that was said or not; 0 = unknown. */
void replica_snapshot_ends(struct vbucket *, uint64_t high_completed);

/** Goes back to a state before `to` or at it and returns which: the stream goes on from there. Memory holds the last
 * state of a document only, so what was overwritten since must be had again from where it was before. */
uint64_t replica_rollback(struct vbucket *, uint64_t to);
/** Takes the history of the active; newest first. false: out of memory. */
bool replica_adopt_log(struct vbucket *, const struct failover_entry *, size_t count);

#endif
