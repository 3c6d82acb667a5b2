#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>

enum { ROW_MAX = 1024 };

static void add_cells(struct table *t, char *row)
{
    for (size_t i = 0; i < t->columns; i++) {
        char *end = strchr(row, '|');
        size_t len = end ? (size_t)(end - row) : strlen(row);
        buf_put(&t->cells, row, len);
        buf_u8(&t->cells, 0);
        row += end ? len + 1 : len;
    }
    t->rows++;
}

void table_init(struct table *t, const char *header)
{
    char row[ROW_MAX];
    size_t len = 0;
    *t = (struct table){.cells = {.limit = 1 << 20}, .columns = 1};
    bool first = true;
    for (const char *c = header; *c && len + 1 < sizeof row && t->columns <= TABLE_COLUMNS; c++) {
        if (first && *c == '>') t->right[t->columns - 1] = true;
        else row[len++] = *c;
        first = *c == '|';
        t->columns += first;
    }
    row[len] = 0;
    add_cells(t, row);
}

void table_add(struct table *t, const char *format, ...)
{
    char row[ROW_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(row, sizeof row, format, args);
    va_end(args);
    add_cells(t, row);
}

void table_add_cells(struct table *t, const char *const *cells)
{
    for (size_t i = 0; i < t->columns; i++) {
        if (cells[i]) buf_put_str(&t->cells, cells[i]);
        buf_u8(&t->cells, 0);
    }
    t->rows++;
}

static void spaces(struct buf *out, size_t n)
{
    while (n--) buf_u8(out, ' ');
}

static void rule(const struct table *t, const struct term *term, int indent, const size_t *widths, struct buf *out)
{
    spaces(out, (size_t)indent);
    buf_put_str(out, term_style(term, TERM_DIM));
    for (size_t i = 0; i < t->columns; i++) {
        if (i) spaces(out, 2);
        for (size_t n = 0; n < widths[i]; n++) buf_put_str(out, term->utf8 ? "─" : "-");
    }
    buf_put_str(out, term_style(term, TERM_PLAIN));
    buf_u8(out, '\n');
}

static const char *draw_row(const struct table *t, const char *cell, const size_t *widths, int indent, struct buf *out)
{
    spaces(out, (size_t)indent);
    for (size_t i = 0; i < t->columns; i++, cell += strlen(cell) + 1) {
        size_t pad = widths[i] - text_columns(cell);
        bool last = i + 1 == t->columns;
        if (i) spaces(out, 2);
        if (t->right[i]) spaces(out, pad);
        buf_put_str(out, cell);
        if (!t->right[i] && !last) spaces(out, pad);
    }
    while (out->len && out->data[out->len - 1] == ' ') out->len--; /* an empty last cell */
    return cell;
}

void table_draw(const struct table *t, const struct term *term, int indent, struct buf *out)
{
    size_t widths[TABLE_COLUMNS] = {0};
    if (t->cells.failed) {
        out->failed = true;
        return;
    }
    const char *cell = (const char *)t->cells.data;
    for (size_t i = 0; i < t->columns * t->rows; i++, cell += strlen(cell) + 1) {
        size_t columns = text_columns(cell), *width = &widths[i % t->columns];
        if (columns > *width) *width = columns;
    }
    cell = (const char *)t->cells.data;
    for (size_t row = 0; row < t->rows; row++) {
        bool header = row == 0, sum = t->total && row + 1 == t->rows;
        if (sum) rule(t, term, indent, widths, out);
        buf_put_str(out, header || sum ? term_style(term, TERM_BOLD) : "");
        cell = draw_row(t, cell, widths, indent, out);
        buf_put_str(out, header || sum ? term_style(term, TERM_PLAIN) : "");
        buf_u8(out, '\n');
        if (header) rule(t, term, indent, widths, out);
    }
}

void table_fini(struct table *t)
{
    buf_fini(&t->cells);
}
