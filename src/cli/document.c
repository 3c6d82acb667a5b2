#include "cli/document.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "manager/json_writer.h"
#include "cli/value.h"

const char *const durability_names[] = {"none", "majority", "majority-and-persist-to-active", "persist-to-majority",
                                        NULL};
const char *const store_names[] = {"replace", "upsert", "insert", NULL};

int document_exit(enum divan_code code)
{
    switch (code) {
    case DIVAN_OK:
        return EXIT_DONE;
    case DIVAN_ERR_DOCUMENT_NOT_FOUND:
    case DIVAN_ERR_DOCUMENT_EXISTS:
    case DIVAN_ERR_DOCUMENT_LOCKED:
    case DIVAN_ERR_CAS_MISMATCH:
    case DIVAN_ERR_DELTA_INVALID:
    case DIVAN_ERR_NUMBER_TOO_BIG:
    case DIVAN_ERR_VALUE_TOO_LARGE:
    case DIVAN_ERR_DOCUMENT_NOT_LOCKED:
    case DIVAN_ERR_DOCUMENT_NOT_JSON:
    case DIVAN_ERR_PATH_NOT_FOUND:
    case DIVAN_ERR_PATH_EXISTS:
    case DIVAN_ERR_PATH_MISMATCH:
    case DIVAN_ERR_PATH_TOO_DEEP:
    case DIVAN_ERR_VALUE_TOO_DEEP:
    case DIVAN_ERR_VALUE_INVALID:
    case DIVAN_ERR_CANNOT_REVIVE_LIVING_DOCUMENT:
        return EXIT_REFUSED;
    default:
        return EXIT_TROUBLE;
    }
}

/* ---- output */

void document_token_json(struct divan_mutation_token token, struct buf *out)
{
    if (!token.vbucket_uuid && !token.seqno) return;
    jw_open(out, "mutation_token", '{');
    jw_uint(out, "vbucket", token.vbucket);
    jw_printf(out, "vbucket_uuid", "%" PRIu64, token.vbucket_uuid);
    jw_printf(out, "seqno", "%" PRIu64, token.seqno);
    jw_close(out, '}');
}

static void outcome_json(const struct document_plan *plan, const divan_result *r, struct buf *out)
{
    if (plan->show == SHOW_EXISTS) jw_bool(out, "exists", divan_result_exists(r));
    if (divan_result_cas(r)) jw_printf(out, "cas", "%" PRIu64, divan_result_cas(r));
    if (plan->show == SHOW_NUMBER) jw_printf(out, "number", "%" PRIu64, divan_result_number(r));
    if (divan_result_expiry(r)) jw_uint(out, "expiry", divan_result_expiry(r));
    if (plan->show == SHOW_VALUE || plan->show == SHOW_CAS) {
        jw_uint(out, "flags", divan_result_flags(r));
        value_show(out, divan_result_value(r), divan_result_flags(r));
    }
    document_token_json(divan_result_token(r), out);
    if (divan_result_server_us(r)) jw_uint(out, "server_us", divan_result_server_us(r));
}

void document_error_json(const struct divan_error *e, struct buf *out)
{
    jw_open(out, "error", '{');
    jw_uint(out, "code", (uint64_t)e->code);
    jw_str(out, "name", divan_code_name(e->code));
    jw_str(out, "message", e->message);
    jw_bool(out, "retryable", e->flags & DIVAN_IS_RETRYABLE);
    jw_bool(out, "ambiguous", e->flags & DIVAN_IS_AMBIGUOUS);
    if (e->server_status) jw_uint(out, "server_status", e->server_status);
    if (e->attempts) jw_uint(out, "attempts", e->attempts);
    if (e->elapsed_ms) jw_uint(out, "elapsed_ms", e->elapsed_ms);
    if (*e->endpoint) jw_str(out, "endpoint", e->endpoint);
    if (*e->ref) jw_str(out, "ref", e->ref);
    jw_close(out, '}');
}

/* r NULL: err says why. */
static void print_json(const struct document_plan *plan, struct divan_bytes key, const divan_result *r,
                       const struct divan_error *err)
{
    struct buf out = {.limit = 256 << 20};
    jw_open(&out, NULL, '{');
    jw_bytes(&out, "key", key);
    if (r) outcome_json(plan, r, &out);
    else document_error_json(err, &out);
    jw_close(&out, '}');
    buf_u8(&out, '\n');
    if (out.failed) fputs("divan: not enough memory to print the outcome\n", stderr);
    else fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
}

static void print_plain(const struct document_plan *plan, const divan_result *r)
{
    struct divan_bytes value = divan_result_value(r);
    switch (plan->show) {
    case SHOW_NOTHING:
        break;
    case SHOW_NUMBER:
        printf("%" PRIu64 "\n", divan_result_number(r));
        break;
    case SHOW_CAS:
        printf("%" PRIu64 "\n", divan_result_cas(r));
        break;
    case SHOW_EXISTS:
        puts(divan_result_exists(r) ? "true" : "false");
        break;
    case SHOW_VALUE:
        if (value.len) fwrite(value.data, 1, value.len, stdout);
        /* byte for byte, except that a prompt should not stick to the value */
        if (isatty(STDOUT_FILENO) && value.len && ((const char *)value.data)[value.len - 1] != '\n') putchar('\n');
    }
}

/* ---- the way */

static enum divan_code load_value(const struct document_plan *plan, const struct document_args *args,
                                  const struct operands *operands, struct buf *out, struct divan_error *err)
{
    bool operand = operands->count > 1;
    if (!plan->takes_value) return DIVAN_OK;
    if (operand == (args->file != NULL))
        return err_set(err, DIVAN_ERR_USAGE,
                       operand ? "the value is given twice: as an operand and with --file"
                               : "the value is missing: give it as an operand, as - or with --file");
    return operand ? value_load(operands->items[1], out, err) : value_load_file(args->file, out, err);
}

static enum divan_code operate(const struct document_plan *plan, const struct document_args *args,
                               const struct operands *operands, divan_result **result, struct connection *connection,
                               struct divan_error *err)
{
    struct buf value = {0};
    struct document d = {.args = args, .key = divan_str(operands->items[0])};
    enum divan_code rc = load_value(plan, args, operands, &value, err);
    if (!rc) rc = connection_open(&args->connect, (uint32_t)args->timeout_ms.value, connection, err);
    d.value = value.data ? buf_view(&value) : bytes_of("", 0);
    d.flags = args->flags.given ? (uint32_t)args->flags.value : plan->takes_value ? value_flags_of(d.value) : 0;
    d.collection = connection->collection;
    if (!rc) rc = plan->op(&d, result, err);
    buf_fini(&value);
    return rc;
}

int document_run(const struct document_plan *plan, const struct document_args *args, const struct operands *operands)
{
    struct connection connection = {0};
    struct divan_error err;
    divan_result *result = NULL;
    enum divan_code rc = operate(plan, args, operands, &result, &connection, &err);
    int status = document_exit(rc);
    if (args->json) print_json(plan, divan_str(operands->items[0]), rc ? NULL : result, &err);
    else if (!rc) print_plain(plan, result);
    if (rc) command_fail(plan->name, &err);
    if (!rc && plan->show == SHOW_EXISTS && !divan_result_exists(result)) status = EXIT_REFUSED;
    divan_result_release(result);
    connection_close(&connection);
    return status;
}
