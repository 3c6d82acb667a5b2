#include "wire/hello.h"

#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "wire/frame.h"
#include "wire/opcodes.h"

void hello_put_features(struct buf *out, feature_set features)
{
    for (unsigned code = 0; code < FEATURE_LIMIT; code++)
        if (features >> code & 1) buf_u16be(out, (uint16_t)code);
}

enum divan_code hello_read_features(struct divan_bytes value, feature_set *out, struct divan_error *err)
{
    feature_set set = 0;
    struct rd r = rd_from(value);
    if (value.len % 2) return err_set(err, DIVAN_ERR_FRAME_VALUE, "Request value must be of even length");
    while (r.left) {
        uint16_t code = rd_u16be(&r);
        if (code < FEATURE_LIMIT) set |= FEATURE(code);
    }
    *out = set;
    return DIVAN_OK;
}

void hello_put_request(struct buf *out, uint32_t opaque, struct divan_bytes agent_key, feature_set ask)
{
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_HELLO, .opaque = opaque, .key = agent_key};
    frame_encode_head(out, &f, 2 * (size_t)__builtin_popcountll(ask));
    hello_put_features(out, ask);
}

static const struct {
    enum feature feature, needs;
    const char *problem;
} needs[] = {
    {FEATURE_CLUSTERMAP_CHANGE, FEATURE_DUPLEX, "Clustermap change notification needs Duplex"},
    {FEATURE_CLUSTERMAP_CHANGE_BRIEF, FEATURE_DUPLEX, "Brief clustermap change notification needs Duplex"},
    {FEATURE_VATTR, FEATURE_XATTR, "VAttr needs XATTR"},
    {FEATURE_DOCUMENT_MACRO, FEATURE_XATTR, "SubdocDocumentMacroSupport needs XATTR"},
};

bool hello_grant(feature_set asked, feature_set offered, feature_set *granted, const char **problem)
{
    if (feature_has(asked, FEATURE_TCP_NODELAY) && feature_has(asked, FEATURE_TCP_DELAY)) {
        *problem = "TCPNODELAY cannot co-exist with TCPDELAY";
        return false;
    }
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if (feature_has(asked, needs[i].feature) && !feature_has(asked, needs[i].needs)) {
            *problem = needs[i].problem;
            return false;
        }
    feature_set set = asked & offered;
    if (feature_has(set, FEATURE_CLUSTERMAP_CHANGE_BRIEF)) set &= ~FEATURE(FEATURE_CLUSTERMAP_CHANGE);
    *granted = set;
    return true;
}

feature_set hello_offered_by_node(void)
{
    feature_set all = FEATURE(FEATURE_BINARY_XATTR + 1) - 1;
    return all & ~(FEATURE(0) | FEATURE(FEATURE_DATATYPE_OLD) | FEATURE(FEATURE_TLS) |
                   FEATURE(FEATURE_COLLECTIONS_OLD) | FEATURE(FEATURE_REPORT_UNIT_USAGE));
}

/* ---- agent */

enum { AGENT_MAX = 200, KEY_LIMIT = 250 };

/* Quotes and backslashes are escaped, control bytes become spaces; what no longer fits with `reserve` bytes behind is
 * cut, so that the key stays within 250 bytes. */
static void put_escaped(struct buf *out, const char *text, size_t end)
{
    for (size_t i = 0; text && text[i] && i < AGENT_MAX; i++) {
        bool escape = text[i] == '"' || text[i] == '\\';
        if (out->len + (escape ? 2 : 1) > end) break;
        if (escape) buf_u8(out, '\\');
        buf_u8(out, (uint8_t)text[i] < 0x20 ? ' ' : (uint8_t)text[i]);
    }
}

void hello_put_agent(struct buf *out, const char *agent, uint64_t client_id, uint64_t connection_id)
{
    char tail[64];
    int n = snprintf(tail, sizeof tail, "\",\"i\":\"%016llx/%016llx\"}", (unsigned long long)client_id,
                     (unsigned long long)connection_id);
    size_t start = out->len;
    buf_put_str(out, "{\"a\":\"");
    put_escaped(out, agent, start + KEY_LIMIT - (size_t)n);
    buf_put(out, tail, (size_t)n);
}

static void copy_member(const json_t *object, const char *name, char *out, size_t cap)
{
    const char *text = json_string_value(json_object_get(object, name));
    text_copy(out, cap, text ? text : "");
}

void hello_read_agent(struct divan_bytes key, struct hello_agent *out)
{
    json_t *object = NULL;
    memset(out, 0, sizeof *out);
    if (key.len && *(const char *)key.data == '{') object = json_loadb(key.data, key.len, 0, NULL);
    if (object) {
        copy_member(object, "a", out->agent, sizeof out->agent);
        copy_member(object, "i", out->connection, sizeof out->connection);
    } else {
        size_t len = key.len < AGENT_MAX ? key.len : AGENT_MAX;
        if (len) memcpy(out->agent, key.data, len);
    }
    json_decref(object);
}
