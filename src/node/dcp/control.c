/* What a consumer may ask of its connection; values as the measured server takes them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/dcp/peer.h"

static bool is_true(struct divan_bytes value)
{
    return bytes_is(value, "true");
}

static enum status set_noop_interval(struct dcp_peer *p, struct divan_bytes value)
{
    char text[32], *end;
    if (value.len >= sizeof text) return ST_EINVAL;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    double seconds = strtod(text, &end);
    if (*end || end == text || !(seconds > 0) || !isfinite(seconds) || seconds > 1e9) return ST_EINVAL;
    p->noop_ns = (uint64_t)(seconds * (double)NS_PER_S);
    return ST_SUCCESS;
}

static enum status set_window(struct dcp_peer *p, struct divan_bytes value)
{
    uint64_t bytes = 0;
    const char *digits = value.data;
    for (size_t i = 0; i < value.len; i++) {
        if (digits[i] < '0' || digits[i] > '9') return ST_EINVAL;
        bytes = bytes * 10 + (uint64_t)(digits[i] - '0');
        if (bytes > UINT32_MAX) return ST_EINVAL;
    }
    p->window_bytes = bytes;
    return ST_SUCCESS;
}

static enum status one_of(struct divan_bytes value, const char *a, const char *b, const char *c)
{
    bool known = bytes_is(value, a) || (b && bytes_is(value, b)) || (c && bytes_is(value, c));
    return known ? ST_SUCCESS : ST_EINVAL;
}

enum key {
    NOOP,
    NOOP_INTERVAL,
    BUFFER_SIZE,
    PRIORITY,
    IGNORED,
    END_ON_CLOSE,
    EXPIRY_OPCODE,
    STREAM_ID,
    OUT_OF_ORDER,
    BACKFILL_ORDER,
    COMPRESSION,
    FLATBUFFERS,
    CHANGE_STREAMS,
    SYNC_WRITES,
    CONSUMER_NAME,
    DELETED_XATTRS,
    UNSERVED,
};

static const struct {
    const char *name;
    enum key key;
} keys[] = {
    {"enable_noop", NOOP},
    {"set_noop_interval", NOOP_INTERVAL},
    {"connection_buffer_size", BUFFER_SIZE},
    {"set_priority", PRIORITY},
    {"supports_cursor_dropping", IGNORED},
    {"supports_cursor_dropping_vulcan", IGNORED},
    {"supports_hifi_MFU", IGNORED},
    {"v7_dcp_status_codes", IGNORED},
    {"send_stream_end_on_client_close_stream", END_ON_CLOSE},
    {"enable_expiry_opcode", EXPIRY_OPCODE},
    {"enable_stream_id", STREAM_ID},
    {"enable_out_of_order_snapshots", OUT_OF_ORDER},
    {"backfill_order", BACKFILL_ORDER},
    {"force_value_compression", COMPRESSION},
    {"flatbuffers_system_events", FLATBUFFERS},
    {"change_streams", CHANGE_STREAMS},
    {"enable_sync_writes", SYNC_WRITES},
    {"consumer_name", CONSUMER_NAME},
    {"include_deleted_user_xattrs", DELETED_XATTRS},
    {"stream_buffer_size", UNSERVED},
};

static int key_of(struct divan_bytes name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (bytes_is(name, keys[i].name)) return (int)keys[i].key;
    }
    return -1;
}

enum status dcp_control(struct dcp_peer *p, struct divan_bytes key, struct divan_bytes value, char problem[200])
{
    enum status status;
    switch (key_of(key)) {
    case NOOP:
        p->noop = is_true(value);
        return ST_SUCCESS;
    case NOOP_INTERVAL:
        return set_noop_interval(p, value);
    case BUFFER_SIZE:
        return set_window(p, value);
    case PRIORITY:
        return one_of(value, "high", "medium", "low");
    case IGNORED:
        return ST_SUCCESS;
    case END_ON_CLOSE:
        p->end_on_close = is_true(value);
        return ST_SUCCESS;
    case EXPIRY_OPCODE:
        p->expiry_opcode = is_true(value);
        return ST_SUCCESS;
    case STREAM_ID:
        p->stream_ids = is_true(value);
        return ST_SUCCESS;
    case OUT_OF_ORDER: /* granted, never used: order is what we have */
        return one_of(value, "true", "true_with_seqno_advanced", NULL);
    case BACKFILL_ORDER:
        status = one_of(value, "round-robin", "sequential", NULL);
        if (status) snprintf(problem, 200, "Unsupported value for ctrl parameter 'backfill_order'");
        return status;
    case COMPRESSION:
        if (session_takes_snappy(p->session)) return ST_SUCCESS;
        snprintf(problem, 200,
                 "The ctrl parameter force_value_compression is only supported if datatype snappy is enabled on the "
                 "connection");
        return ST_EINVAL;
    case FLATBUFFERS:
        return is_true(value) ? ST_SUCCESS : ST_EINVAL;
    case CHANGE_STREAMS:
        return is_true(value) ? ST_NOT_SUPPORTED : ST_EINVAL;
    case SYNC_WRITES:
        p->sync_writes = is_true(value);
        return ST_SUCCESS;
    case CONSUMER_NAME:
        if (value.len > DCP_NAME_MAX) return ST_EINVAL;
        memcpy(p->consumer_name, value.data, value.len);
        p->consumer_name[value.len] = '\0';
        p->node = 0;
        return ST_SUCCESS;
    case DELETED_XATTRS:
        return is_true(value) && (p->flags & DCP_OPEN_DELETED_USER_XATTRS) ? ST_SUCCESS : ST_EINVAL;
    case UNSERVED:
        return ST_NOT_SUPPORTED;
    default:
        return ST_EINVAL;
    }
}
