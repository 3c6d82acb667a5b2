/* Inside of TLS: tls_context.c (certificates and keys), tls_bio.c (between OpenSSL and a stream), tls_verdict.c (why a
 * handshake failed, in words), tls.c (the stream). */
#ifndef DIVAN_IO_TLS_IMPL_H
#define DIVAN_IO_TLS_IMPL_H

#include <openssl/ssl.h>

#include "io/tls.h"

struct io_tls {
    _Atomic uint32_t refs;
    SSL_CTX *ctx;
    bool verify;
};

/** Text of OpenSSL's oldest queued error; the queue stays. */
const char *tls_reason(void);

/** A BIO that reads from and appends to the stream *at; reads "retry" when nothing is there or *at is NULL. NULL: out of
 * memory. */
BIO *tls_bio_new(struct io_stream **at);

/** The certificate that verification refused and why; OpenSSL itself forgets it. */
struct tls_refusal {
    X509 *cert; /* retained; NULL = none was refused */
    int why;    /* X509_V_ERR_* */
};
/** Verify callback of all contexts: fills the refusal that SSL_set_app_data() named. */
int tls_note_refusal(int ok, X509_STORE_CTX *);

/** Why the handshake with peer failed; name = who the peer should be, NULL on a server. */
enum divan_code tls_verdict(const struct tls_refusal *, const char *peer, const char *name, struct divan_error *err);
/** "CN=a,O=b" */
void tls_name_text(X509_NAME *, char *out, int cap);
/** The first byte of a peer that does not speak TLS. */
bool tls_is_foreign(uint8_t first);

#endif
