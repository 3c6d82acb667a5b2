#include "client/parking.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND UINT64_C(1000000000)

static bool is_called(const struct parking *p)
{
    return atomic_load_explicit(&p->called, memory_order_acquire) != 0;
}

bool parking_wait(struct parking *p, uint64_t until_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SECOND),
                                   .tv_nsec = (long)(until_ns % NS_PER_SECOND)};
    while (!is_called(p)) { /* FUTEX_WAIT_BITSET takes an absolute time */
        long rc = syscall(SYS_futex, &p->called, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0,
                          until_ns == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
        if (rc && errno == ETIMEDOUT) return is_called(p);
    }
    return true;
}

void parking_wake(const struct parking *p)
{
    syscall(SYS_futex, &p->called, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}
