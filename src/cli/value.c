#include "cli/value.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "manager/json_writer.h"
#include "text/http.h"
#include "text/json.h"
#include "text/utf8.h"

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

bool utf8_valid(struct divan_bytes text)
{
    struct rd r = rd_from(text);
    while (r.left) {
        size_t len = utf8_length(r.at, r.left);
        if (!len) return false;
        rd_take(&r, len);
    }
    return true;
}

static bool is_json(struct divan_bytes value)
{
    return json_check(value, JSON_UTF8, 0, NULL) == JSON_VALID;
}

uint32_t value_flags_of(struct divan_bytes value)
{
    if (is_json(value)) return VALUE_FLAGS_JSON;
    return utf8_valid(value) ? VALUE_FLAGS_UTF8 : VALUE_FLAGS_RAW;
}

enum value_kind value_kind_of(struct divan_bytes value, uint32_t flags)
{
    enum { FORMAT_RAW = 3, FORMAT_UTF8 = 4 };
    unsigned format = flags >> 24;
    if (format != FORMAT_RAW && format != FORMAT_UTF8 && is_json(value)) return VALUE_JSON;
    return format != FORMAT_RAW && utf8_valid(value) ? VALUE_TEXT : VALUE_BINARY;
}

void value_show(struct buf *out, struct divan_bytes value, uint32_t flags)
{
    struct buf encoded = {.limit = 128 << 20};
    switch (value_kind_of(value, flags)) {
    case VALUE_JSON:
        jw_str(out, "format", "json");
        jw_key(out, "value");
        json_put_compact(out, value);
        break;
    case VALUE_TEXT:
        jw_str(out, "format", "text");
        jw_bytes(out, "value", value);
        break;
    case VALUE_BINARY:
        base64_encode(value, &encoded);
        jw_str(out, "format", "base64");
        jw_bytes(out, "value_base64", buf_view(&encoded));
        if (encoded.failed) out->failed = true;
        buf_fini(&encoded);
    }
}
