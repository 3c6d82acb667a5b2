#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/sim_impl.h"

/* ---- hosts */

static bool canonical(char out[48], const char *address)
{
    struct io_addr addr;
    bool numeric = io_addr_parse(&addr, address, 0);
    text_copy(out, 48, numeric ? addr.host : address);
    return numeric;
}

bool sim_same_name(const struct sim_host *h, const char *address)
{
    char name[48];
    if (!address) return true;
    canonical(name, address);
    for (size_t i = 0; i < h->addresses; i++)
        if (strcmp(h->address[i], name) == 0) return true;
    return false;
}

struct sim_host *sim_host_find(struct sim *s, const char *address)
{
    list_each(&s->hosts, it)
    {
        struct sim_host *h = container_of(it, struct sim_host, link);
        if (sim_same_name(h, address)) return h;
    }
    return NULL;
}

static struct sim_host *host_make(struct sim *s, const char *address)
{
    struct sim_host *h = sim_host_find(s, address);
    if (h) return h;
    h = sim_calloc(sizeof *h);
    h->id = ++s->host_ids;
    h->next_port = 49152;
    h->addresses = 1;
    canonical(h->address[0], address);
    list_append(&s->hosts, &h->link);
    return h;
}

void sim_host_alias(struct sim *s, const char *address, const char *more)
{
    struct sim_host *h = host_make(s, address);
    if (h->addresses == HOST_ADDRESSES) abort();
    canonical(h->address[h->addresses++], more);
}

void sim_host_set(struct sim *s, const char *address, enum sim_host_state state)
{
    struct sim_host *h = host_make(s, address);
    bool was_dead = h->state == SIM_CRASHED || h->state == SIM_GONE;
    h->state = state;
    if (!was_dead && (state == SIM_CRASHED || state == SIM_GONE)) sim_lose_ends(s, h, state == SIM_CRASHED);
    if (state == SIM_UP) sim_release_held(s, h);
    sim_kick_all(s);
}

/* ---- loops */

static uint64_t clock_ns(struct io_loop *l)
{
    return sim_loop_of(l)->sim->now_ns;
}

static uint64_t wall_ns(struct io_loop *l)
{
    struct sim *s = sim_loop_of(l)->sim;
    return s->wall_base_ns + s->now_ns;
}

static void stuck(struct sim *s)
{
    fprintf(stderr, "simulation: at %llu ns a loop waits for ever and nothing is left to happen\n",
            (unsigned long long)s->now_ns);
    abort();
}

static int run_once(struct io_loop *l, uint64_t until_ns)
{
    struct sim_loop *sl = sim_loop_of(l);
    struct sim *s = sl->sim;
    uint64_t was_ns = s->now_ns, count = s->count;
    if (sl->host->state != SIM_UP) { /* a dead program's rest is being closed */
        l->events = 0;
        loop_run_tasks(l);
        return (int)l->events;
    }
    do { /* an event that only waits for its host is not worth telling */
        if (!sim_step(s, until_ns ? until_ns : s->now_ns)) break;
    } while (s->count == count);
    if (s->count == count && until_ns == IO_NEVER) stuck(s);
    if (s->now_ns > was_ns && l->before_wait) { /* that was a sleep: the owner's bookkeeping is exercised, too */
        l->before_wait(l->wait_user);
        if (l->after_wait) l->after_wait(l->wait_user);
    }
    return (int)(s->count - count);
}

static void wake(struct io_loop *l)
{
    sim_loop_of(l)->woken = true;
}

static void resolve(struct io_lookup *q)
{
    struct sim_loop *sl = sim_loop_of(q->loop);
    struct sim *s = sl->sim;
    uint64_t delay_ns = NS_PER_MS / 10 + rng_below(&s->rng, NS_PER_MS * 9 / 10);
    list_each(&s->names, it)
    {
        struct sim_name *n = container_of(it, struct sim_name, link);
        if (strcmp(n->name, q->name) == 0 && n->delay_ns) delay_ns = n->delay_ns;
    }
    sim_push(s, (struct sim_event){.at_ns = s->now_ns + delay_ns, .kind = SIM_LOOKUP, .host = sl->host, .lookup = q});
}

static void free_loop(struct io_loop *l)
{
    struct sim_loop *sl = sim_loop_of(l);
    sim_drop_lookups(sl->sim, l);
    sl->host->loop = NULL;
    loop_fini(l);
    mem_free(sl);
}

static const struct io_backend sim_backend = {
    .clock = clock_ns,
    .wall = wall_ns,
    .run_once = run_once,
    .wake = wake,
    .connect = sim_connect,
    .listen = sim_listen,
    .unlisten = sim_unlisten,
    .resolve = resolve,
    .free = free_loop,
};

struct io_loop *sim_host(struct sim *s, const char *address)
{
    struct sim_host *h = host_make(s, address);
    if (h->loop) return &h->loop->base;
    struct sim_loop *sl = mem_zalloc(sizeof *sl);
    if (!sl) return NULL;
    sl->sim = s;
    sl->host = h;
    /* loop_init() clears the io_loop in front only */
    loop_init(&sl->base, &sim_backend, rng_u64(&s->rng));
    h->loop = sl;
    return &sl->base;
}

/* ---- links */

struct sim_link sim_link_default(void)
{
    return (struct sim_link){
        .latency_min_ns = NS_PER_MS / 20, .latency_max_ns = NS_PER_MS / 2, .send_bytes = 256 * 1024};
}

static bool rule_fits(const struct sim_rule *r, const struct sim_host *from, const struct sim_host *to)
{
    return (!r->from[0] || sim_same_name(from, r->from)) && (!r->to[0] || sim_same_name(to, r->to));
}

struct sim_link sim_link_of(struct sim *s, const struct sim_host *from, const struct sim_host *to)
{
    for (size_t i = s->rule_count; i-- > 0;)
        if (rule_fits(&s->rules[i], from, to)) return s->rules[i].link;
    return sim_link_default();
}

uint64_t sim_latency(struct sim *s, const struct sim_link *link)
{
    uint64_t span = link->latency_max_ns > link->latency_min_ns ? link->latency_max_ns - link->latency_min_ns : 0;
    return link->latency_min_ns + rng_below(&s->rng, span + 1);
}

static void rule_put(struct sim *s, const char *from, const char *to, const struct sim_link *link)
{
    struct sim_rule rule = {.link = *link};
    if (from) canonical(rule.from, from);
    if (to) canonical(rule.to, to);
    size_t kept = 0;
    for (size_t i = 0; i < s->rule_count; i++)
        if (strcmp(s->rules[i].from, rule.from) != 0 || strcmp(s->rules[i].to, rule.to) != 0)
            s->rules[kept++] = s->rules[i];
    s->rule_count = kept;
    sim_grow(&s->rules, &s->rule_cap, s->rule_count, sizeof rule);
    s->rules[s->rule_count++] = rule;
}

void sim_link_set(struct sim *s, const char *from, const char *to, const struct sim_link *link)
{
    rule_put(s, from, to, link);
    sim_kick_all(s);
}

static void flow_one_way(struct sim *s, const char *from, const char *to, enum sim_flow flow)
{
    struct sim_host any = {.addresses = 0};
    struct sim_host *a = from ? host_make(s, from) : &any, *b = to ? host_make(s, to) : &any;
    struct sim_link link = sim_link_of(s, a, b);
    link.flow = flow;
    rule_put(s, from, to, &link);
}

void sim_flow_set(struct sim *s, const char *a, const char *b, enum sim_flow flow)
{
    flow_one_way(s, a, b, flow);
    flow_one_way(s, b, a, flow);
    sim_kick_all(s);
}

/* ---- names */

static struct sim_name *name_make(struct sim *s, const char *name)
{
    list_each(&s->names, it)
    {
        struct sim_name *n = container_of(it, struct sim_name, link);
        if (strcmp(n->name, name) == 0) return n;
    }
    struct sim_name *n = sim_calloc(sizeof *n + strlen(name) + 1);
    strcpy(n->name, name); // NOLINT: sized above
    list_append(&s->names, &n->link);
    return n;
}

void sim_name_add(struct sim *s, const char *name, const char *address)
{
    struct sim_name *n = name_make(s, name);
    if (n->addresses == LOOKUP_MAX) abort();
    canonical(n->address[n->addresses++], address);
}

void sim_name_add_srv(struct sim *s, const char *name, const char *target, uint16_t port, uint16_t priority,
                      uint16_t weight)
{
    struct sim_name *n = name_make(s, name);
    if (n->srvs == LOOKUP_MAX) abort();
    struct io_srv *srv = &n->srv[n->srvs++];
    *srv = (struct io_srv){.port = port, .priority = priority, .weight = weight};
    text_copy(srv->target, sizeof srv->target, target);
}

void sim_name_clear(struct sim *s, const char *name)
{
    struct sim_name *n = name_make(s, name);
    n->addresses = n->srvs = 0;
}

void sim_name_delay(struct sim *s, const char *name, uint64_t ns)
{
    name_make(s, name)->delay_ns = ns;
}

static size_t addresses_of(struct sim *s, const struct io_lookup *q, struct io_addr out[LOOKUP_MAX])
{
    struct sim_name *n = name_make(s, q->name);
    size_t count = 0;
    if (!n->addresses && strcmp(q->name, "localhost") == 0) sim_name_add(s, q->name, "127.0.0.1");
    for (size_t i = 0; i < n->addresses; i++) {
        struct io_addr *addr = &out[count];
        if (!io_addr_parse(addr, n->address[i], q->port)) continue;
        count += q->family == IO_ANY || (q->family == IO_V6) == addr->v6;
    }
    return count;
}

void sim_answer(struct sim *s, struct io_lookup *q)
{
    struct divan_error err;
    struct io_addr addrs[LOOKUP_MAX];
    struct io_srv srv[LOOKUP_MAX];
    err_set(&err, DIVAN_ERR_NAME_NOT_RESOLVED,
            q->srv ? "the DNS SRV query for %s gave nothing: no such name"
                   : "the host name %s cannot be resolved: no such name",
            q->name);
    if (q->srv) {
        struct sim_name *n = name_make(s, q->name);
        memcpy(srv, n->srv, n->srvs * sizeof srv[0]);
        lookup_srv_done(q, srv, n->srvs, &err);
    } else lookup_done(q, addrs, addresses_of(s, q, addrs), &err);
}
