/* Inside the store: what its files share. */
#ifndef DIVAN_NODE_KV_STORE_PARTS_H
#define DIVAN_NODE_KV_STORE_PARTS_H

#include "node/kv/store.h"

/** A new item with its key, in nothing. NULL = out of memory. */
struct item *item_new(const struct kv_key *, uint32_t hash, size_t value_len);
/** Copies the content in; the item has room for it. */
void item_set_content(struct item *, const struct item_change *);
size_t item_bytes(const struct item *); /**< in the accounts */
/** CAS and seqno of a change (their zeros mean the next); counts neither. */
void vbucket_stamp(struct vbucket *, struct item *, const struct item_change *, const struct kv_clock *);
/** How far rolling back must go to have again what a change of `old` (NULL = nothing) takes away: not the seqno of old
 * itself, which may be newer than where one goes back to, but that of what was there at the vBucket's anchor. Whatever was
 * the state of the document at any seqno from the anchor on, its seqno is not below that. 0 = nothing was there. */
uint64_t vbucket_back(const struct vbucket *, const struct item *old);
/** So many seqnos lie between; UINT32_MAX = more than that. */
uint32_t seqno_distance(uint64_t from, uint64_t to);
/** Puts a new item in the place of old (may be NULL), in table, accounts and order; old is gone. There must be a slot. */
void vbucket_place(struct vbucket *, struct item *old, struct item *);
/** Removes the events that a new one makes superfluous: of the same scope or collection, and the oldest of many ends. */
void vbucket_trim_events(struct vbucket *, const struct item *newest);
bool vbucket_make_slot(struct vbucket *); /**< false: out of memory */

#endif
