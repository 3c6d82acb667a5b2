/* A cluster configuration as it is handed to clients. */
#ifndef DIVAN_NODE_SERVED_H
#define DIVAN_NODE_SERVED_H

#include "topology/map.h"

struct served {
    struct map_revision revision; /* {0, 0}: none yet */
    struct buf json, packed;      /* packed: snappy, made when first asked for */
};

static inline bool served_any(const struct served *s)
{
    return s->json.len != 0;
}
/** Takes the newer one; *changed tells. false: out of memory, the old one stays. */
bool served_set(struct served *, struct map_revision, struct divan_bytes json, bool *changed);
/** The text, or its snappy form when `pack` is set and memory allows; *packed tells which. */
struct divan_bytes served_text(struct served *, bool pack, bool *packed);
void served_fini(struct served *);

#endif
