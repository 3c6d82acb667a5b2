#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { CHUNK_BYTES = 1 << 20 };

enum divan_code lines_open(struct lines *l, const char *path, struct divan_error *err)
{
    struct stat st;
    bool standard = strcmp(path, "-") == 0;
    *l = (struct lines){
        .fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC),
        .name = standard ? "standard input" : path,
        .data = {.limit = LINES_MAX_BYTES + 2 * CHUNK_BYTES},
    };
    if (l->fd < 0) return err_sys(err, DIVAN_ERR_FILE_READ, errno, "cannot open the file %s", path);
    if (fstat(l->fd, &st) == 0 && S_ISREG(st.st_mode)) l->size = (uint64_t)st.st_size;
    return DIVAN_OK;
}

void lines_close(struct lines *l)
{
    if (l->fd > STDERR_FILENO) close(l->fd);
    buf_fini(&l->data);
    *l = (struct lines){.fd = -1};
}

static enum lines_event refill(struct lines *l, struct divan_error *err)
{
    buf_drop_front(&l->data, l->at);
    l->searched -= l->at;
    l->at = 0;
    if (!buf_reserve(&l->data, CHUNK_BYTES)) return err_oom(err), LINES_FAILED;
    ssize_t n = read(l->fd, l->data.data + l->data.len, CHUNK_BYTES);
    if (n < 0 && errno == EINTR) return LINES_INTERRUPTED;
    if (n < 0) return err_sys(err, DIVAN_ERR_FILE_READ, errno, "cannot read %s", l->name), LINES_FAILED;
    l->data.len += (size_t)n;
    l->ended = n == 0;
    return LINES_LINE;
}

/* The line that ends at `end` (without its newline), ended by `newline` bytes. */
static enum lines_event give(struct lines *l, size_t end, size_t newline, struct divan_bytes *out)
{
    struct divan_bytes line = bytes_slice(buf_view(&l->data), l->at, end - l->at);
    const char *text = line.data;
    l->offset += line.len + newline;
    l->number++;
    l->at = l->searched = end + newline;
    if (line.len && text[line.len - 1] == '\r') line.len--;
    *out = line;
    bool too_long = l->too_long;
    l->too_long = false;
    return too_long ? LINES_TOO_LONG : LINES_LINE;
}

/* A line beyond the limit is forgotten as it comes, up to its end. */
static void forget(struct lines *l)
{
    l->offset += l->data.len - l->at;
    l->at = l->searched = l->data.len;
    l->too_long = true;
}

enum lines_event lines_next(struct lines *l, struct divan_bytes *out, struct divan_error *err)
{
    for (;;) {
        const uint8_t *from = l->data.data ? l->data.data + l->searched : NULL;
        const uint8_t *end = from ? memchr(from, '\n', l->data.len - l->searched) : NULL;
        if (end) return give(l, (size_t)(end - l->data.data), 1, out);
        l->searched = l->data.len;
        if (l->ended && l->at == l->data.len && !l->too_long) return LINES_END;
        if (l->ended) return give(l, l->data.len, 0, out);
        if (l->data.len - l->at > LINES_MAX_BYTES) forget(l);
        enum lines_event event = refill(l, err);
        if (event != LINES_LINE) return event;
    }
}

bool lines_ready(const struct lines *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    if (l->ended || l->size) return true;
    if (l->data.len > l->at && memchr(l->data.data + l->at, '\n', l->data.len - l->at)) return true;
    return poll(&p, 1, 0) != 0;
}

static enum divan_code seek(struct lines *l, uint64_t offset, struct divan_error *err)
{
    char before = '\n';
    if (offset > l->size)
        return err_set(err, DIVAN_ERR_USAGE,
                       "%s is shorter than the %" PRIu64 " bytes that were read: it is another file", l->name, offset);
    if (lseek(l->fd, (off_t)offset - 1, SEEK_SET) < 0 || read(l->fd, &before, 1) != 1)
        return err_sys(err, DIVAN_ERR_FILE_READ, errno, "cannot read %s", l->name);
    /* the end of the file may be the end of a line that lacks it */
    if (before != '\n' && offset != l->size)
        return err_set(err, DIVAN_ERR_USAGE, "no line of %s begins at byte %" PRIu64 ": it is another file", l->name,
                       offset);
    return DIVAN_OK;
}

enum divan_code lines_skip(struct lines *l, uint64_t offset, uint64_t number, struct divan_error *err)
{
    struct divan_bytes line;
    enum lines_event event = LINES_LINE;
    if (offset && l->size) {
        enum divan_code rc = seek(l, offset, err);
        l->offset = offset;
        l->number = number;
        return rc;
    }
    while (l->number < number && (event == LINES_LINE || event == LINES_TOO_LONG)) event = lines_next(l, &line, err);
    if (event == LINES_FAILED) return err->code;
    if (event == LINES_INTERRUPTED) return err_set(err, DIVAN_ERR_CANCELLED, "interrupted");
    if (event == LINES_END)
        return err_set(err, DIVAN_ERR_USAGE, "%s has %" PRIu64 " lines only, %" PRIu64 " are to be skipped", l->name,
                       l->number, number);
    return DIVAN_OK;
}
