#include "cli/near.h"

#include <stdbool.h>
#include <string.h>

enum { NAME_MAX_LEN = 63 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t near_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > NAME_MAX_LEN || lb > NAME_MAX_LEN) return la + lb;
    size_t rows[3][NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= lb; j++) rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

void near_offer(struct near *n, const char *candidate)
{
    size_t typed = strlen(n->wanted);
    bool abbreviated = typed >= 3 && strncmp(n->wanted, candidate, typed) == 0;
    size_t distance = abbreviated ? 1 : near_distance(n->wanted, candidate);
    if (n->best && distance >= n->distance) return;
    n->best = candidate;
    n->distance = distance;
}

const char *near_answer(const struct near *n)
{
    return n->best && n->distance <= 1 + strlen(n->wanted) / 4 ? n->best : NULL;
}
