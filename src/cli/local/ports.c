#include "cli/local/ports.h"

#include <stdio.h>

#include "base/error.h"
#include "text/connstr.h"

/* As the option --port-base promises them; a node need not offer all, but they are its own. */
static const uint16_t offsets[] = {0, 2, 3, 7, 10, 50, 52, 53};
enum { OFFSETS = sizeof offsets / sizeof offsets[0], KV_OFFSET = 10 };

struct place place_of(unsigned i, uint16_t base)
{
    struct place p = {.base = base ? (uint16_t)(base + PORTS_STEP * i) : 0};
    snprintf(p.host, sizeof p.host, "127.0.0.%u", base ? 1 : (1 + i) & 0xff);
    p.mgmt = base ? p.base : MGMT_PORT;
    p.kv = base ? (uint16_t)(p.base + KV_OFFSET) : KV_PORT;
    return p;
}

static bool port_free(struct io_loop *loop, const char *host, uint16_t port)
{
    struct io_addr addr;
    struct io_listener *listener = NULL;
    if (io_addr_parse(&addr, host, port)) listener = io_listen(loop, &addr, NULL, NULL, NULL);
    io_listener_close(listener);
    return listener != NULL;
}

enum divan_code ports_check(struct io_loop *loop, unsigned nodes, uint16_t base, struct divan_error *err)
{
    for (unsigned i = 0; i < nodes; i++) {
        struct place p = place_of(i, base);
        uint16_t taken = !port_free(loop, p.host, p.mgmt) ? p.mgmt : !port_free(loop, p.host, p.kv) ? p.kv : 0;
        if (taken)
            return err_set(
                err, DIVAN_ERR_PORT_IN_USE,
                "port %u on %s is in use: stop what listens there (divan down --all stops local clusters), or "
                "take other ports with --port-base %s",
                taken, p.host, base ? "N or --port-base auto" : "auto");
    }
    return DIVAN_OK;
}

static bool all_free(struct io_loop *loop, unsigned nodes, uint16_t base)
{
    for (unsigned i = 0; i < nodes; i++)
        for (size_t k = 0; k < OFFSETS; k++)
            if (!port_free(loop, "127.0.0.1", (uint16_t)(base + PORTS_STEP * i + offsets[k]))) return false;
    return true;
}

enum divan_code ports_find(struct io_loop *loop, unsigned nodes, uint16_t *base, struct divan_error *err)
{
    enum { LOWEST = 10000, ABOVE = 32000, TRIES = 100 };
    unsigned steps = (ABOVE - LOWEST) / PORTS_STEP - nodes;
    for (int i = 0; i < TRIES; i++) {
        uint16_t candidate = (uint16_t)(LOWEST + PORTS_STEP * rng_below(io_rng(loop), steps));
        if (!all_free(loop, nodes, candidate)) continue;
        *base = candidate;
        return DIVAN_OK;
    }
    return err_set(err, DIVAN_ERR_PORT_IN_USE,
                   "no range of free ports was found on 127.0.0.1: choose one with --port-base N");
}
