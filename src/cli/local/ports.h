/* Where the nodes of a local cluster live. */
#ifndef DIVAN_CLI_LOCAL_PORTS_H
#define DIVAN_CLI_LOCAL_PORTS_H

#include "io/io.h"

enum { PORTS_OWN_ADDRESSES = 0, PORTS_STEP = 100, PORTS_NODES_MAX = 32 };

struct place {
    char host[20];
    uint16_t base; /* 0 = the standard ports */
    uint16_t mgmt, kv;
};

/** Of node i (from 0): base 0 gives 127.0.0.(1+i) with the standard ports, else 127.0.0.1 with base + 100 * i. */
struct place place_of(unsigned i, uint16_t base);

/** Whether the ports of all nodes can be had. Errors: PORT_IN_USE names the first that cannot, and what to do. */
enum divan_code ports_check(struct io_loop *, unsigned nodes, uint16_t base, struct divan_error *err);
/** A base all of whose ports are free now, below the range the system hands out. Errors: PORT_IN_USE. */
enum divan_code ports_find(struct io_loop *, unsigned nodes, uint16_t *base, struct divan_error *err);

#endif
