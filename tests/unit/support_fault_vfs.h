/* A file system for SQLite that goes wrong when it is told to, and shows every moment a crash could leave behind. It lies
 * over that of the system. One thread. */
#ifndef TESTS_UNIT_SUPPORT_FAULT_VFS_H
#define TESTS_UNIT_SUPPORT_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_IO,    /* EIO: nothing is written */
    FAULT_FULL,  /* ENOSPC: nothing is written */
    FAULT_SHORT, /* ENOSPC after one half */
};

struct fault_vfs {
    const char *name;     /* "fault": for sqlite3_open_v2() */
    uint64_t changes;     /* writes, truncations, syncs and removals so far */
    uint64_t syncs;       /* of them */
    enum fault_kind kind; /* what happens at the change number `at` and the ones behind it, `times` in all */
    uint64_t at, times;
    uint64_t faults; /* happened so far */
    bool no_sync;    /* says it synced, and did not: for a test of the tests */
    /* After each change that was made; path is borrowed. synced: the file is on the disk as it is now. */
    void (*changed)(void *user, const char *path, bool synced);
    void *user;
};

/** Registers it; there is one in a process. */
struct fault_vfs *fault_vfs(void);
/** As new. */
void fault_vfs_reset(void);

#endif
