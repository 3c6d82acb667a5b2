/* The JSON body of an error answer: {"error":{"context":"why","ref":"uuid"},"manifest_uid":"1f"}. */
#ifndef DIVAN_WIRE_ERRORBODY_H
#define DIVAN_WIRE_ERRORBODY_H

#include "base/bytes.h"

struct error_body {
    char context[256]; /* "" = absent; longer ones are cut at a character */
    char ref[64];      /* "" = absent */
    bool has_manifest_uid;
    uint64_t manifest_uid; /* sent as a hexadecimal string */
};

/** Appends the text; "" members are left out. Nothing at all is appended when every member is absent. */
void error_body_write(const struct error_body *body, struct buf *out);
/** Reads one; false when it is not such a JSON object (*out is then zeroed). Unknown members are skipped. */
bool error_body_read(struct divan_bytes json, struct error_body *out);

#endif
