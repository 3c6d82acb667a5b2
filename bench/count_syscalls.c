#include "count_syscalls.h"

#include "stats.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* A mark is a system call that nobody makes otherwise, with an argument that makes no sense. */
enum { MARK = 0x6d61726b, BLOCKS_MAX = 1000 };

void count_mark(void)
{
    syscall(SYS_getpgid, MARK);
}

/* Whether the stopped thread enters a system call, and whether that is a mark. */
static bool entered(pid_t thread, bool *mark)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return false;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
    *mark = info.entry.nr == SYS_getpgid && info.entry.args[0] == MARK;
    return true;
}

static int64_t trace(pid_t child)
{
    static uint32_t blocks[BLOCKS_MAX];
    size_t done = 0;
    uint32_t count = 0;
    bool counting = false;
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return -1;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)) return -1;
    ptrace(PTRACE_SYSCALL, child, 0, 0);
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) return -1;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread != child) continue;
            if (!done || !WIFEXITED(status) || WEXITSTATUS(status)) return -1;
            sort_u32(blocks, done);
            return share_of_u32(blocks, done, 0.5);
        }
        long signal_to_pass = 0;
        bool mark = false;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            if (entered(thread, &mark)) {
                if (mark && counting && done < BLOCKS_MAX) blocks[done++] = count;
                if (mark) counting = true, count = 0;
                else count++;
            }
        } else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) signal_to_pass = WSTOPSIG(status);
        ptrace(PTRACE_SYSCALL, thread, 0, signal_to_pass);
    }
}

int64_t count_syscalls(bool (*work)(void *user), void *user)
{
    pid_t child = fork();
    if (child < 0) return -1;
    if (!child) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(2);
        raise(SIGSTOP);
        _exit(work(user) ? 0 : 1);
    }
    int64_t count = trace(child);
    kill(child, SIGKILL);
    while (waitpid(child, NULL, __WALL) == child) {}
    return count;
}
