#include "cli/local/serve.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/local/events.h"
#include "cli/local/ports.h"
#include "cli/local/state.h"

enum { READY_WITHIN_S = 15, LOOK_MS = 100 };

struct server {
    const struct local_options *options;
    const struct serve_view *view;
    struct io_loop *loop;
    struct events *events;
    struct local *local;
    const struct record *record; /* NULL until it is ready */
    struct stats_poll stats;
    uint64_t begun_ns, ready_ns, frame_ns; /* frame_ns: when the next frame is due */
    bool alive[PORTS_NODES_MAX];
    char event[400];
    struct divan_error *err;
};

static enum divan_code publish(struct server *s)
{
    s->record = local_record(s->local);
    if (!s->record) return err_oom(s->err);
    enum divan_code rc = state_publish(s->options->dir, s->record, s->err);
    s->ready_ns = io_now_ns(s->loop);
    if (!rc && s->view->ready) s->view->ready(s->view->user, s->record);
    return rc;
}

static void node_ended(void *user, unsigned node, const char *how, const char *last_words)
{
    struct server *s = user;
    snprintf(s->event, sizeof s->event, "node %u %s%s%s (log: %s/log/node-%u.log)", node + 1, how,
             *last_words ? ": " : "", last_words, s->options->dir, node + 1);
    s->alive[node] = false;
    s->frame_ns = 0;
    if (s->record && s->view->event) s->view->event(s->view->user, s->event);
}

static enum divan_code look_after_nodes(struct server *s)
{
    unsigned before = local_alive(s->local);
    local_reap(s->local, node_ended, s);
    unsigned now = local_alive(s->local);
    if (now == before) return DIVAN_OK;
    if (!s->record) return err_set(s->err, DIVAN_ERR_FAILED, "%s", s->event);
    return now ? DIVAN_OK : err_set(s->err, DIVAN_ERR_FAILED, "no node is left: %s", s->event);
}

static size_t some_living_node(const struct server *s)
{
    for (unsigned i = 0; i < s->options->nodes; i++)
        if (local_node_alive(s->local, i)) return i;
    return 0;
}

static void frame(struct server *s)
{
    uint64_t now_ns = io_now_ns(s->loop);
    if (!s->record || !s->view->frame_ms || now_ns < s->frame_ns) return;
    const struct screen screen = {
        .record = s->record,
        .stats = &s->stats.stats,
        .alive = s->alive,
        .uptime_s = (now_ns - s->ready_ns) / NS_PER_S,
        .event = *s->event ? s->event : NULL,
        .keys = s->view->keys,
    };
    s->view->frame(s->view->user, &screen);
    stats_poll_start(&s->stats, s->loop, s->record, some_living_node(s));
    s->frame_ns = now_ns + s->view->frame_ms * NS_PER_MS;
}

/* One turn. *stop is set when it was asked for. */
static enum divan_code turn(struct server *s, bool *stop)
{
    uint64_t until_ns = io_refresh_now(s->loop) + LOOK_MS * NS_PER_MS;
    enum divan_code rc = DIVAN_OK;
    io_run_once(s->loop, s->record && !s->view->frame_ms ? IO_NEVER : until_ns);
    unsigned bits = events_take(s->events);
    if (bits & EVENT_CHILD) rc = look_after_nodes(s);
    if (bits & EVENT_RESIZE) s->frame_ns = 0;
    if (bits & EVENT_STOP) *stop = true;
    if (!rc && !*stop && !s->record && local_ready(s->local)) rc = publish(s);
    if (!rc && !s->record && io_now_ns(s->loop) - s->begun_ns > READY_WITHIN_S * NS_PER_S)
        rc = err_set(s->err, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT,
                     "the nodes were not ready within %d s: see the logs in %s/log", READY_WITHIN_S, s->options->dir);
    if (!rc) frame(s);
    return rc;
}

static enum divan_code run(struct server *s)
{
    bool stop = false;
    enum divan_code rc = DIVAN_OK;
    s->begun_ns = io_refresh_now(s->loop);
    for (size_t i = 0; i < PORTS_NODES_MAX; i++) s->alive[i] = true;
    while (!rc && !stop) rc = turn(s, &stop);
    if (!rc && !s->record) rc = err_set(s->err, DIVAN_ERR_CANCELLED, "stopped before the cluster was ready");
    return rc;
}

enum divan_code serve(const struct local_options *options, const struct serve_view *view, struct divan_error *err)
{
    struct server s = {.options = options, .view = view, .err = err};
    int lock = -1;
    enum divan_code rc = state_lock(options->dir, &lock, err);
    if (rc) return rc;
    state_retract(options->dir); /* what a crash left behind */
    if (!(s.loop = io_loop_new_uv(err))) rc = err->code;
    if (!rc && !(s.events = events_new(s.loop, view->keys, err))) rc = err->code;
    if (!rc && !(s.local = local_new(s.loop, options, err))) rc = err->code;
    if (!rc) rc = run(&s);
    stats_poll_stop(&s.stats);
    local_free(s.local);
    events_free(s.events);
    io_loop_free(s.loop);
    state_retract(options->dir);
    return rc; /* the lock stays: whoever waits for it, waits for the end of this process */
}
