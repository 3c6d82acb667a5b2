/* HELLO: the features of a connection as a set of bits, the agent text, and which features a node may grant. */
#ifndef DIVAN_WIRE_HELLO_H
#define DIVAN_WIRE_HELLO_H

#include "base/bytes.h"

enum feature {
    FEATURE_DATATYPE_OLD = 0x01,
    FEATURE_TLS = 0x02,
    FEATURE_TCP_NODELAY = 0x03,
    FEATURE_MUTATION_SEQNO = 0x04, /* mutations answer with a 16-byte token */
    FEATURE_TCP_DELAY = 0x05,
    FEATURE_XATTR = 0x06,
    FEATURE_XERROR = 0x07, /* real statuses and error bodies */
    FEATURE_SELECT_BUCKET = 0x08,
    FEATURE_COLLECTIONS_OLD = 0x09,
    FEATURE_SNAPPY = 0x0a,
    FEATURE_JSON = 0x0b,
    FEATURE_DUPLEX = 0x0c, /* the server may send requests */
    FEATURE_CLUSTERMAP_CHANGE = 0x0d,
    FEATURE_UNORDERED = 0x0e,
    FEATURE_TRACING = 0x0f, /* server durations in answers */
    FEATURE_ALT_REQUEST = 0x10,
    FEATURE_SYNC_REPLICATION = 0x11,
    FEATURE_COLLECTIONS = 0x12,
    FEATURE_SNAPPY_EVERYWHERE = 0x13,
    FEATURE_PRESERVE_TTL = 0x14,
    FEATURE_VATTR = 0x15,
    FEATURE_PITR = 0x16,
    FEATURE_CREATE_AS_DELETED = 0x17,
    FEATURE_DOCUMENT_MACRO = 0x18,
    FEATURE_REPLACE_BODY_WITH_XATTR = 0x19,
    FEATURE_REPORT_UNIT_USAGE = 0x1a,
    FEATURE_NON_BLOCKING_THROTTLING = 0x1b,
    FEATURE_REPLICA_READ = 0x1c,
    FEATURE_CONFIG_KNOWN_VERSION = 0x1d,
    FEATURE_DEDUPE_NMVB = 0x1e,
    FEATURE_CLUSTERMAP_CHANGE_BRIEF = 0x1f,
    FEATURE_MULTIPLE_XATTR_KEYS = 0x20,
    FEATURE_BINARY_XATTR = 0x21,
    FEATURE_RANGE_SCAN_XATTR = 0x22,
    FEATURE_REPLICA_READ_DELETED = 0x23,
    FEATURE_RANDOM_KEY_XATTR = 0x24,
    FEATURE_MUTATE_WITH_META = 0x25,
    FEATURE_DCP_SKIP_DELETES = 0x26,
    FEATURE_LIMIT = 64, /* higher codes are not represented */
};

/* A set of features: bit n = code n. */
typedef uint64_t feature_set;
#define FEATURE(code) ((feature_set)1 << (code))
static inline bool feature_has(feature_set set, enum feature f)
{
    return (set >> f & 1) != 0;
}

/** Appends the codes in ascending order, two bytes each: the value of request and answer. */
void hello_put_features(struct buf *out, feature_set features);
/** The codes of a value; those above 63 are dropped. FRAME_VALUE when the length is odd. */
enum divan_code hello_read_features(struct divan_bytes value, feature_set *out, struct divan_error *err);
/** A whole request frame. */
void hello_put_request(struct buf *out, uint32_t opaque, struct divan_bytes agent_key, feature_set ask);

/** What a node grants of `asked`: those in `offered`. false: the whole HELLO is invalid and *problem says why. Rules
 * as measured: change notification needs duplex, virtual attributes and macros need attributes, delay against nodelay. */
bool hello_grant(feature_set asked, feature_set offered, feature_set *granted, const char **problem);
/** What a 7.6 data service offers: everything up to 0x21 but the old ones, TLS and what only a metered service has. */
feature_set hello_offered_by_node(void);

/* ---- the agent: {"a":"divan/1.0 (linux)","i":"0123456789abcdef/0123456789abcdef"} */

struct hello_agent {
    char agent[201];     /* "" = none; cut to 200 bytes */
    char connection[34]; /* both ids, "" = none; cut to 33 bytes as the real server does */
};

/** Appends the key of the request. The agent text is cut to 200 bytes and escaped as JSON. */
void hello_put_agent(struct buf *out, const char *agent, uint64_t client_id, uint64_t connection_id);
/** Reads a key: JSON as above or plain text. Never fails: what cannot be understood is taken as text. */
void hello_read_agent(struct divan_bytes key, struct hello_agent *out);

#endif
