/* The whole client and a node's key-value engine in one simulated world: the public, blocking calls in virtual time. */
#ifndef TESTS_SIM_SUPPORT_WORLD_H
#define TESTS_SIM_SUPPORT_WORLD_H

#include <divan/divan.h>

#include "io/sim.h"
#include "node/engine.h"

#define WORLD_NODE "10.0.0.1"
#define WORLD_APP  "10.0.0.9"

struct world {
    struct sim *sim;
    struct engine *engine;
    divan_cluster *cluster;
    divan_collection *things; /* s.c of bucket "default" */
};

/** vBuckets: 64; links: fast ones. */
void world_open(struct world *w, uint64_t seed);
void world_close(struct world *w);
static inline void world_pass(struct world *w, uint64_t seconds)
{
    sim_run_for(w->sim, seconds * NS_PER_S);
}
/** Seconds since 1970 as the node has them. */
uint64_t world_wall_s(struct world *w);

#endif
