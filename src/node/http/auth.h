/* Who sends a request. */
#ifndef DIVAN_NODE_HTTP_AUTH_H
#define DIVAN_NODE_HTTP_AUTH_H

#include "manager/roles.h"
#include "text/http.h"

/* Checking a password costs milliseconds, and a client sends it with every request: outcomes are remembered by a keyed
 * digest until the document changes. */
enum { AUTH_CACHE = 64, AUTH_DIGEST = 32 };
struct auth_cache {
    uint8_t key[AUTH_DIGEST]; /* random, of this process */
    struct auth_known {
        uint8_t digest[AUTH_DIGEST]; /* of user, password and stored key */
        bool used;
    } known[AUTH_CACHE];
};

/** false: the system has no randomness. */
bool auth_init(struct auth_cache *);

enum auth_verdict { AUTH_NOBODY, AUTH_SOMEBODY, AUTH_WRONG };
/** Reads the Authorization header. *who is filled but for AUTH_WRONG; the user's name is appended to *name (NUL-ended).
 * Before the cluster has an administrator everybody is one, whatever he sends. */
enum auth_verdict auth_identify(struct auth_cache *, const struct doc *, const struct http_message *,
                                struct identity *who, struct buf *name);

#endif
