/* The table of defs/options.def as data: rows, look-up, names that resemble one. */
#include <stdlib.h>

#include "text/ascii.h"
#include "text/options.h"

static const struct option_info rows[] = {
#define OPTION_DURATION(name, aliases, standard, min, max, text)                                                       \
    {#name, aliases, OPT_DURATION, "ms", #standard, min, max, "", text, offsetof(struct options, name##_ms)},
#define OPTION_BOOL(name, aliases, standard, text)                                                                     \
    {#name, aliases, OPT_BOOL, "", #standard, 0, 1, "true|false", text, offsetof(struct options, name)},
#define OPTION_INT(name, aliases, standard, min, max, unit, text)                                                      \
    {#name, aliases, OPT_INT, unit, #standard, min, max, "", text, offsetof(struct options, name)},
#define OPTION_RATIO(name, aliases, standard, min, max, text)                                                          \
    {#name, aliases, OPT_RATIO, "", #standard, min, max, "", text, offsetof(struct options, name)},
#define OPTION_CHOICE(name, aliases, choices, standard, text)                                                          \
    {#name, aliases, OPT_CHOICE, "", #standard, 0, 0, choices, text, offsetof(struct options, name)},
#define OPTION_STRING(name, aliases, standard, text)                                                                   \
    {#name, aliases, OPT_STRING, "", standard, 0, 0, "", text, offsetof(struct options, name)},
#define OPTION_IGNORED(name, text) {#name, "", OPT_IGNORED, "", "", 0, 0, "", text, 0},
#include "../../defs/options.def"
};
enum { ROWS = sizeof rows / sizeof rows[0] };
_Static_assert(ROWS <= 8 * sizeof((struct options *)0)->was_set, "was_set has a bit for every option");

const struct option_info *options_list(size_t *count)
{
    if (count) *count = ROWS;
    return rows;
}

static bool in_list(const char *list, struct divan_bytes name)
{
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ",");
        if (ascii_equal(at, len, name.data, name.len)) return true;
        at += len + (at[len] == ',');
    }
    return false;
}

const struct option_info *options_find(struct divan_bytes name)
{
    if (!name.len) return NULL;
    for (size_t i = 0; i < ROWS; i++)
        if (ascii_equal(rows[i].name, strlen(rows[i].name), name.data, name.len) || in_list(rows[i].aliases, name))
            return &rows[i];
    return NULL;
}

/* ---- near names */

enum { NAME_MAX_LEN = 48, NEAR_MAX = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits to turn a into b, ignoring case: insert, delete, replace. */
static size_t edit_distance(struct divan_bytes a, const char *b)
{
    const char *text = a.data;
    size_t width = strlen(b), row[NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= width; j++) row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            bool same = ascii_lower((unsigned char)text[i - 1]) == ascii_lower((unsigned char)b[j - 1]);
            size_t replaced = diagonal + !same;
            diagonal = row[j];
            row[j] = least(replaced, 1 + least(row[j], row[j - 1]));
        }
    }
    return row[width];
}

static bool contains(const char *name, struct divan_bytes part)
{
    size_t len = strlen(name);
    for (size_t i = 0; part.len >= 4 && i + part.len <= len; i++)
        if (ascii_equal(name + i, part.len, part.data, part.len)) return true;
    return false;
}

/* Small is near; a name that contains what was typed is as near as three slips. */
static size_t nearness(const struct option_info *row, struct divan_bytes name)
{
    if (row->type == OPT_IGNORED || strlen(row->name) > NAME_MAX_LEN) return SIZE_MAX;
    size_t distance = edit_distance(name, row->name), allowed = least(name.len / 3 + 1, 5);
    if (distance <= allowed) return distance;
    return contains(row->name, name) ? 3 : SIZE_MAX;
}

void options_near(struct divan_bytes name, struct buf *out)
{
    if (!name.len || name.len > NAME_MAX_LEN) return;
    size_t found = 0, distances[ROWS];
    for (size_t i = 0; i < ROWS; i++) distances[i] = nearness(&rows[i], name);
    for (size_t distance = 0; distance <= 5 && found < NEAR_MAX; distance++)
        for (size_t i = 0; i < ROWS && found < NEAR_MAX; i++) {
            if (distances[i] != distance) continue;
            if (found++) buf_put_str(out, ", ");
            buf_put_str(out, rows[i].name);
        }
}
