/* The certificate of a node: made at every start, signed by the authority of the cluster. */
#ifndef DIVAN_NODE_SECURE_H
#define DIVAN_NODE_SECURE_H

#include "io/tls.h"
#include "manager/doc.h"

struct secure {
    struct io_tls *tls; /* NULL = none yet */
    char name[256];     /* the host it was made for, besides the loopback ones */
};

/** Whether there is a certificate for this host. */
bool secure_has(const struct secure *, const char *host);
/** Makes one for the host and the usual loopback names. Errors: of selfsigned_cert() and io_tls_server_new(). */
enum divan_code secure_make(struct secure *, const struct doc *, const char *host, int64_t now_s,
                            struct divan_error *err);
void secure_fini(struct secure *);

#endif
