#include "cli/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/value.h"
#include "manager/json_writer.h"

static bool number(struct json_value object, const char *name, uint64_t *out)
{
    return json_to_u64(json_member(object, name), out);
}

enum divan_code checkpoint_read(const char *path, const char *input, struct checkpoint *out, bool *found,
                                struct divan_error *err)
{
    struct buf text = {0};
    *found = access(path, F_OK) == 0;
    if (!*found) return DIVAN_OK;
    enum divan_code rc = value_load_file(path, &text, err);
    struct json_value object = json_value_of(buf_view(&text));
    struct json_value made_for = json_member(object, "input");
    if (!rc && (!json_is_valid(buf_view(&text)) || !number(object, "line", &out->line) ||
                !number(object, "offset", &out->offset) || !number(object, "stored", &out->stored) ||
                !number(object, "bad", &out->bad) || !number(object, "rejects_bytes", &out->rejects_bytes)))
        rc = err_set(err, DIVAN_ERR_USAGE, "%s is not a checkpoint of divan import", path);
    if (!rc && !(made_for.type == JSON_STRING && json_string_is(made_for.text, divan_str(input))))
        rc = err_set(err, DIVAN_ERR_USAGE, "the checkpoint %s belongs to the input %.*s: remove it to begin anew", path,
                     (int)made_for.text.len, made_for.text.data ? (const char *)made_for.text.data : "");
    buf_fini(&text);
    return rc;
}

enum divan_code checkpoint_write(const char *path, const char *input, const struct checkpoint *c,
                                 struct divan_error *err)
{
    char other[4096];
    struct buf out = {.limit = 64 << 10};
    jw_open(&out, NULL, '{');
    jw_str(&out, "input", input);
    jw_uint(&out, "line", c->line);
    jw_uint(&out, "offset", c->offset);
    jw_uint(&out, "stored", c->stored);
    jw_uint(&out, "bad", c->bad);
    jw_uint(&out, "rejects_bytes", c->rejects_bytes);
    jw_close(&out, '}');
    buf_u8(&out, '\n');
    snprintf(other, sizeof other, "%s.new", path);
    enum divan_code rc = out.failed ? err_oom(err) : DIVAN_OK;
    FILE *file = rc ? NULL : fopen(other, "wbe");
    bool ok = file && fwrite(out.data, 1, out.len, file) == out.len;
    if (file && fclose(file) != 0) ok = false;
    ok = ok && rename(other, path) == 0;
    if (!rc && !ok) rc = err_sys(err, DIVAN_ERR_FILE_WRITE, errno, "cannot write the checkpoint %s", path);
    buf_fini(&out);
    return rc;
}

void checkpoint_remove(const char *path)
{
    unlink(path);
}
