/* A sub-document request, taken apart and checked: single and multi path alike become a list of specs. Pure. */
#ifndef DIVAN_NODE_KV_SUBDOC_PLAN_H
#define DIVAN_NODE_KV_SUBDOC_PLAN_H

#include "wire/frame.h"
#include "wire/statuses.h"

enum { SUBDOC_SPECS_MAX = 16, XATTR_KEY_MAX = 15 };

enum path_flag { PATH_MKDIR = 0x01, PATH_XATTR = 0x04, PATH_MACROS = 0x10, PATH_BINARY = 0x20 };
enum doc_flag {
    DOCF_MKDOC = 0x01,
    DOCF_ADD = 0x02,
    DOCF_ACCESS_DELETED = 0x04,
    DOCF_CREATE_AS_DELETED = 0x08,
    DOCF_REVIVE = 0x10,
    DOCF_REPLICA = 0x20,
};

struct subdoc_spec {
    uint8_t opcode; /* of wire/opcodes.h; GET, SET and DELETE for the whole document */
    uint8_t flags;  /* enum path_flag */
    struct divan_bytes path, value;
    uint8_t xattr_key_len; /* with PATH_XATTR: the first bytes of path are the key of the attribute */
};

struct subdoc_plan {
    struct subdoc_spec specs[SUBDOC_SPECS_MAX];
    uint8_t count;
    uint8_t doc_flags; /* enum doc_flag */
    bool multi, mutates;
    bool has_user_flags;
    uint32_t expiry; /* as on the wire, 0 when not given */
    uint32_t user_flags;
};

/** Takes a request apart. SUCCESS or the status; *problem is a sentence, NULL where the real server sends none. The
 * lengths of the extras have been checked. Views point into the frame. */
enum status subdoc_plan_read(const struct frame *, struct subdoc_plan *out, const char **problem);

static inline struct divan_bytes subdoc_xattr_key(const struct subdoc_spec *s)
{
    return bytes_of(s->path.data, s->xattr_key_len);
}
static inline bool subdoc_is_virtual(const struct subdoc_spec *s)
{
    return (s->flags & PATH_XATTR) && *(const char *)s->path.data == '$';
}
static inline bool subdoc_whole_document(const struct subdoc_spec *s)
{
    return s->opcode < 0xc5;
}

#endif
