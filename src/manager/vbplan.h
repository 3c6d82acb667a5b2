/* Where the copies of vBuckets should live: pure arithmetic over positions in a server list. Maps are arrays of vbuckets *
 * row positions, the active copy first, -1 = nobody, as in struct doc_vbmap. */
#ifndef DIVAN_MANAGER_VBPLAN_H
#define DIVAN_MANAGER_VBPLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VBPLAN_NODES_MAX = 128, VBPLAN_ROW_MAX = 4 };

struct vbplan {
    uint16_t vbuckets;
    uint8_t row;         /* copies: 1 .. VBPLAN_ROW_MAX */
    size_t servers;      /* 1 .. VBPLAN_NODES_MAX */
    const bool *keep;    /* [servers] who may hold copies from now on; at least one */
    const int *group;    /* [servers] server groups: copies avoid the group of their active; NULL = all are one */
    const int16_t *from; /* the map as it is; NULL = there is none */
};

/** Writes the map to go to. Actives per kept node differ by at most one, and so do copies per position and per pair (active,
 * copy) as far as groups and longer chains allow; as little as possible moves away from `from`: what may stay stays, a copy
 * becomes active before somebody who has nothing. As many nodes leave as come = they are renamed, and nothing else moves.
 * false: out of memory, or nonsense in the plan. */
bool vbplan_target(const struct vbplan *, int16_t *out);

/** Whether a map is what vbplan_target() would leave alone: nobody but kept nodes in it, chains as long as they can be,
 * actives and first copies within one of each other. */
bool vbplan_balanced(const struct vbplan *);

/** One row: servers marked in `gone` leave it, the others move up, -1 fills the end. Returns whether the first place
 * changed hands. */
bool vbplan_drop(int16_t *row, uint8_t length, const bool *gone);

/** A graceful failover's map: a vBucket whose active is in `gone` starts with its first copy that is not, and the others
 * follow in their order. false for a vBucket without such a copy: it would be lost. */
bool vbplan_graceful(const int16_t *from, uint16_t vbuckets, uint8_t row, const bool *gone, int16_t *out);

#endif
