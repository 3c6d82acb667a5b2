#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/local/ports.h"
#include "cli/local/serve.h"
#include "cli/local/state.h"

struct up_args {
    const char *dir, *user, *password, *port_base;
    struct opt_list buckets;
    struct opt_number nodes, vbuckets;
    bool detach, json, memory, data;
};

#define UP(...) OPT(struct up_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    UP(nodes, "nodes", 'n', OPT_NUMBER, "N", "how many nodes", .preset = "1", .min = 1, .max = PORTS_NODES_MAX),
    UP(buckets, "bucket", 'b', OPT_LIST, "NAME", "a bucket to make", .preset = "default", .env = "DIVAN_BUCKET"),
    UP(user, "user", 'u', OPT_TEXT, "NAME", "the administrator", .preset = "Administrator", .env = "DIVAN_USERNAME"),
    UP(password, "password", 'p', OPT_TEXT, "TEXT", "and the password, 6 characters or more", .preset = "password",
       .env = "DIVAN_PASSWORD"),
    UP(vbuckets, "vbuckets", 0, OPT_NUMBER, "N", "vBuckets of a bucket", .preset = "1024", .min = 1, .max = 1024),
    UP(port_base, "port-base", 0, OPT_TEXT, "P",
       "put node i on 127.0.0.1 at P + 100*i: +0 management, +2 views, +3 query, +7 key-value over TLS, +10 key-value, "
       "+50, "
       "+52, +53 HTTP over TLS; auto finds free ports; without it, node i is on 127.0.0.(1+i) with the standard ports"),
    UP(memory, "memory", 0, OPT_FLAG, NULL, "keep nothing: documents live in memory only (default)"),
    UP(data, "data", 0, OPT_FLAG, NULL,
       "keep the cluster and its documents in the state folder, and go on with what is there; buckets and credentials "
       "are "
       "those of the first start"),
    UP(dir, "dir", 0, OPT_TEXT, "FOLDER",
       "state folder: one cluster runs on one folder (default $XDG_STATE_HOME/divan/default or "
       "~/.local/state/divan/default)",
       .env = "DIVAN_DIR"),
    UP(detach, "detach", 'd', OPT_FLAG, NULL, "return when it is ready; divan down stops it"),
    UP(json, "json", 0, OPT_FLAG, NULL, "print one JSON object when it is ready: addresses, credentials, processes"),
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, {0}};

/* ---- options */

static enum divan_code take_port_base(const char *text, struct local_options *out, struct divan_error *err)
{
    enum { HIGHEST_OFFSET = 53 };
    struct opt_number n = {0};
    if (!text) return DIVAN_OK;
    if (!strcmp(text, "auto") || !strcmp(text, "0")) return out->find_ports = true, DIVAN_OK;
    const struct opt_row row = {.name = "port-base", .kind = OPT_NUMBER, .min = 1};
    enum divan_code rc = opt_set(&row, text, &n, true, err);
    uint64_t highest = n.value + PORTS_STEP * (out->nodes - 1) + HIGHEST_OFFSET;
    if (!rc && (n.value > UINT16_MAX || highest > UINT16_MAX))
        rc = err_set(err, DIVAN_ERR_USAGE,
                     "--port-base %s is too large: the last port of %u node%s would be above 65535", text, out->nodes,
                     out->nodes == 1 ? "" : "s");
    if (!rc) out->port_base = (uint16_t)n.value;
    return rc;
}

static enum divan_code take_options(const struct up_args *a, const char *dir, struct local_options *out,
                                    struct divan_error *err)
{
    *out = (struct local_options){
        .dir = dir,
        .nodes = (unsigned)a->nodes.value,
        .buckets = a->buckets.items,
        .bucket_count = a->buckets.count,
        .user = a->user,
        .password = a->password,
        .vbuckets = (uint16_t)a->vbuckets.value,
        .data = a->data,
    };
    if (a->data && a->memory) return err_set(err, DIVAN_ERR_USAGE, "--data and --memory exclude each other");
    return take_port_base(a->port_base, out, err);
}

/* ---- the log of the manager */

static void log_line(void *user, int level, const char *text)
{
    static const char *const names[] = {"", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"};
    fprintf(user, "%s %s\n", names[level], text);
}

static FILE *log_open(const char *dir, struct log *log)
{
    int level = log_level_parse(getenv("DIVAN_LOG") ? getenv("DIVAN_LOG") : "info");
    char *path = state_file(dir, "log/manager.log");
    FILE *file = path ? fopen(path, "we") : NULL;
    if (file) setlinebuf(file);
    *log = (struct log){
        .level = file ? (level < 0 ? LOG_INFO : (enum log_level)level) : LOG_OFF, .fn = log_line, .user = file};
    mem_free(path);
    return file;
}

/* ---- what is shown */

static void print_json(const struct record *r)
{
    struct buf out = {.limit = 1 << 24};
    record_json(r, &out);
    buf_u8(&out, '\n');
    if (!out.failed) fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    buf_fini(&out);
}

static void print_lines(const struct record *r, const char *stop)
{
    printf("ready: %s (user %s, password %s)\n", r->connection_string, r->username, r->password);
    for (size_t i = 0; i < r->node_count; i++)
        printf("node %u: key-value %s:%u, management http://%s:%u, process %lld\n", r->nodes[i].id, r->nodes[i].host,
               r->nodes[i].kv, r->nodes[i].host, r->nodes[i].mgmt, (long long)r->nodes[i].pid);
    printf("%s\n", stop);
    fflush(stdout);
}

struct look {
    const struct up_args *args;
    struct term term;
    size_t lines; /* on the terminal, to be drawn over */
};

static void show_ready(void *user, const struct record *r)
{
    const struct look *look = user;
    if (look->args->json) print_json(r);
    else if (!look->term.live) print_lines(r, "Ctrl-C stops");
}

static void show_event(void *user, const char *text)
{
    const struct look *look = user;
    if (!look->term.live || look->args->json) fprintf(stderr, "divan up: %s\n", text);
}

static void show_frame(void *user, const struct screen *screen)
{
    struct look *look = user;
    struct buf out = {.limit = 1 << 20};
    look->term = term_of(STDOUT_FILENO); /* it may have another size now */
    if (look->lines) buf_printf(&out, "\033[%zuA", look->lines);
    buf_put_str(&out, "\r\033[J");
    look->lines = screen_draw(screen, &look->term, &out);
    if (!out.failed) fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    buf_fini(&out);
}

static enum divan_code run_here(const struct up_args *args, const struct local_options *options,
                                struct divan_error *err)
{
    struct look look = {.args = args, .term = term_of(STDOUT_FILENO)};
    bool live = look.term.live && !args->json;
    const struct serve_view view = {
        .user = &look,
        .ready = show_ready,
        .event = show_event,
        .frame = show_frame,
        .frame_ms = live ? 500 : 0,
        .keys = live && isatty(STDIN_FILENO),
    };
    enum divan_code rc = serve(options, &view, err);
    if (!rc && !args->json) puts("stopped");
    return rc;
}

/* ---- in the background: the child tells the parent the record (JSON) or the error (the struct) through a pipe */

static void tell_ready(void *user, const struct record *r)
{
    int *pipe_end = user;
    struct buf out = {.limit = 1 << 24};
    record_json(r, &out);
    if (write(*pipe_end, out.data, out.len) != (ssize_t)out.len) perror("divan up: pipe");
    close(*pipe_end);
    *pipe_end = -1;
    buf_fini(&out);
}

static void log_event(void *user, const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static void use_log_as_output(const char *dir)
{
    char *path = state_file(dir, "log/up.log");
    int log = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(log >= 0 ? log : null, STDOUT_FILENO);
    dup2(log >= 0 ? log : null, STDERR_FILENO);
    mem_free(path);
}

static int run_detached(const struct local_options *options, int pipe_end)
{
    struct divan_error err;
    const struct serve_view view = {.user = &pipe_end, .ready = tell_ready, .event = log_event};
    setsid();
    use_log_as_output(options->dir);
    enum divan_code rc = serve(options, &view, &err);
    if (rc && pipe_end >= 0 && write(pipe_end, &err, sizeof err) < 0) perror("divan up: pipe");
    return rc ? command_fail("up", &err) : EXIT_DONE;
}

static enum divan_code read_outcome(int pipe_end, const char *dir, struct record *out, struct divan_error *err)
{
    struct buf text = {.limit = 1 << 24};
    ssize_t n;
    do {
        n = buf_reserve(&text, 4096) ? read(pipe_end, text.data + text.len, 4096) : 0;
        if (n > 0) text.len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    enum divan_code rc;
    if (text.len && text.data[0] == '{') {
        rc = record_parse(buf_view(&text), out, err);
    } else if (text.len == sizeof *err) {
        memcpy(err, text.data, sizeof *err);
        rc = err->code;
    } else {
        rc = err_set(err, DIVAN_ERR_FAILED, "the cluster's process ended before it was ready: see %s/log/up.log", dir);
    }
    buf_fini(&text);
    return rc;
}

static enum divan_code detach(const struct up_args *args, const struct local_options *options, struct divan_error *err)
{
    int ends[2] = {-1, -1};
    struct record record = {0};
    if (pipe2(ends, O_CLOEXEC)) return err_sys(err, DIVAN_ERR_SYSTEM, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0) return err_sys(err, DIVAN_ERR_SYSTEM, errno, "cannot start a process");
    if (pid == 0) {
        close(ends[0]);
        _exit(run_detached(options, ends[1]));
    }
    close(ends[1]);
    enum divan_code rc = read_outcome(ends[0], options->dir, &record, err);
    close(ends[0]);
    if (rc) waitpid(pid, NULL, 0);
    else if (args->json) print_json(&record);
    else print_lines(&record, "divan down stops it");
    record_fini(&record);
    return rc;
}

static int run(const void *args_, const struct operands *operands)
{
    const struct up_args *args = args_;
    struct local_options options;
    struct divan_error err;
    struct log log;
    FILE *log_file = NULL;
    char *dir = state_path(args->dir, &err);
    if (!dir) return command_fail("up", &err);
    enum divan_code rc = take_options(args, dir, &options, &err);
    if (!rc) rc = state_make(dir, &err);
    if (!rc && state_owner(dir)) { /* before its logs are overwritten */
        int lock = -1;
        rc = state_lock(dir, &lock, &err);
        if (!rc) close(lock);
    }
    if (!rc) {
        log_file = log_open(dir, &log);
        options.log = &log;
        rc = args->detach ? detach(args, &options, &err) : run_here(args, &options, &err);
    }
    if (log_file) fclose(log_file);
    mem_free(dir);
    return rc ? command_fail("up", &err) : EXIT_DONE;
}

const struct command command_up = {
    .name = "up",
    .summary = "start a local cluster",
    .text =
        "Starts the manager of a cluster and one process per node, and shows how they do until q or Ctrl-C. With "
        "--detach it "
        "returns when the cluster is ready. Any Couchbase SDK can connect. The nodes end with this process, whatever "
        "ends it.",
    .example =
        "divan up\ndivan up --detach --json | jq -r .connection_string\ndivan up -n 3 --bucket app --bucket cache",
    .groups = groups,
    .args_size = sizeof(struct up_args),
    .run = run,
};
