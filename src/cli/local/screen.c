#include "cli/local/screen.h"

#include <stdio.h>

#include "cli/format.h"
#include "cli/table.h"

static void nodes_table(const struct screen *s, const struct term *term, struct buf *out)
{
    struct table t;
    table_init(&t, "node|state|>process|management|key-value");
    for (size_t i = 0; i < s->record->node_count; i++) {
        const struct record_node *n = &s->record->nodes[i];
        bool alive = !s->alive || s->alive[i];
        table_add(&t, "%u|%s|%lld|http://%s:%u|%s:%u", n->id, alive ? "up" : "DOWN", (long long)n->pid, n->host,
                  n->mgmt, n->host, n->kv);
    }
    table_draw(&t, term, 2, out);
    table_fini(&t);
}

static void buckets_table(const struct screen *s, const struct term *term, struct buf *out)
{
    struct table t;
    char items[32], rate[24], memory[24];
    table_init(&t, "bucket|>documents|>operations|>memory");
    for (size_t i = 0; i < s->stats->count; i++) {
        const struct stats_bucket *b = &s->stats->buckets[i];
        table_add(&t, "%s|%s|%s|%s", b->name, format_count(items, sizeof items, b->items),
                  format_rate(rate, sizeof rate, b->ops_per_s), format_bytes(memory, sizeof memory, b->memory_bytes));
    }
    table_draw(&t, term, 2, out);
    table_fini(&t);
}

static void heading(const struct screen *s, const struct term *term, struct buf *out)
{
    char uptime[24];
    const char *dim = term_style(term, TERM_DIM), *plain = term_style(term, TERM_PLAIN);
    buf_printf(out, "%sdivan%s  %zu node%s", term_style(term, TERM_BOLD), plain, s->record->node_count,
               s->record->node_count == 1 ? "" : "s");
    if (!s->once) buf_printf(out, ", up %s", format_elapsed(uptime, sizeof uptime, s->uptime_s));
    buf_put_str(out, "\n\n");
    buf_printf(out, "  %sconnect%s   %s\n", dim, plain, s->record->connection_string);
    buf_printf(out, "  %suser%s      %s\n", dim, plain, s->record->username);
    buf_printf(out, "  %spassword%s  %s\n", dim, plain, s->record->password);
    buf_printf(out, "  %sfolder%s    %s\n\n", dim, plain, s->record->dir);
}

/* Cuts a line to the terminal, counting what is seen: a wrapped line would spoil the redrawing. */
static void put_line(const char *line, size_t len, size_t columns, struct buf *out)
{
    size_t seen = 0;
    bool escape = false;
    for (size_t i = 0; i < len; i++) {
        bool begins = ((uint8_t)line[i] & 0xc0) != 0x80;
        if (line[i] == '\033') escape = true;
        if (!escape && begins) seen++;
        if (escape || seen <= columns) buf_u8(out, (uint8_t)line[i]);
        if (escape && line[i] == 'm') escape = false;
    }
    buf_u8(out, '\n');
}

static size_t put_fitting(const struct buf *all, const struct term *term, struct buf *out)
{
    size_t lines = 0;
    const char *at = (const char *)all->data, *end = at + all->len;
    while (at < end && lines + 1 < (size_t)term->rows) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = newline ? (size_t)(newline - at) : (size_t)(end - at);
        put_line(at, len, (size_t)term->columns, out);
        at += len + 1;
        lines++;
    }
    return lines;
}

size_t screen_draw(const struct screen *s, const struct term *term, struct buf *out)
{
    struct buf all = {.limit = 1 << 20};
    heading(s, term, &all);
    nodes_table(s, term, &all);
    buf_u8(&all, '\n');
    if (s->stats->known) buckets_table(s, term, &all);
    if (s->event) buf_printf(&all, "\n  %s%s%s\n", term_style(term, TERM_WARN), s->event, term_style(term, TERM_PLAIN));
    if (!s->once)
        buf_printf(&all, "\n  %s%s%s\n", term_style(term, TERM_DIM), s->keys ? "q or Ctrl-C stops" : "Ctrl-C stops",
                   term_style(term, TERM_PLAIN));
    size_t lines = all.failed ? 0 : put_fitting(&all, term, out);
    buf_fini(&all);
    return lines;
}
