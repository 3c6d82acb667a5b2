#include "client/retry.h"

#include "wire/statuses.h"

const struct retry_facts retry_facts[RETRY_REASON_COUNT] = {
#define X(name, text, allows, always) [RETRY_##name] = {text, allows, always},
#include "../../defs/retry_reasons.def"
#undef X
};

uint64_t retry_backoff_ns(unsigned retries)
{
    static const uint16_t pause_ms[] = {1, 10, 50, 100, 500, 1000};
    enum { LAST = sizeof pause_ms / sizeof pause_ms[0] - 1 };
    return UINT64_C(1000000) * pause_ms[retries < LAST ? retries : LAST];
}

bool retry_allowed(enum retry_reason reason, bool idempotent, bool fail_fast)
{
    if (retry_facts[reason].always) return true;
    return !fail_fast && (idempotent || retry_facts[reason].allows_non_idempotent);
}

/* What a status means when nothing special applies. NONE as reason: the answer is final. */
enum { NONE = RETRY_REASON_COUNT };
static const struct row {
    uint16_t status, code;
    uint8_t reason;
    bool drop;
} rows[] = {
    {ST_SUCCESS, DIVAN_OK, NONE, false},
    {ST_KEY_ENOENT, DIVAN_ERR_DOCUMENT_NOT_FOUND, NONE, false},
    {ST_KEY_EEXISTS, DIVAN_ERR_DOCUMENT_EXISTS, NONE, false},
    {ST_E2BIG, DIVAN_ERR_VALUE_TOO_LARGE, NONE, false},
    {ST_EINVAL, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_NOT_STORED, DIVAN_ERR_DOCUMENT_NOT_FOUND, NONE, false},
    {ST_DELTA_BADVAL, DIVAN_ERR_DELTA_INVALID, NONE, false},
    {ST_NOT_MY_VBUCKET, DIVAN_ERR_NODE_NOT_AVAILABLE, RETRY_KV_NOT_MY_VBUCKET, false},
    {ST_NO_BUCKET, DIVAN_ERR_BUCKET_NOT_FOUND, RETRY_SOCKET_NOT_AVAILABLE, true},
    {ST_LOCKED, DIVAN_ERR_DOCUMENT_LOCKED, RETRY_KV_LOCKED, false},
    {ST_EWOULD_THROTTLE, DIVAN_ERR_TEMPORARY_FAILURE, RETRY_KV_ERROR_MAP_RETRY_INDICATED, false},
    {ST_ECONFIG_ONLY, DIVAN_ERR_TEMPORARY_FAILURE, RETRY_KV_CONFIG_ONLY, false},
    {ST_NOT_LOCKED, DIVAN_ERR_DOCUMENT_NOT_LOCKED, NONE, false},
    {ST_CAS_VALUE_INVALID, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_AUTH_STALE, DIVAN_ERR_AUTHENTICATION_FAILURE, RETRY_SOCKET_NOT_AVAILABLE, true},
    {ST_AUTH_ERROR, DIVAN_ERR_AUTHENTICATION_FAILURE, NONE, true},
    {ST_ERANGE, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_EACCESS, DIVAN_ERR_AUTHENTICATION_FAILURE, NONE, false},
    {ST_NOT_INITIALIZED, DIVAN_ERR_TEMPORARY_FAILURE, RETRY_KV_TEMPORARY_FAILURE, true},
    {ST_EXPIRY_OVERFLOW, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_LOCK_EXPIRY_OVERFLOW, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_RATE_LIMITED_NETWORK_INGRESS, DIVAN_ERR_RATE_LIMITED, NONE, false},
    {ST_RATE_LIMITED_NETWORK_EGRESS, DIVAN_ERR_RATE_LIMITED, NONE, false},
    {ST_RATE_LIMITED_MAX_CONNECTIONS, DIVAN_ERR_RATE_LIMITED, NONE, true},
    {ST_RATE_LIMITED_MAX_COMMANDS, DIVAN_ERR_RATE_LIMITED, NONE, false},
    {ST_SCOPE_SIZE_LIMIT_EXCEEDED, DIVAN_ERR_QUOTA_LIMITED, NONE, false},
    {ST_BUCKET_SIZE_LIMIT_EXCEEDED, DIVAN_ERR_QUOTA_LIMITED, NONE, false},
    {ST_BUCKET_RESIDENT_RATIO_TOO_LOW, DIVAN_ERR_QUOTA_LIMITED, NONE, false},
    {ST_BUCKET_DATA_SIZE_TOO_BIG, DIVAN_ERR_QUOTA_LIMITED, NONE, false},
    {ST_BUCKET_DISK_SPACE_TOO_LOW, DIVAN_ERR_QUOTA_LIMITED, NONE, false},
    {ST_CANCELLED, DIVAN_ERR_TEMPORARY_FAILURE, RETRY_KV_TEMPORARY_FAILURE, false},
    {ST_UNKNOWN_FRAME_INFO, DIVAN_ERR_UNSUPPORTED_OPERATION, NONE, false},
    {ST_UNKNOWN_COMMAND, DIVAN_ERR_UNSUPPORTED_OPERATION, NONE, false},
    {ST_ENOMEM, DIVAN_ERR_TEMPORARY_FAILURE, RETRY_KV_TEMPORARY_FAILURE, false},
    {ST_NOT_SUPPORTED, DIVAN_ERR_UNSUPPORTED_OPERATION, NONE, false},
    {ST_EINTERNAL, DIVAN_ERR_INTERNAL_SERVER_FAILURE, NONE, true},
    {ST_EBUSY, DIVAN_ERR_TEMPORARY_FAILURE, RETRY_KV_TEMPORARY_FAILURE, false},
    {ST_ETMPFAIL, DIVAN_ERR_TEMPORARY_FAILURE, RETRY_KV_TEMPORARY_FAILURE, false},
    {ST_UNKNOWN_COLLECTION, DIVAN_ERR_COLLECTION_NOT_FOUND, RETRY_KV_COLLECTION_OUTDATED, false},
    {ST_UNKNOWN_SCOPE, DIVAN_ERR_SCOPE_NOT_FOUND, RETRY_KV_COLLECTION_OUTDATED, false},
    {ST_DURABILITY_INVALID_LEVEL, DIVAN_ERR_DURABILITY_LEVEL_NOT_AVAILABLE, NONE, false},
    {ST_DURABILITY_IMPOSSIBLE, DIVAN_ERR_DURABILITY_IMPOSSIBLE, NONE, false},
    {ST_SYNC_WRITE_IN_PROGRESS, DIVAN_ERR_DURABLE_WRITE_IN_PROGRESS, RETRY_KV_SYNC_WRITE_IN_PROGRESS, false},
    {ST_SYNC_WRITE_AMBIGUOUS, DIVAN_ERR_DURABILITY_AMBIGUOUS, NONE, false},
    {ST_SYNC_WRITE_RE_COMMIT_IN_PROGRESS, DIVAN_ERR_DURABLE_WRITE_RE_COMMIT_IN_PROGRESS,
     RETRY_KV_SYNC_WRITE_RE_COMMIT_IN_PROGRESS, false},
    {ST_VBUUID_NOT_EQUAL, DIVAN_ERR_MUTATION_TOKEN_OUTDATED, NONE, false},
    {ST_XATTR_EINVAL, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_RANGE_SCAN_CANCELLED, DIVAN_ERR_CANCELLED, NONE, false},
    {ST_RANGE_SCAN_COMPLETE, DIVAN_ERR_RANGE_SCAN_COMPLETED, NONE, false},
    {ST_SUBDOC_PATH_ENOENT, DIVAN_ERR_PATH_NOT_FOUND, NONE, false},
    {ST_SUBDOC_PATH_MISMATCH, DIVAN_ERR_PATH_MISMATCH, NONE, false},
    {ST_SUBDOC_PATH_EINVAL, DIVAN_ERR_PATH_INVALID, NONE, false},
    {ST_SUBDOC_PATH_E2BIG, DIVAN_ERR_PATH_TOO_BIG, NONE, false},
    {ST_SUBDOC_DOC_E2DEEP, DIVAN_ERR_PATH_TOO_DEEP, NONE, false},
    {ST_SUBDOC_VALUE_CANTINSERT, DIVAN_ERR_VALUE_INVALID, NONE, false},
    {ST_SUBDOC_DOC_NOTJSON, DIVAN_ERR_DOCUMENT_NOT_JSON, NONE, false},
    {ST_SUBDOC_NUM_ERANGE, DIVAN_ERR_NUMBER_TOO_BIG, NONE, false},
    {ST_SUBDOC_DELTA_EINVAL, DIVAN_ERR_DELTA_INVALID, NONE, false},
    {ST_SUBDOC_PATH_EEXISTS, DIVAN_ERR_PATH_EXISTS, NONE, false},
    {ST_SUBDOC_VALUE_ETOODEEP, DIVAN_ERR_VALUE_TOO_DEEP, NONE, false},
    {ST_SUBDOC_INVALID_COMBO, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_SUBDOC_XATTR_INVALID_FLAG_COMBO, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_SUBDOC_XATTR_INVALID_KEY_COMBO, DIVAN_ERR_XATTR_INVALID_KEY_COMBO, NONE, false},
    {ST_SUBDOC_XATTR_UNKNOWN_MACRO, DIVAN_ERR_XATTR_UNKNOWN_MACRO, NONE, false},
    {ST_SUBDOC_XATTR_UNKNOWN_VATTR, DIVAN_ERR_XATTR_UNKNOWN_VIRTUAL_ATTRIBUTE, NONE, false},
    {ST_SUBDOC_XATTR_CANT_MODIFY_VATTR, DIVAN_ERR_XATTR_CANNOT_MODIFY_VIRTUAL_ATTRIBUTE, NONE, false},
    {ST_SUBDOC_INVALID_XATTR_ORDER, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
    {ST_SUBDOC_XATTR_UNKNOWN_VATTR_MACRO, DIVAN_ERR_XATTR_UNKNOWN_MACRO, NONE, false},
    {ST_SUBDOC_CAN_ONLY_REVIVE_DELETED_DOCUMENTS, DIVAN_ERR_CANNOT_REVIVE_LIVING_DOCUMENT, NONE, false},
    {ST_SUBDOC_DELETED_DOCUMENT_CANT_HAVE_VALUE, DIVAN_ERR_INVALID_ARGUMENT, NONE, false},
};

/* A status this build does not know: the server's own error map says what it is like (RFC 13, 69). */
static struct row row_by_map(const struct verdict_input *in)
{
    struct row row = {in->status, DIVAN_ERR_FAILED, NONE, (in->map_attrs & ATTR_CONN_STATE_INVALIDATED) != 0};
    if (in->map_attrs & (ATTR_RETRY_NOW | ATTR_RETRY_LATER | ATTR_AUTO_RETRY)) {
        row.code = DIVAN_ERR_TEMPORARY_FAILURE;
        row.reason = RETRY_KV_ERROR_MAP_RETRY_INDICATED;
    } else if (in->map_attrs & ATTR_AUTH) row.code = DIVAN_ERR_AUTHENTICATION_FAILURE;
    else if (in->map_attrs & ATTR_TEMP) row.code = DIVAN_ERR_TEMPORARY_FAILURE;
    else if (in->map_attrs & ATTR_INTERNAL) row.code = DIVAN_ERR_INTERNAL_SERVER_FAILURE;
    return row;
}

static const struct row *row_find(uint16_t status)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status) return &rows[i];
    return NULL;
}

static struct row row_of(const struct verdict_input *in)
{
    const struct row *known = row_find(in->status);
    struct row row = known ? *known : row_by_map(in);
    /* Locked when unlocking: with another CAS. Waiting for that lock to end is not what was asked for. */
    if (in->kind == KIND_UNLOCK && in->status == ST_LOCKED) row.reason = NONE;
    /* A scan or its continuation is a thing of one node and connection: whoever scans decides how to go on. */
    bool is_scan = in->kind == KIND_SCAN_CONTINUE || in->kind == KIND_SCAN_CANCEL;
    if (is_scan) row.reason = NONE;
    return row;
}

enum divan_code code_of_status(uint16_t status)
{
    const struct row *known = row_find(status);
    return known ? known->code : DIVAN_ERR_FAILED;
}

/* Where a status means something of its own for one kind of operation. */
static uint16_t code_for_kind(const struct verdict_input *in, uint16_t code)
{
    if (in->status == ST_KEY_EEXISTS) return in->has_cas ? DIVAN_ERR_CAS_MISMATCH : DIVAN_ERR_DOCUMENT_EXISTS;
    if (in->status == ST_LOCKED && in->kind == KIND_UNLOCK) return DIVAN_ERR_CAS_MISMATCH;
    if (in->status == ST_NOT_STORED && in->kind == KIND_INSERT) return DIVAN_ERR_DOCUMENT_EXISTS;
    if (in->status == ST_KEY_ENOENT && in->kind == KIND_EXISTS) return DIVAN_OK;
    return code;
}

struct verdict verdict_of(const struct verdict_input *in)
{
    struct row row = row_of(in);
    struct verdict v = {ACT_FINISH, code_for_kind(in, row.code), row.reason, row.drop};
    /* An answer with an error status means: not applied. So the operation may be sent again even if it is a write. */
    if (row.reason == NONE || !retry_allowed(row.reason, true, in->fail_fast)) return v;
    v.act = ACT_RETRY;
    if (in->status == ST_NOT_MY_VBUCKET || in->status == ST_ECONFIG_ONLY) v.act = ACT_NEW_MAP;
    if (row.reason == RETRY_KV_COLLECTION_OUTDATED) v.act = ACT_COLLECTION;
    return v;
}

struct verdict verdict_of_loss(bool idempotent, enum loss loss, bool fail_fast)
{
    enum retry_reason reason = loss == LOSS_SENT ? RETRY_SOCKET_CLOSED_WHILE_IN_FLIGHT : RETRY_SOCKET_NOT_AVAILABLE;
    enum act act = retry_allowed(reason, idempotent, fail_fast) ? ACT_RETRY : ACT_FINISH;
    return (struct verdict){act, DIVAN_ERR_CONNECTION_LOST, reason, false};
}

enum divan_code verdict_of_timeout(bool idempotent, bool unanswered)
{
    return unanswered && !idempotent ? DIVAN_ERR_AMBIGUOUS_TIMEOUT : DIVAN_ERR_UNAMBIGUOUS_TIMEOUT;
}
