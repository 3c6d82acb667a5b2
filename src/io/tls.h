/* TLS under the same stream calls: a stream from here is used, flushed, paused and closed as any other; only connecting,
 * listening and the reasons in `closed` differ. Stands on the streams of io.h, so it works on both backends. In the
 * simulation the moment of all certificate checks is its wall clock; key exchange stays random. */
#ifndef DIVAN_IO_TLS_H
#define DIVAN_IO_TLS_H

#include "io/io.h"

/** What a side presents and whom it trusts; immutable, may be shared by loops of several threads. */
struct io_tls;

/** A PEM text, from memory or from a file; both empty = none. */
struct io_pem {
    struct divan_bytes text;
    const char *file;
};

struct io_tls_client_options {
    bool no_verify;     /* take any certificate of any name */
    struct io_pem ca;   /* trusted roots, several allowed; none = the system's */
    struct io_pem cert; /* client certificate with its chain; none = no client certificate */
    struct io_pem key;
    bool only_tls13; /* refuse 1.2; older than 1.2 is never spoken */
};
/** opts NULL = verify against the system's roots. NULL with err filled: FILE_READ (a file cannot be read), INVALID_ARGUMENT
 * (not PEM, key and certificate do not match), OUT_OF_MEMORY. */
struct io_tls *io_tls_client_new(const struct io_tls_client_options *opts, struct divan_error *err);

struct io_tls_server_options {
    struct io_pem cert, key; /* needed */
    struct io_pem client_ca; /* asks for client certificates of this issuer; none = does not ask */
    bool client_cert_needed; /* refuses clients without one */
};
/** Errors as io_tls_client_new(). */
struct io_tls *io_tls_server_new(const struct io_tls_server_options *opts, struct divan_error *err);

struct io_tls *io_tls_retain(struct io_tls *);
void io_tls_release(struct io_tls *); /**< NULL is fine; streams and listeners hold their own reference */

/** As io_connect(); `opened` comes after the handshake. name is the host name or address that the certificate must be for
 * (also sent to the server unless numeric). `closed` may also tell: TLS_NOT_OFFERED (the peer speaks something else),
 * TLS_CERTIFICATE (the sentence names subject, issuer, names and the failed check), HANDSHAKE_FAILED. */
struct io_stream *io_connect_tls(struct io_loop *, const struct io_addr *, struct io_tls *, const char *name,
                                 const struct io_handler *, void *user, struct divan_error *err);
/** As io_listen(); fn is called after the handshake (at most 10 s), failed ones are dropped with an alert. */
struct io_listener *io_listen_tls(struct io_loop *, const struct io_addr *, struct io_tls *, io_accept_fn *, void *user,
                                  struct divan_error *err);

/** The subject of the peer's verified certificate ("CN=app,O=example") into out; false: a plain stream, no certificate, or
 * one that was not verified. */
bool io_tls_peer_subject(const struct io_stream *, char *out, size_t cap);

#endif
