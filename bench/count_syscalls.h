/* Counts the system calls of a piece of work exactly, all threads, by tracing a child process. */
#ifndef BENCH_COUNT_SYSCALLS_H
#define BENCH_COUNT_SYSCALLS_H

#include <stdbool.h>
#include <stdint.h>

/** Runs work(user) in a child process. The work calls count_mark() before its first and after each block of what counts and
 * returns whether it succeeded. Returns the number of system calls of the median block (a background thread that wakes
 * now and then is in few of them); -1 when tracing is not allowed here or the work failed. Call it while this process has
 * one thread. */
int64_t count_syscalls(bool (*work)(void *user), void *user);
void count_mark(void);

#endif
