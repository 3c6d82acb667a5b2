/* Sub-document answers: what became of each spec, and projections. */
#include "base/error.h"
#include "client/project.h"
#include "client/retry.h"
#include "client/specs.h"
#include "text/json.h"
#include "wire/compress.h"

bool specs_has_results(const struct operation *op, uint16_t status)
{
    if (status == ST_SUBDOC_SUCCESS_DELETED) return true;
    if (op->kind != KIND_LOOKUP_IN && op->kind != KIND_GET_PROJECTED) return false;
    return status == ST_SUBDOC_MULTI_PATH_FAILURE || status == ST_SUBDOC_MULTI_PATH_FAILURE_DELETED;
}

bool specs_failure(const struct operation *op, const struct frame *f, size_t *spec, uint16_t *status)
{
    bool is_multi = f->status == ST_SUBDOC_MULTI_PATH_FAILURE || f->status == ST_SUBDOC_MULTI_PATH_FAILURE_DELETED;
    if (op->kind != KIND_MUTATE_IN || !is_multi) return false;
    struct rd r = rd_from(f->value);
    size_t at = rd_u8(&r);
    uint16_t its = rd_u16be(&r);
    if (!rd_ok(&r) || at >= op->spec_count) return false;
    *spec = op->spec_order[at];
    *status = its;
    return true;
}

/* ---- the program's view */

static size_t place_of(const struct operation *op, size_t spec)
{
    size_t at = 0;
    while (at < op->spec_count && op->spec_order[at] != spec) at++;
    return at;
}

static bool find_lookup(const struct operation *op, size_t at, struct pathop_result *out)
{
    struct rd r = rd_from(op->value);
    for (size_t i = 0; pathop_next_lookup(&r, out); i++)
        if (i == at) return true;
    return false;
}

/* Only specs that answer a value are in the answer to a mutation. */
static bool find_mutation(const struct operation *op, size_t at, struct pathop_result *out)
{
    struct rd r = rd_from(op->value);
    while (pathop_next_mutation(&r, out))
        if (out->index == at) return true;
    *out = (struct pathop_result){.index = (uint8_t)at};
    return rd_ok(&r);
}

static void tell_existence(struct divan_spec_result *out)
{
    if (out->code == DIVAN_ERR_PATH_NOT_FOUND) out->code = DIVAN_OK;
    if (!out->code) out->value = divan_str(out->exists ? "true" : "false");
}

static bool is_sub_document(const struct operation *op)
{
    return op->kind == KIND_LOOKUP_IN || op->kind == KIND_MUTATE_IN;
}

size_t divan_result_spec_count(const divan_result *result)
{
    const struct operation *op = result ? result_op(result) : NULL;
    return op && is_sub_document(op) ? op->spec_count : 0;
}

enum divan_code divan_result_spec(const divan_result *result, size_t i, struct divan_spec_result *out)
{
    const struct operation *op = result ? result_op(result) : NULL;
    struct pathop_result found = {.status = 0};
    *out = (struct divan_spec_result){.code = DIVAN_ERR_INVALID_ARGUMENT};
    if (i >= divan_result_spec_count(result)) return out->code;
    if (op->error) return out->code = op->error->code;
    size_t at = place_of(op, i);
    bool ok = op->kind == KIND_LOOKUP_IN ? find_lookup(op, at, &found) : find_mutation(op, at, &found);
    if (!ok) return out->code = DIVAN_ERR_PROTOCOL_ERROR;
    out->status = found.status;
    out->code = found.status == ST_EACCESS ? DIVAN_ERR_XATTR_NO_ACCESS : code_of_status(found.status);
    out->exists = !out->code;
    if (!out->code) out->value = found.value;
    if (op->exists_mask >> i & 1) tell_existence(out);
    return out->code;
}

int divan_result_spec_failed(const divan_result *result)
{
    return result && is_sub_document(result_op(result)) ? result_op(result)->spec_failed - 1 : -1;
}

bool divan_result_deleted(const divan_result *result)
{
    return result && result_op(result)->is_deleted;
}

/* ---- projections */

static enum divan_code take_expiry(struct operation *op, struct rd *r, struct divan_error *err)
{
    struct pathop_result result;
    uint64_t seconds = 0;
    if (!pathop_next_lookup(r, &result) || result.status || !json_to_u64(json_value_of(result.value), &seconds))
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the server did not tell the expiry of the document");
    op->number = seconds;
    return DIVAN_OK;
}

static bool next_path(struct rd *paths, struct divan_bytes *path)
{
    if (!paths->left) return false;
    *path = rd_take(paths, rd_u16be(paths));
    return rd_ok(paths);
}

/* A path that is not there is left out of the projection; anything else the server says about it is the answer. */
static enum divan_code add_parts(struct projection *p, struct rd *r, struct rd paths, struct divan_error *err)
{
    struct divan_bytes path;
    struct pathop_result part;
    enum divan_code rc = DIVAN_OK;
    while (!rc && next_path(&paths, &path)) {
        if (!pathop_next_lookup(r, &part))
            return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the server answered fewer paths than were asked for");
        enum divan_code code = code_of_status(part.status);
        if (code == DIVAN_ERR_PATH_NOT_FOUND || code == DIVAN_ERR_PATH_MISMATCH) continue;
        if (code)
            return err_set(err, code, "path \"%.*s\" of the projection: %s", (int)(path.len < 80 ? path.len : 80),
                           (const char *)path.data, err_code_text(code));
        rc = projection_add(p, path, part.value, err);
    }
    return rc;
}

static enum divan_code project_document(struct projection *p, struct divan_bytes document, struct rd paths,
                                        struct divan_error *err)
{
    struct divan_bytes path;
    enum divan_code rc = DIVAN_OK;
    if (!json_is_valid(document))
        return err_set(err, DIVAN_ERR_DOCUMENT_NOT_JSON, "the document is not JSON, so it has no paths");
    while (!rc && next_path(&paths, &path)) rc = projection_take(p, path, document, err);
    return rc;
}

static enum divan_code take_document(struct operation *op, struct rd *r, struct divan_bytes *out, struct buf *scratch,
                                     struct divan_error *err)
{
    struct pathop_result whole;
    if (!pathop_next_lookup(r, &whole))
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the server's answer to a get with expiry is not well-formed");
    if (whole.status) return err_set(err, code_of_status(whole.status), "the document could not be read");
    *out = whole.value;
    return DIVAN_OK;
}

enum divan_code specs_project(struct operation *op, const struct frame *f, struct buf *scratch, struct divan_error *err)
{
    struct divan_bytes answer = f->value, document = {NULL, 0};
    struct rd paths = rd_from(bytes_slice(buf_view(&op->own), op->value.len, op->own.len));
    struct buf inflated = {.limit = INFLATE_MAX};
    struct projection p = {.nodes = NULL};
    enum divan_code rc = DIVAN_OK;
    if (f->datatype & DATATYPE_SNAPPY) {
        rc = value_inflate(f->value, INFLATE_MAX, &inflated, err);
        answer = buf_view(&inflated);
    }
    struct rd r = rd_from(answer);
    bool is_whole = op->spec_count == (op->with_expiry ? 2 : 1) &&
                    (!paths.left || specs_path(op, op->spec_count - 1u).len == 0);
    if (!rc && op->with_expiry) rc = take_expiry(op, &r, err);
    if (!rc && is_whole) rc = take_document(op, &r, &document, scratch, err);
    if (!rc && paths.left) {
        rc = is_whole ? project_document(&p, document, paths, err) : add_parts(&p, &r, paths, err);
        buf_clear(scratch);
        if (!rc) rc = projection_put(&p, scratch, err);
        document = buf_view(scratch);
    }
    if (!rc && !op_own_value(op, document)) rc = err_oom(err);
    projection_fini(&p);
    buf_fini(&inflated);
    return rc;
}
