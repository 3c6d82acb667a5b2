#include <stdio.h>

#include "base/error.h"
#include "client/operation.h"
#include "client/retry.h"

const char *divan_version(void)
{
    return DIVAN_VERSION;
}

const char *divan_code_name(enum divan_code code)
{
    return err_code_name(code);
}

const char *divan_code_text(enum divan_code code)
{
    return err_code_text(code);
}

size_t divan_retry_reasons(uint32_t reasons, char *out, size_t cap)
{
    size_t len = 0;
    if (cap) out[0] = 0;
    for (unsigned i = 0; i < RETRY_REASON_COUNT; i++) {
        if (!(reasons & 1u << i)) continue;
        size_t room = len < cap ? cap - len : 0;
        len += (size_t)snprintf(room ? out + len : NULL, room, "%s%s", len ? "," : "", retry_facts[i].name);
    }
    return len;
}

const struct divan_error *divan_result_error(const divan_result *result)
{
    return result ? result_op(result)->error : NULL;
}

struct divan_bytes divan_result_key(const divan_result *result)
{
    return result ? op_key(result_op(result)) : bytes_of(NULL, 0);
}

struct divan_bytes divan_result_value(const divan_result *result)
{
    return result ? result_op(result)->value : bytes_of(NULL, 0);
}

uint64_t divan_result_cas(const divan_result *result)
{
    return result && !result_op(result)->error ? result_op(result)->cas : 0;
}

uint32_t divan_result_flags(const divan_result *result)
{
    return result ? result_op(result)->flags : 0;
}

uint64_t divan_result_number(const divan_result *result)
{
    const struct operation *op = result ? result_op(result) : NULL;
    return op && !op->error && op->kind != KIND_GET_PROJECTED ? op->number : 0;
}

bool divan_result_exists(const divan_result *result)
{
    return result && result_op(result)->exists;
}

uint64_t divan_result_expiry(const divan_result *result)
{
    const struct operation *op = result ? result_op(result) : NULL;
    return op && !op->error && op->kind == KIND_GET_PROJECTED ? op->number : 0;
}

uint32_t divan_result_server_us(const divan_result *result)
{
    return result ? duration_decode(result_op(result)->server_time) : 0;
}

struct divan_mutation_token divan_result_token(const divan_result *result)
{
    struct divan_mutation_token token = {0, 0, 0};
    const struct operation *op = result ? result_op(result) : NULL;
    if (op && (op->token.vbucket_uuid || op->token.seqno))
        token = (struct divan_mutation_token){op->token.vbucket_uuid, op->token.seqno, op->vbucket};
    return token;
}

void *divan_result_user(const divan_result *result)
{
    return result ? result_op(result)->user : NULL;
}

divan_result *divan_result_retain(divan_result *result)
{
    if (result) op_retain(result_op(result));
    return result;
}

void divan_result_release(divan_result *result)
{
    op_release(result_op(result));
}
