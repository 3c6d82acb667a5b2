#include "cli/progress.h"

#include "cli/clock.h"
#include "cli/format.h"

enum { BAR_MIN = 10, BAR_MAX = 40, REDRAW_NS = 50000000, LABEL_COLUMNS = 10 };

static void draw_bar(const struct term *term, size_t width, double part, struct buf *out)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t units = (size_t)(part * (double)width * 8 + 0.5), full = units / 8, drawn = full;
    buf_put_str(out, term_style(term, TERM_ACCENT));
    for (size_t i = 0; i < full; i++) buf_put_str(out, term->utf8 ? "█" : "#");
    if (term->utf8 && units % 8) {
        buf_put_str(out, eighths[units % 8]);
        drawn++;
    }
    buf_put_str(out, term_style(term, TERM_DIM));
    for (; drawn < width; drawn++) buf_put_str(out, term->utf8 ? "░" : ".");
    buf_put_str(out, term_style(term, TERM_PLAIN));
}

/* What is done as a part of 1; below 0 when nobody knows. */
static double part_of(const struct progress *p, uint64_t done)
{
    double part = p->total ? (double)done / (double)p->total : p->part;
    return part > 1 ? 1 : part;
}

/* Every part has one width from the beginning to the end, so that the bar does not jump. */
static void put_counts(const struct progress *p, uint64_t done, double per_s, struct buf *out)
{
    char rate[24], a[28], b[28];
    double part = part_of(p, done);
    format_count(a, sizeof a, done);
    format_count(b, sizeof b, p->total);
    format_rate(rate, sizeof rate, per_s);
    if (part >= 0) buf_printf(out, " %3.0f %% ", part * 100);
    if (p->total) buf_printf(out, " %*s of %s  %8s", (int)strlen(b), a, b, rate);
    else buf_printf(out, " %13s  %8s", a, rate);
}

void progress_draw(const struct progress *p, uint64_t done, double per_s, struct buf *out)
{
    struct buf counts = {.limit = 256};
    double part = part_of(p, done);
    put_counts(p, done, per_s, &counts);
    size_t texts = 2 + LABEL_COLUMNS + 1 + counts.len;
    size_t room = (size_t)p->term.columns > texts + 1 ? (size_t)p->term.columns - 1 - texts : 0;
    if (room > BAR_MAX) room = BAR_MAX;
    buf_printf(out, "  %-*s ", LABEL_COLUMNS, p->label);
    if (room >= BAR_MIN && part >= 0) draw_bar(&p->term, room, part, out);
    buf_put_bytes(out, buf_view(&counts));
    buf_fini(&counts);
}

void progress_begin(struct progress *p, FILE *out, const struct term *term, const char *label, uint64_t total)
{
    *p = (struct progress){
        .out = out, .term = *term, .label = label, .total = total, .part = -1, .begun_ns = clock_ns()};
}

static void show(struct progress *p, uint64_t done, uint64_t now_ns)
{
    struct buf line = {.limit = 4096};
    double s = (double)(now_ns - p->begun_ns) / 1e9;
    if (p->term.live) buf_put_str(&line, "\r\033[K");
    progress_draw(p, done, s > 0 ? (double)done / s : 0, &line);
    if (!p->term.live) buf_u8(&line, '\n');
    if (!line.failed) fwrite(line.data, 1, line.len, p->out);
    fflush(p->out);
    buf_fini(&line);
    p->drawn_ns = now_ns;
    p->drawn = true;
}

void progress_update(struct progress *p, uint64_t done)
{
    uint64_t now_ns = clock_ns();
    if (p->term.live) {
        if (now_ns - p->drawn_ns >= REDRAW_NS) show(p, done, now_ns);
        return;
    }
    double part = part_of(p, done);
    unsigned quarter = part < 0 ? 4 : (unsigned)(part * 4);
    if (quarter > p->quarters && quarter < 4) {
        p->quarters = quarter;
        show(p, done, now_ns);
    }
}

void progress_yield(struct progress *p)
{
    if (p->term.live && p->drawn) fputs("\r\033[K", p->out);
    p->drawn_ns = 0; /* the bar comes back with the next update */
}

void progress_end(struct progress *p, uint64_t done)
{
    show(p, done, clock_ns());
    if (p->term.live) fputc('\n', p->out);
    fflush(p->out);
}
