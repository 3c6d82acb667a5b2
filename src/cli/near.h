/* The nearest known name to a mistyped one. */
#ifndef DIVAN_CLI_NEAR_H
#define DIVAN_CLI_NEAR_H

#include <stddef.h>

/** Edit distance (insert, delete, change, swap of neighbours); names beyond 63 characters count as far away. */
size_t near_distance(const char *a, const char *b);

struct near {
    const char *wanted, *best;
    size_t distance;
};
/** Considers one candidate. */
void near_offer(struct near *n, const char *candidate);
/** The best candidate when it is close enough to be meant, else NULL. */
const char *near_answer(const struct near *n);

#endif
