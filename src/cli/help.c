#include "cli/help.h"

#include <stdio.h>

enum { TEXT_COLUMN = 30, WIDTH_MAX = 100, WIDTH_MIN = 50 };

static size_t width_of(const struct term *term)
{
    size_t columns = (size_t)term->columns;
    return columns > WIDTH_MAX ? WIDTH_MAX : columns < WIDTH_MIN ? WIDTH_MIN : columns;
}

/* Words of text, filled to width, lines after the first indented; at is the column the first word begins in. */
static void fill(struct buf *out, const char *text, size_t at, size_t indent, size_t width)
{
    bool begun = false;
    while (*text) {
        size_t len = strcspn(text, " \n");
        if (begun && at + 1 + len > width) {
            buf_u8(out, '\n');
            for (size_t i = 0; i < indent; i++) buf_u8(out, ' ');
            at = indent;
        } else if (begun) {
            buf_u8(out, ' ');
            at++;
        }
        buf_put(out, text, len);
        at += len;
        begun = true;
        text += len;
        if (text[0] == '\n' && text[1] == '\n') {
            buf_put_str(out, "\n\n");
            at = indent;
            begun = false;
        }
        text += strspn(text, " \n");
    }
    buf_u8(out, '\n');
}

/* What follows the text of a row: where its value comes from when it is not given. */
static void row_text(const struct opt_row *row, struct buf *out, const char *quote)
{
    buf_put_str(out, row->text);
    if (row->choices) {
        buf_put_str(out, ": ");
        for (int i = 0; row->choices[i]; i++) buf_printf(out, "%s%s%s%s", i ? ", " : "", quote, row->choices[i], quote);
    }
    if (row->preset) buf_printf(out, " (default %s%s%s)", quote, row->preset, quote);
    if (row->kind == OPT_LIST) buf_put_str(out, "; may be repeated");
    if (!row->env) return;
    buf_put_str(out, "; environment: ");
    for (const char *at = row->env; *at;) {
        size_t len = strcspn(at, " ");
        buf_printf(out, "%s%s%.*s%s", at == row->env ? "" : ", ", quote, (int)len, at, quote);
        at += len;
        at += strspn(at, " ");
    }
}

static void row_name(const struct opt_row *row, struct buf *out)
{
    if (row->letter) buf_printf(out, "-%c, ", row->letter);
    buf_printf(out, "--%s", row->name);
    if (row->kind != OPT_FLAG) buf_printf(out, " %s", row->placeholder);
}

static void option_lines(const struct command *c, struct buf *out, const struct term *term)
{
    for (const struct opt_group *g = c->groups; g && g->title; g++) {
        buf_printf(out, "\n%s%s%s\n", term_style(term, TERM_BOLD), g->title, term_style(term, TERM_PLAIN));
        for (const struct opt_row *row = g->rows; row->name; row++) {
            struct buf text = {.limit = 4096};
            size_t before = out->len;
            buf_put_str(out, row->letter ? "  " : "      ");
            row_name(row, out);
            size_t at = out->len - before;
            do buf_u8(out, ' ');
            while (++at < TEXT_COLUMN);
            row_text(row, &text, "");
            const char *words = buf_text(&text);
            fill(out, words ? words : row->text, at, TEXT_COLUMN, width_of(term));
            buf_fini(&text);
        }
    }
}

static void indented(struct buf *out, const char *lines)
{
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        buf_printf(out, "  %.*s\n", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

static void usage(const struct command *c, struct buf *out)
{
    buf_printf(out, "divan %s%s%s%s%s", c->name, c->groups ? " [OPTION...]" : "", c->operands ? " " : "",
               c->operands ? c->operands : "", "");
}

void help_command(const struct command *c, struct buf *out, const struct term *term)
{
    const char *bold = term_style(term, TERM_BOLD), *plain = term_style(term, TERM_PLAIN);
    buf_printf(out, "%sdivan %s%s: %s\n\n%sUsage%s\n  ", bold, c->name, plain, c->summary, bold, plain);
    usage(c, out);
    buf_u8(out, '\n');
    if (c->text) {
        buf_u8(out, '\n');
        fill(out, c->text, 0, 0, width_of(term));
    }
    option_lines(c, out, term);
    if (!c->example) return;
    buf_printf(out, "\n%sExample%s\n", bold, plain);
    indented(out, c->example);
}

void help_overview(struct buf *out, const struct term *term)
{
    const char *bold = term_style(term, TERM_BOLD), *plain = term_style(term, TERM_PLAIN);
    buf_printf(out,
               "%sdivan%s: documents in a Couchbase cluster, and a local cluster to develop against\n\n"
               "%sUsage%s\n  divan COMMAND [OPTION...] [OPERAND...]\n\n%sCommands%s\n",
               bold, plain, bold, plain, bold, plain);
    for (const struct command *const *c = commands; *c; c++)
        if (!(*c)->hidden) {
            buf_printf(out, "  %-10s ", (*c)->name);
            fill(out, (*c)->summary, 13, 13, width_of(term));
        }
    buf_printf(out,
               "\ndivan help COMMAND shows what a command takes.\n"
               "Exit status: 0 done or found; 1 the data says no (not found, exists, changed); 2 anything else.\n");
}

/* ---- the reference page */

static void reference_command(const struct command *c, struct buf *out)
{
    buf_printf(out, "\n## divan %s\n\n%c%s.\n\n```\n", c->name, c->summary[0] - 'a' + 'A', c->summary + 1);
    usage(c, out);
    buf_put_str(out, "\n```\n");
    if (c->text) buf_printf(out, "\n%s\n", c->text);
    if (c->example) buf_printf(out, "\n```sh\n%s\n```\n", c->example);
    for (const struct opt_group *g = c->groups; g && g->title; g++) {
        buf_printf(out, "\n| %s | |\n|---|---|\n", g->title);
        for (const struct opt_row *row = g->rows; row->name; row++) {
            buf_put_str(out, "| `");
            row_name(row, out);
            buf_put_str(out, "` | ");
            row_text(row, out, "`");
            buf_put_str(out, " |\n");
        }
    }
}

void help_reference(struct buf *out)
{
    buf_put_str(out,
                "# The `divan` command\n\n"
                "Made by `divan help --reference` from the tables of the program: change `src/cli/`, not this page.\n\n"
                "Exit status of every command: 0 done or found; 1 a definite refusal by the data (not found, exists, "
                "changed since the given CAS, locked, not a counter, too large); 2 anything else. What went wrong is "
                "one sentence on standard error.\n\n"
                "| command | |\n|---|---|\n");
    for (const struct command *const *c = commands; *c; c++)
        if (!(*c)->hidden) buf_printf(out, "| [`divan %s`](#divan-%s) | %s |\n", (*c)->name, (*c)->name, (*c)->summary);
    for (const struct command *const *c = commands; *c; c++)
        if (!(*c)->hidden) reference_command(*c, out);
}
