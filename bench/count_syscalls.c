#include "count_syscalls.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* The marks are a system call that nobody makes otherwise, told apart by its argument. */
enum { MARK_BEGIN = 0x6d61726b, MARK_END };

void count_begin(void)
{
    syscall(SYS_getpgid, MARK_BEGIN);
}
void count_end(void)
{
    syscall(SYS_getpgid, MARK_END);
}

/* Whether the stopped thread enters a system call, and its mark if it is one. */
static bool entered(pid_t thread, long *mark)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return false;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
    *mark = info.entry.nr == SYS_getpgid ? (long)info.entry.args[0] : 0;
    return true;
}

static int64_t trace(pid_t child)
{
    int64_t count = 0;
    bool counting = false, done = false;
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return -1;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)) return -1;
    ptrace(PTRACE_SYSCALL, child, 0, 0);
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) return errno == ECHILD && done ? count : -1;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == child) return done && WIFEXITED(status) && !WEXITSTATUS(status) ? count : -1;
            continue;
        }
        long mark = 0, signal_to_pass = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            if (entered(thread, &mark)) {
                if (mark == MARK_BEGIN) counting = true;
                else if (mark == MARK_END) counting = false, done = true;
                else if (counting) count++;
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
