#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/clock.h"
#include "cli/command.h"
#include "cli/local/state.h"

enum { AFTER_KILL_MS = 2000, LOOK_MS = 5 };

struct down_args {
    const char *dir;
    bool all;
    struct opt_number grace_ms;
};

#define DOWN(...) OPT(struct down_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    DOWN(dir, "dir", 0, OPT_TEXT, "FOLDER", "state folder of the cluster to stop (default as of divan up)",
         .env = "DIVAN_DIR"),
    DOWN(all, "all", 'a', OPT_FLAG, NULL, "stop every local cluster of this user"),
    DOWN(grace_ms, "grace", 0, OPT_MS, "MS", "kill what has not ended after so long", .preset = "5s", .max = 600000),
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, {0}};

/* Whether the folder has no owner within the time, or another one than pid. */
static bool ended(const char *dir, int64_t pid, uint64_t within_ms)
{
    uint64_t deadline_ns = clock_ns() + within_ms * 1000000;
    while (state_owner(dir) == pid) {
        if (clock_ns() >= deadline_ns) return false;
        clock_sleep_ms(LOOK_MS);
    }
    return true;
}

static enum divan_code stop(const char *dir, uint64_t grace_ms, bool *was_running, struct divan_error *err)
{
    int64_t pid = state_owner(dir);
    bool killed = false;
    *was_running = pid > 0;
    if (pid <= 0) return state_retract(dir), DIVAN_OK;
    if (kill((pid_t)pid, SIGTERM) && errno != ESRCH)
        return err_sys(err, DIVAN_ERR_SYSTEM, errno, "cannot stop process %" PRId64 " of the cluster on %s", pid, dir);
    if (!ended(dir, pid, grace_ms)) {
        kill((pid_t)pid, SIGKILL); /* and with it, by their own wish, the nodes */
        killed = true;
        if (!ended(dir, pid, AFTER_KILL_MS))
            return err_set(err, DIVAN_ERR_SYSTEM,
                           "process %" PRId64 " of the cluster on %s does not end, not even killed", pid, dir);
        state_retract(dir);
    }
    printf("stopped the cluster on %s%s\n", dir, killed ? " (killed: it did not end in time)" : "");
    return DIVAN_OK;
}

struct stop_all {
    uint64_t grace_ms;
    enum divan_code rc;
    struct divan_error *err;
};

static void stop_each(void *user, const char *dir)
{
    struct stop_all *all = user;
    bool was_running;
    enum divan_code rc = stop(dir, all->grace_ms, &was_running, all->err);
    if (rc) all->rc = rc;
}

static int run(const void *args_, const struct operands *operands)
{
    const struct down_args *args = args_;
    struct divan_error err;
    bool was_running = true;
    struct stop_all all = {.grace_ms = args->grace_ms.value, .err = &err};
    if (args->all) state_each(stop_each, &all);
    char *dir = state_path(args->dir, &err);
    enum divan_code rc = dir ? all.rc : err.code;
    if (!rc) rc = stop(dir, args->grace_ms.value, &was_running, &err);
    if (!rc && !was_running && !args->all) printf("no cluster is running on %s\n", dir);
    mem_free(dir);
    return rc ? command_fail("down", &err) : EXIT_DONE;
}

const struct command command_down = {
    .name = "down",
    .summary = "stop a local cluster",
    .text = "Asks the cluster to end and kills it when it does not. It is no error when none is running.",
    .groups = groups,
    .args_size = sizeof(struct down_args),
    .run = run,
};
