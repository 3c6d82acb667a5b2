/* Loading of certificates, keys and roots: everything of io_tls that is not about one stream. */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/tls_impl.h"

enum { PEM_MAX = 4 * 1024 * 1024 };

static bool pem_given(const struct io_pem *pem)
{
    return pem->text.len || pem->file;
}

static const char *pem_name(const struct io_pem *pem)
{
    return pem->file ? pem->file : "the given text";
}

static enum divan_code read_file(const char *path, struct buf *out, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    FILE *f = fopen(path, "re");
    if (!f) return err_sys(err, DIVAN_ERR_FILE_READ, errno, "cannot read %s", path);
    for (size_t n = 1; n && !out->failed;) {
        uint8_t *at = buf_reserve(out, 16384) ? out->data + out->len : NULL;
        n = at ? fread(at, 1, 16384, f) : 0;
        out->len += n;
    }
    if (ferror(f)) rc = err_sys(err, DIVAN_ERR_FILE_READ, errno, "cannot read %s", path);
    else if (out->failed) rc = err_set(err, DIVAN_ERR_FILE_READ, "%s is too large to be a PEM file", path);
    fclose(f);
    return rc;
}

/* The PEM text as a BIO over memory that stays in *file. */
static enum divan_code open_pem(const struct io_pem *pem, struct buf *file, BIO **out, struct divan_error *err)
{
    enum divan_code rc = pem->file ? read_file(pem->file, file, err) : DIVAN_OK;
    struct divan_bytes text = pem->file ? buf_view(file) : pem->text;
    if (rc) return rc;
    if (!text.len || text.len > INT_MAX) return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "%s is empty", pem_name(pem));
    *out = BIO_new_mem_buf(text.data, (int)text.len);
    return *out ? DIVAN_OK : err_oom(err);
}

const char *tls_reason(void)
{
    unsigned long first = ERR_peek_error();
    const char *reason = first ? ERR_reason_error_string(first) : NULL;
    return reason ? reason : "no reason given";
}

static enum divan_code refused(struct divan_error *err, const struct io_pem *pem, const char *what)
{
    err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "%s does not hold %s that can be used: %s", pem_name(pem), what,
            tls_reason());
    ERR_clear_error();
    return DIVAN_ERR_INVALID_ARGUMENT;
}

/* ---- the three things that come as PEM */

static enum divan_code add_roots(SSL_CTX *ctx, const struct io_pem *pem, bool as_client_ca, struct divan_error *err)
{
    struct buf file = {.limit = PEM_MAX};
    BIO *bio = NULL;
    enum divan_code rc = open_pem(pem, &file, &bio, err);
    size_t count = 0;
    for (X509 *root; !rc && (root = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(root)) {
        bool added = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root) == 1;
        if (as_client_ca) added = SSL_CTX_add_client_CA(ctx, root) == 1 && added;
        if (!added) rc = refused(err, pem, "a certificate");
        count++;
    }
    if (!rc && (!count || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE))
        rc = refused(err, pem, "certificates in PEM form");
    ERR_clear_error(); /* the end of the text is reported as an error */
    BIO_free(bio);
    buf_fini(&file);
    return rc;
}

static enum divan_code add_chain(SSL_CTX *ctx, BIO *bio, const struct io_pem *pem, struct divan_error *err)
{
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (!cert) return refused(err, pem, "a certificate in PEM form");
    enum divan_code rc = SSL_CTX_use_certificate(ctx, cert) == 1 ? DIVAN_OK : refused(err, pem, "a certificate");
    X509_free(cert);
    for (X509 *next; !rc && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL));)
        if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
            X509_free(next);
            rc = refused(err, pem, "a chain of certificates");
        }
    return rc;
}

static enum divan_code use_cert(SSL_CTX *ctx, const struct io_pem *pem, struct divan_error *err)
{
    struct buf file = {.limit = PEM_MAX};
    BIO *bio = NULL;
    enum divan_code rc = open_pem(pem, &file, &bio, err);
    if (!rc) rc = add_chain(ctx, bio, pem, err);
    ERR_clear_error();
    BIO_free(bio);
    buf_fini(&file);
    return rc;
}

/* Never asks on the terminal: an encrypted key is refused. */
static int no_password(char *text, int size, int writing, void *user)
{
    return 0;
}

static enum divan_code use_key(SSL_CTX *ctx, const struct io_pem *pem, struct divan_error *err)
{
    struct buf file = {.limit = PEM_MAX};
    BIO *bio = NULL;
    EVP_PKEY *key = NULL;
    enum divan_code rc = open_pem(pem, &file, &bio, err);
    if (!rc && !(key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)))
        rc = refused(err, pem, "an unencrypted private key in PEM form");
    if (!rc && SSL_CTX_use_PrivateKey(ctx, key) != 1) rc = refused(err, pem, "the private key of the certificate");
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(bio);
    if (file.data) OPENSSL_cleanse(file.data, file.len);
    buf_fini(&file);
    return rc;
}

static enum divan_code use_pair(SSL_CTX *ctx, const struct io_pem *cert, const struct io_pem *key,
                                struct divan_error *err)
{
    if (!pem_given(cert) || !pem_given(key))
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "a certificate needs its private key and the other way round");
    enum divan_code rc = use_cert(ctx, cert, err);
    return rc ? rc : use_key(ctx, key, err);
}

/* ---- contexts */

static struct io_tls *context_new(const SSL_METHOD *method, struct divan_error *err)
{
    struct io_tls *tls = mem_zalloc(sizeof *tls);
    if (tls) tls->ctx = SSL_CTX_new(method);
    if (!tls || !tls->ctx) {
        mem_free(tls);
        ERR_clear_error();
        err_oom(err);
        return NULL;
    }
    atomic_init(&tls->refs, 1);
    SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(tls->ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
    return tls;
}

static enum divan_code set_up_client(struct io_tls *tls, const struct io_tls_client_options *o, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    tls->verify = !o->no_verify;
    SSL_CTX_set_verify(tls->ctx, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, tls_note_refusal);
    if (o->only_tls13) SSL_CTX_set_min_proto_version(tls->ctx, TLS1_3_VERSION);
    if (pem_given(&o->ca)) rc = add_roots(tls->ctx, &o->ca, false, err);
    else if (tls->verify) SSL_CTX_set_default_verify_paths(tls->ctx);
    if (!rc && (pem_given(&o->cert) || pem_given(&o->key))) rc = use_pair(tls->ctx, &o->cert, &o->key, err);
    return rc;
}

struct io_tls *io_tls_client_new(const struct io_tls_client_options *opts, struct divan_error *err)
{
    struct io_tls *tls = context_new(TLS_client_method(), err);
    if (tls && set_up_client(tls, opts ? opts : &(struct io_tls_client_options){0}, err)) {
        io_tls_release(tls);
        tls = NULL;
    }
    return tls;
}

static enum divan_code set_up_server(struct io_tls *tls, const struct io_tls_server_options *o, struct divan_error *err)
{
    SSL_CTX_set_num_tickets(tls->ctx, 0);
    enum divan_code rc = use_pair(tls->ctx, &o->cert, &o->key, err);
    if (rc || !pem_given(&o->client_ca)) return rc;
    tls->verify = true;
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER | (o->client_cert_needed ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       tls_note_refusal);
    return add_roots(tls->ctx, &o->client_ca, true, err);
}

struct io_tls *io_tls_server_new(const struct io_tls_server_options *opts, struct divan_error *err)
{
    struct io_tls *tls = context_new(TLS_server_method(), err);
    if (tls && set_up_server(tls, opts, err)) {
        io_tls_release(tls);
        tls = NULL;
    }
    return tls;
}

struct io_tls *io_tls_retain(struct io_tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void io_tls_release(struct io_tls *tls)
{
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1) return;
    SSL_CTX_free(tls->ctx);
    mem_free(tls);
}
