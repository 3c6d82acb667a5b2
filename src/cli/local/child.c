#include "cli/local/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "cli/clock.h"

extern char **environ;

/* ---- the program */

static char *beside(const char *name)
{
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    while (len > 0 && self[len - 1] != '/') len--;
    struct buf path = {.limit = 1 << 16};
    if (len > 0) buf_printf(&path, "%.*s%s", (int)len, self, name);
    char *text = path.len ? buf_take_text(&path) : NULL;
    buf_fini(&path);
    return text;
}

static char *on_path(const char *name)
{
    const char *at = getenv("PATH");
    while (at && *at) {
        size_t len = strcspn(at, ":");
        struct buf path = {.limit = 1 << 16};
        buf_printf(&path, "%.*s/%s", (int)len, at, name);
        char *text = buf_take_text(&path);
        buf_fini(&path);
        if (text && access(text, X_OK) == 0) return text;
        mem_free(text);
        at += len + (at[len] == ':');
    }
    return NULL;
}

char *child_program(struct divan_error *err)
{
    const char *named = getenv("DIVAN_DIVAND");
    char *path = named && *named ? mem_strdup(named) : beside("divand");
    if (path && access(path, X_OK) == 0) return path;
    if (named && *named)
        err_set(err, DIVAN_ERR_FILE_READ, "DIVAN_DIVAND names %s, which is no program that can be run", named);
    else
        err_set(err, DIVAN_ERR_FILE_READ, "the program divand is neither %s nor on PATH: name it in DIVAN_DIVAND",
                path ? path : "beside divan");
    mem_free(path);
    return named && *named ? NULL : on_path("divand");
}

/* ---- starting. Between fork and exec only what is safe in the child of a process with threads. */

static void become(const struct child_options *o, char *const *envp, int log, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); /* it ended before the line above */
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, STDIN_FILENO);
    dup2(o->output ? o->output : null, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execve(o->program, (char *const *)o->argv, envp);
    static const char failed[] = "the program could not be run\n";
    if (write(STDERR_FILENO, failed, sizeof failed - 1) < 0) _exit(126);
    _exit(127);
}

static char **environment_with(const char *variable)
{
    size_t count = 0, at = 0;
    while (environ[count]) count++;
    char **envp = mem_alloc((count + 2) * sizeof *envp);
    if (!envp) return NULL;
    if (variable) envp[at++] = (char *)variable;
    memcpy(envp + at, environ, (count + 1) * sizeof *envp);
    return envp;
}

int64_t child_start(const struct child_options *o, struct divan_error *err)
{
    int log = open(o->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log < 0) return err_sys(err, DIVAN_ERR_SYSTEM, errno, "cannot write the log %s", o->log), -1;
    char **envp = environment_with(o->variable);
    pid_t parent = getpid(), pid = envp ? fork() : -1;
    if (pid == 0) become(o, envp, log, parent);
    if (!envp) err_oom(err);
    else if (pid < 0) err_sys(err, DIVAN_ERR_SYSTEM, errno, "cannot start a process for %s", o->program);
    mem_free(envp);
    close(log);
    return pid;
}

/* ---- ending */

const char *child_ended(int64_t pid, char *out, size_t cap)
{
    int status;
    if (cap) out[0] = 0;
    if (pid <= 0 || waitpid((pid_t)pid, &status, WNOHANG) != (pid_t)pid) return out;
    if (WIFSIGNALED(status))
        snprintf(out, cap, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else snprintf(out, cap, "exited with status %d", WEXITSTATUS(status));
    return out;
}

static size_t reap(int64_t *pids, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (pids[i] > 0 && waitpid((pid_t)pids[i], NULL, WNOHANG) != 0) pids[i] = 0;
        left += pids[i] > 0;
    }
    return left;
}

void child_stop_all(int64_t *pids, size_t count, unsigned grace_ms)
{
    uint64_t deadline_ns = clock_ns() + (uint64_t)grace_ms * 1000000;
    for (size_t i = 0; i < count; i++)
        if (pids[i] > 0) kill((pid_t)pids[i], SIGTERM);
    while (reap(pids, count) && clock_ns() < deadline_ns) clock_sleep_ms(2);
    for (size_t i = 0; i < count; i++) {
        if (pids[i] <= 0) continue;
        kill((pid_t)pids[i], SIGKILL);
        waitpid((pid_t)pids[i], NULL, 0);
        pids[i] = 0;
    }
}

const char *child_last_words(const char *log, char *out, size_t cap)
{
    char line[512];
    if (cap) out[0] = 0;
    FILE *file = fopen(log, "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line) text_copy(out, cap, line);
    }
    if (file) fclose(file);
    return out;
}
