/* Figures of the machine the node runs on. */
#ifndef DIVAN_NODE_HTTP_FACTS_H
#define DIVAN_NODE_HTTP_FACTS_H

#include <stdint.h>

struct facts {
    uint64_t memory_total, memory_free; /* bytes; total within the limits of a container */
    uint64_t disk_total, disk_free;
    unsigned cpus;
};

/** path: where documents are kept; NULL = the working directory. What cannot be found out is 0. */
void facts_read(const char *path, struct facts *out);

#endif
