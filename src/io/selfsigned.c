#include "io/selfsigned.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/io.h"

enum { DAY_S = 86400, SERIAL_BYTES = 16 };

void selfsigned_fini(struct selfsigned *s)
{
    if (s->key_pem) OPENSSL_cleanse(s->key_pem, strlen(s->key_pem));
    mem_free(s->cert_pem);
    mem_free(s->key_pem);
    *s = (struct selfsigned){0};
}

static enum divan_code openssl_failed(struct divan_error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    err_set(err, DIVAN_ERR_SYSTEM, "cannot make %s: %s", what, reason ? reason : "OpenSSL gives no reason");
    ERR_clear_error();
    return DIVAN_ERR_SYSTEM;
}

/* ---- PEM texts */

/* The text of a memory BIO, freed; NULL: out of memory. */
static char *take_text(BIO *bio)
{
    char *data = NULL;
    long len = bio ? BIO_get_mem_data(bio, &data) : 0;
    char *text = len > 0 ? mem_dup(data, (size_t)len) : NULL;
    BIO_free(bio);
    return text;
}

static enum divan_code to_pem(X509 *cert, EVP_PKEY *key, struct selfsigned *out, struct divan_error *err)
{
    BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_secmem());
    bool written = cert_bio && key_bio && PEM_write_bio_X509(cert_bio, cert) &&
                   PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
    struct selfsigned texts = {take_text(cert_bio), take_text(key_bio)};
    if (written && texts.cert_pem && texts.key_pem) {
        *out = texts;
        return DIVAN_OK;
    }
    selfsigned_fini(&texts);
    ERR_clear_error();
    return err_oom(err);
}

/* ---- building */

static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
    bytes[0] &= 0x7f; /* positive */
    bytes[0] |= 1;    /* and of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

static bool set_name(X509_NAME *name, const char *common_name)
{
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Divan", -1, -1, 0) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
}

static bool set_times(X509 *cert, int64_t now_s, unsigned days)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now_s - DAY_S)) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now_s + (int64_t)days * DAY_S));
}

static bool add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

/* A certificate with everything but issuer, extensions and signature; NULL: OpenSSL's queue tells. */
static X509 *blank(const char *common_name, EVP_PKEY *key, int64_t now_s, unsigned days)
{
    X509 *cert = X509_new();
    bool ok = cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
              set_name(X509_get_subject_name(cert), common_name) && set_times(cert, now_s, days) &&
              X509_set_pubkey(cert, key);
    if (ok) return cert;
    X509_free(cert);
    return NULL;
}

static bool complete_ca(X509 *cert, EVP_PKEY *key)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    return X509_set_issuer_name(cert, X509_get_subject_name(cert)) &&
           add_extension(cert, &ctx, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(cert, &ctx, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(cert, &ctx, NID_subject_key_identifier, "hash") && X509_sign(cert, key, EVP_sha256()) > 0;
}

enum divan_code selfsigned_ca(const char *name, int64_t now_s, unsigned days, struct selfsigned *out,
                              struct divan_error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? blank(name, key, now_s, days) : NULL;
    enum divan_code rc = cert && complete_ca(cert, key) ? to_pem(cert, key, out, err)
                                                        : openssl_failed(err, "a certificate authority");
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

/* ---- certificates for hosts */

struct signer {
    X509 *cert;
    EVP_PKEY *key;
};

static void signer_fini(struct signer *s)
{
    X509_free(s->cert);
    EVP_PKEY_free(s->key);
}

static enum divan_code signer_load(struct signer *s, const struct selfsigned *ca, struct divan_error *err)
{
    BIO *cert = BIO_new_mem_buf(ca->cert_pem, -1), *key = BIO_new_mem_buf(ca->key_pem, -1);
    s->cert = cert ? PEM_read_bio_X509(cert, NULL, NULL, NULL) : NULL;
    s->key = key ? PEM_read_bio_PrivateKey(key, NULL, NULL, NULL) : NULL;
    BIO_free(cert);
    BIO_free(key);
    if (s->cert && s->key && X509_check_private_key(s->cert, s->key) == 1) return DIVAN_OK;
    ERR_clear_error();
    return err_set(err, DIVAN_ERR_INVALID_ARGUMENT,
                   "the certificate authority is not a PEM certificate with its private key");
}

static bool name_is_plain(const char *host)
{
    size_t len = strlen(host);
    return len > 0 && len < 254 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*") == len;
}

/* "DNS:a,IP:10.0.0.1": only checked characters go into OpenSSL's little language. */
static enum divan_code put_hosts(struct buf *out, const char *const *hosts, size_t count, struct divan_error *err)
{
    if (!count)
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "a certificate needs at least one host name or address");
    for (size_t i = 0; i < count; i++) {
        struct io_addr addr;
        bool numeric = io_addr_parse(&addr, hosts[i], 0);
        if (!numeric && !name_is_plain(hosts[i]))
            return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "\"%s\" is not a host name or address for a certificate",
                           hosts[i]);
        buf_printf(out, "%s%s:%s", i ? "," : "", numeric ? "IP" : "DNS", numeric ? addr.host : hosts[i]);
    }
    return buf_text(out) ? DIVAN_OK : err_oom(err);
}

static bool complete_cert(X509 *cert, const struct signer *ca, const char *names)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, ca->cert, cert, NULL, NULL, 0);
    return X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) &&
           add_extension(cert, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, &ctx, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, &ctx, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(cert, &ctx, NID_subject_key_identifier, "hash") &&
           add_extension(cert, &ctx, NID_authority_key_identifier, "keyid") &&
           add_extension(cert, &ctx, NID_subject_alt_name, names) && X509_sign(cert, ca->key, EVP_sha256()) > 0;
}

enum divan_code selfsigned_cert(const struct selfsigned *ca, const char *const *hosts, size_t count, int64_t now_s,
                                unsigned days, struct selfsigned *out, struct divan_error *err)
{
    struct signer signer = {0};
    struct buf names = {.limit = 64 * 1024};
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    enum divan_code rc = put_hosts(&names, hosts, count, err);
    if (!rc) rc = signer_load(&signer, ca, err);
    if (!rc) {
        char common_name[65]; /* X.520 allows 64; the names that count stand in the extension */
        text_copy(common_name, sizeof common_name, hosts[0]);
        key = EVP_EC_gen("P-256");
        cert = key ? blank(common_name, key, now_s, days) : NULL;
        rc = cert && complete_cert(cert, &signer, (const char *)names.data) ? to_pem(cert, key, out, err)
                                                                            : openssl_failed(err, "a certificate");
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    signer_fini(&signer);
    buf_fini(&names);
    return rc;
}
