#include "cli/importing.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/document.h"
#include "cli/drive.h"
#include "cli/keyform.h"

enum { BATCH_LINES = 8192, BATCH_BYTES = 8 << 20 };

struct entry {
    struct line line;
    uint64_t number;
    size_t raw_at, raw_len; /* the line as it was, for the rejects */
};

struct importing_batch {
    struct entry entries[BATCH_LINES];
    size_t count;
    struct buf texts;
    struct checkpoint place; /* behind its last line; counts without what is not stored yet */
    uint64_t done_before;
    bool ended, stop;
};

/* ---- what is refused */

static void refuse(struct importing *im, uint64_t number, struct divan_bytes raw, const struct divan_error *why)
{
    struct importing_batch *b = im->batch;
    b->place.bad++;
    im->plan->refused(im->plan->user, number, why);
    if (!im->plan->rejects) return;
    fwrite(raw.data, 1, raw.len, im->plan->rejects);
    fputc('\n', im->plan->rejects);
    b->place.rejects_bytes += raw.len + 1;
}

static void refuse_entry(struct importing *im, const struct entry *e, const struct divan_error *why)
{
    refuse(im, e->number, line_part(&im->batch->texts, e->raw_at, e->raw_len), why);
}

/* ---- reading a batch */

static enum divan_code make_key(const struct importing_plan *plan, uint64_t number, struct buf *texts,
                                struct line *line, struct divan_error *err)
{
    struct buf key = {.limit = 1 << 20};
    if (!plan->key_form && !line->key_len)
        return err_set(err, DIVAN_ERR_USAGE, "it has no member \"key\": --key makes keys from documents");
    if (!plan->key_form) return DIVAN_OK;
    enum divan_code rc = keyform_make(plan->key_form, line_part(texts, line->value_at, line->value_len), number, &key,
                                      err);
    line->key_at = texts->len;
    line->key_len = key.len;
    buf_put_bytes(texts, buf_view(&key));
    buf_fini(&key);
    return rc;
}

static bool is_blank(struct divan_bytes line)
{
    const char *text = line.data;
    for (size_t i = 0; i < line.len; i++)
        if (text[i] != ' ' && text[i] != '\t') return false;
    return true;
}

static enum divan_code add_line(struct importing *im, struct divan_bytes raw, struct divan_error *err)
{
    struct importing_batch *b = im->batch;
    struct entry *e = &b->entries[b->count];
    size_t before = b->texts.len;
    if (im->lines->number == 1 && raw.len >= 3 && memcmp(raw.data, "\xef\xbb\xbf", 3) == 0)
        raw = bytes_slice(raw, 3, raw.len); /* the mark that some editors put in front of UTF-8 */
    if (is_blank(raw)) return DIVAN_OK;
    *e = (struct entry){.number = im->lines->number, .raw_at = before, .raw_len = im->plan->rejects ? raw.len : 0};
    buf_put(&b->texts, raw.data, e->raw_len);
    enum divan_code rc = im->plan->form == IMPORT_VALUES ? line_read_value(raw, &b->texts, &e->line, err)
                                                         : line_read(raw, &b->texts, &e->line, err);
    if (!rc) rc = make_key(im->plan, e->number, &b->texts, &e->line, err);
    if (b->texts.failed) return err_oom(err);
    bool expired = !rc && e->line.expiry && e->line.expiry <= (uint64_t)time(NULL);
    im->expired += expired;
    if (rc == DIVAN_ERR_OUT_OF_MEMORY) return rc;
    if (rc) refuse(im, e->number, raw, err);
    if (rc || expired) b->texts.len = before;
    else b->count++;
    return DIVAN_OK;
}

static enum divan_code fill(struct importing *im, struct divan_error *err)
{
    struct importing_batch *b = im->batch;
    struct divan_bytes raw;
    enum divan_code rc = DIVAN_OK;
    while (!rc && !b->ended && b->count < BATCH_LINES && b->texts.len < BATCH_BYTES) {
        if (b->count && !lines_ready(im->lines)) break; /* who writes slowly should see his documents soon */
        enum lines_event event = lines_next(im->lines, &raw, err);
        if (event == LINES_LINE) rc = add_line(im, raw, err);
        if (event == LINES_FAILED) rc = err->code;
        b->ended = event == LINES_END || event == LINES_INTERRUPTED;
        if (event == LINES_TOO_LONG) {
            err_set(err, DIVAN_ERR_VALUE_TOO_LARGE, "it has more than %d bytes", LINES_MAX_BYTES);
            refuse(im, im->lines->number, bytes_of("", 0), err);
        }
    }
    b->place.line = im->lines->number;
    b->place.offset = im->lines->offset;
    return rc;
}

/* ---- storing it */

/* The line has a moment, the library takes a length of time. */
static uint32_t expiry_of(const struct importing *im, const struct line *line)
{
    uint64_t now_s = (uint64_t)time(NULL);
    if (!line->expiry) return im->plan->expiry_s;
    return line->expiry > now_s ? (uint32_t)(line->expiry - now_s) : 1;
}

static enum divan_code start(void *user, uint64_t i, struct divan_done done, struct divan_error *err)
{
    const struct importing *im = user;
    const struct importing_plan *plan = im->plan;
    const struct buf *texts = &im->batch->texts;
    const struct line *line = &im->batch->entries[i].line;
    struct divan_bytes key = line_part(texts, line->key_at, line->key_len);
    struct divan_bytes value = line_part(texts, line->value_at, line->value_len);
    uint32_t expiry_s = expiry_of(im, line);
    const struct divan_insert_options insert = {
        .timeout_ms = plan->timeout_ms, .expiry_s = expiry_s, .flags = line->flags, .durability = plan->durability};
    const struct divan_upsert_options upsert = {
        .timeout_ms = plan->timeout_ms, .expiry_s = expiry_s, .flags = line->flags, .durability = plan->durability};
    const struct divan_replace_options replace = {
        .timeout_ms = plan->timeout_ms, .expiry_s = expiry_s, .flags = line->flags, .durability = plan->durability};
    switch (plan->store) {
    case DIVAN_STORE_INSERT:
        return divan_insert_start(im->collection, key, value, &insert, done, err);
    case DIVAN_STORE_REPLACE:
        return divan_replace_start(im->collection, key, value, &replace, done, err);
    default:
        return divan_upsert_start(im->collection, key, value, &upsert, done, err);
    }
}

/* Whether a code is about this one document: the others may go on. */
static bool is_about_document(enum divan_code code)
{
    return document_exit(code) == EXIT_REFUSED || code == DIVAN_ERR_KEY_EMPTY || code == DIVAN_ERR_KEY_TOO_LONG;
}

static bool not_started(void *user, uint64_t i, const struct divan_error *err)
{
    struct importing *im = user;
    if (!is_about_document(err->code)) return false;
    refuse_entry(im, &im->batch->entries[i], err);
    return true;
}

static enum divan_code stored(void *user, uint64_t i, const divan_result *result, uint64_t ns, struct divan_error *err)
{
    struct importing *im = user;
    const struct entry *e = &im->batch->entries[i];
    const struct divan_error *failed = divan_result_error(result);
    (void)ns;
    if (!failed) return im->batch->place.stored++, DIVAN_OK;
    if (is_about_document(failed->code)) return refuse_entry(im, e, failed), DIVAN_OK;
    err_set(err, failed->code, "line %" PRIu64 ": %s", e->number, failed->message);
    return failed->code;
}

static bool turn(void *user, uint64_t finished)
{
    struct importing *im = user;
    if (!im->plan->turn(im->plan->user, im->batch->done_before + finished)) im->batch->stop = true;
    return true; /* a batch is finished in any case */
}

enum divan_code importing_step(struct importing *im, bool *more, struct divan_error *err)
{
    if (!im->batch) im->batch = mem_zalloc(sizeof *im->batch);
    struct importing_batch *b = im->batch;
    if (!b) return err_oom(err);
    b->count = 0;
    b->texts.limit = 512 << 20;
    buf_clear(&b->texts);
    b->place = im->place;
    b->done_before = im->place.stored + im->place.bad;
    enum divan_code rc = fill(im, err);
    const struct drive_plan plan = {
        .window = im->plan->window,
        .total = b->count,
        .user = im,
        .start = start,
        .refused = not_started,
        .done = stored,
        .turn = turn,
    };
    if (!rc && b->count) rc = drive(im->cluster, &plan, err);
    if (!rc && im->plan->rejects && (fflush(im->plan->rejects) != 0 || ferror(im->plan->rejects)))
        rc = err_sys(err, DIVAN_ERR_FILE_WRITE, errno, "cannot write the lines that were refused");
    if (!rc) im->place = b->place;
    *more = !rc && !b->ended && !b->stop;
    return rc;
}

void importing_fini(struct importing *im)
{
    if (im->batch) buf_fini(&im->batch->texts);
    mem_free(im->batch);
    im->batch = NULL;
}
