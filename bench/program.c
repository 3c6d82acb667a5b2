#include "program.h"

#include "stats.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: becomes the program. out -1: nowhere, standard error as well. */
static void become(const char *const argv[], int out)
{
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 0);
    dup2(out < 0 ? nowhere : out, 1);
    if (out < 0) dup2(nowhere, 2);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

pid_t program_start(const char *const argv[])
{
    pid_t parent = getpid(), pid = fork();
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    become(argv, -1);
    return -1;
}

int program_run(const char *const argv[], char *out, size_t cap)
{
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC)) return -1;
    pid_t pid = fork();
    if (!pid) become(argv, ends[1]);
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; len + 1 < cap && (n = read(ends[0], out + len, cap - len - 1)) > 0;) len += (size_t)n;
    out[len] = 0;
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

void program_stop(pid_t pid)
{
    if (pid <= 0) return;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

uint16_t free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool got = fd >= 0 && !bind(fd, (struct sockaddr *)&addr, len) && !getsockname(fd, (struct sockaddr *)&addr, &len);
    if (fd >= 0) close(fd);
    return got ? ntohs(addr.sin_port) : 0;
}

bool port_wait(uint16_t port, unsigned timeout_ms)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (uint64_t end = now_ns() + timeout_ms * UINT64_C(1000000); now_ns() < end; poll(NULL, 0, 1)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int rc = connect(fd, (struct sockaddr *)&addr, sizeof addr);
        close(fd);
        if (!rc) return true;
    }
    return false;
}

uint64_t process_cpu_ns(pid_t pid)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    uint64_t sum = 0;
    for (struct dirent *t; tasks && (t = readdir(tasks));) {
        unsigned long long ns = 0;
        if (t->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", (int)pid, t->d_name);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%llu", &ns) == 1) sum += ns;
        if (f) fclose(f);
    }
    if (tasks) closedir(tasks);
    return sum;
}

uint64_t process_resident_kb(pid_t pid)
{
    char path[64], line[256];
    unsigned long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %lu kB", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

static const char *json_find(const char *json, const char *name)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    const char *at = strstr(json, quoted);
    if (!at) return NULL;
    at += strlen(quoted);
    return at + strspn(at, " \t\r\n:");
}

long json_number(const char *json, const char *name)
{
    const char *at = json_find(json, name);
    return at && *at >= '0' && *at <= '9' ? strtol(at, NULL, 10) : -1;
}

bool json_text(const char *json, const char *name, char *out, size_t cap)
{
    const char *at = json_find(json, name);
    size_t len = at && *at == '"' ? strcspn(at + 1, "\"") : cap;
    if (len >= cap) return false;
    memcpy(out, at + 1, len);
    out[len] = 0;
    return true;
}
