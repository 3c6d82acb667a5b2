#include "io/sim_conn.h"

void pipe_put(struct sim_pipe *p, struct divan_bytes bytes, uint64_t at_ns)
{
    if (p->from == p->to) p->from = p->to = 0;
    if (p->from && p->to + bytes.len > p->cap) {
        memmove(p->bytes, p->bytes + p->from, p->to - p->from);
        p->to -= p->from;
        p->from = 0;
    }
    while (p->to + bytes.len > p->cap) sim_grow(&p->bytes, &p->cap, p->cap, 1);
    memcpy(p->bytes + p->to, bytes.data, bytes.len);
    p->to += bytes.len;
    if (p->segment_to == p->segment_cap && p->segment_from) {
        memmove(p->segments, p->segments + p->segment_from, (p->segment_to - p->segment_from) * sizeof *p->segments);
        p->segment_to -= p->segment_from;
        p->segment_from = 0;
    }
    sim_grow(&p->segments, &p->segment_cap, p->segment_to, sizeof *p->segments);
    p->segments[p->segment_to++] = (struct sim_segment){bytes.len, at_ns};
}

size_t pipe_arrived(const struct sim_pipe *p, uint64_t now_ns)
{
    size_t n = 0;
    for (size_t i = p->segment_from; i < p->segment_to && p->segments[i].at_ns <= now_ns; i++) n += p->segments[i].n;
    return n;
}

void pipe_take(struct sim_pipe *p, uint8_t *to, size_t n)
{
    memcpy(to, p->bytes + p->from, n);
    p->from += n;
    while (n) {
        struct sim_segment *first = &p->segments[p->segment_from];
        size_t part = n < first->n ? n : first->n;
        first->n -= part;
        n -= part;
        if (!first->n) p->segment_from++;
    }
}

void pipe_drop(struct sim_pipe *p)
{
    p->from = p->to = 0;
    p->segment_from = p->segment_to = 0;
    p->fin = false;
}
