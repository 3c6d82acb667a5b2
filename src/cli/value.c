#include "cli/value.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "text/http.h"
#include "text/json.h"

enum { FILE_MAX = 64 << 20 }; /* above the 20 MiB a server takes, so that the library says it */

static enum divan_code read_all(FILE *file, const char *name, struct buf *out, struct divan_error *err)
{
    size_t n;
    *out = (struct buf){.limit = FILE_MAX};
    do {
        uint8_t *at = buf_reserve(out, 64 << 10) ? out->data + out->len : NULL;
        n = at ? fread(at, 1, 64 << 10, file) : 0;
        out->len += n;
    } while (n);
    if (out->failed && out->len + (64 << 10) <= FILE_MAX) return err_oom(err);
    if (out->failed)
        return err_set(err, DIVAN_ERR_VALUE_TOO_LARGE, "%s is larger than the 20 MiB a document may have", name);
    if (ferror(file)) return err_sys(err, DIVAN_ERR_FILE_READ, errno, "cannot read %s", name);
    return DIVAN_OK;
}

enum divan_code value_load_file(const char *path, struct buf *out, struct divan_error *err)
{
    if (strcmp(path, "-") == 0) return read_all(stdin, "standard input", out, err);
    FILE *file = fopen(path, "rbe");
    *out = (struct buf){0};
    if (!file) return err_sys(err, DIVAN_ERR_FILE_READ, errno, "cannot open the file %s", path);
    enum divan_code rc = read_all(file, path, out, err);
    fclose(file);
    return rc;
}

enum divan_code value_load(const char *operand, struct buf *out, struct divan_error *err)
{
    if (strcmp(operand, "-") == 0) return value_load_file(operand, out, err);
    if (operand[0] == '@' && operand[1] != '@') return value_load_file(operand + 1, out, err);
    if (operand[0] == '@') operand++;
    *out = (struct buf){.limit = FILE_MAX};
    buf_put_str(out, operand);
    return out->failed ? err_oom(err) : DIVAN_OK;
}

/* RFC 3629: shortest forms only, no surrogates, up to U+10FFFF. */
static bool utf8_next(struct rd *r)
{
    uint8_t lead = rd_u8(r);
    if (lead < 0x80) return true;
    unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4) return false;
    uint32_t code = lead & (0x3fu >> more);
    for (unsigned i = 0; i < more; i++) {
        uint8_t next = rd_u8(r);
        if ((next & 0xc0) != 0x80) return false;
        code = code << 6 | (next & 0x3f);
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    return rd_ok(r) && code >= least[more] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
}

bool utf8_valid(struct divan_bytes text)
{
    struct rd r = rd_from(text);
    while (r.left)
        if (!utf8_next(&r)) return false;
    return true;
}

static bool is_json(struct divan_bytes value) { return json_check(value, JSON_UTF8, 0, NULL) == JSON_VALID; }

uint32_t value_flags_of(struct divan_bytes value)
{
    if (is_json(value)) return VALUE_FLAGS_JSON;
    return utf8_valid(value) ? VALUE_FLAGS_UTF8 : VALUE_FLAGS_RAW;
}

void value_show(struct json_out *j, struct divan_bytes value, uint32_t flags)
{
    enum { FORMAT_JSON = 2, FORMAT_RAW = 3, FORMAT_UTF8 = 4 };
    unsigned format = flags >> 24;
    bool text = format == FORMAT_RAW || format == FORMAT_UTF8;
    if (!text && is_json(value)) {
        json_str(j, "format", "json");
        json_raw(j, "value", value);
    } else if (format != FORMAT_RAW && utf8_valid(value)) {
        json_str(j, "format", "text");
        json_bytes(j, "value", value);
    } else {
        struct buf encoded = {.limit = 128 << 20};
        base64_encode(value, &encoded);
        json_str(j, "format", "base64");
        json_bytes(j, "value_base64", buf_view(&encoded));
        if (encoded.failed) j->out->failed = true;
        buf_fini(&encoded);
    }
}
