#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/error.h"
#include "io/loop.h"
#include "io/tls_impl.h"

enum { NAME_MAX_TEXT = 80, NAMES_MAX_TEXT = 120 };

bool tls_is_foreign(uint8_t first)
{
    return first != SSL3_RT_HANDSHAKE && first != SSL3_RT_ALERT;
}

void tls_name_text(X509_NAME *name, char *out, int cap)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n = bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0 ? BIO_read(bio, out, cap - 1) : 0;
    out[n > 0 ? n : 0] = 0;
    BIO_free(bio);
}

static void put_name(struct buf *out, const GENERAL_NAME *name)
{
    if (name->type == GEN_DNS) {
        const ASN1_IA5STRING *dns = name->d.dNSName;
        buf_printf(out, "%s%.*s", out->len ? ", " : "", ASN1_STRING_length(dns),
                   (const char *)ASN1_STRING_get0_data(dns));
    } else if (name->type == GEN_IPADD) {
        struct io_addr addr;
        const ASN1_OCTET_STRING *ip = name->d.iPAddress;
        bool known = addr_from_bytes(&addr, bytes_of(ASN1_STRING_get0_data(ip), (size_t)ASN1_STRING_length(ip)));
        if (known) buf_printf(out, "%s%s", out->len ? ", " : "", addr.host);
    }
}

/* The names a certificate is for, "a.example, 10.0.0.1, ..." */
static void names_text(X509 *cert, char *text, size_t cap)
{
    struct buf out = {.limit = 64 * 1024};
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) put_name(&out, sk_GENERAL_NAME_value(names, i));
    const char *all = out.len ? buf_text(&out) : "none";
    text_copy(text, cap, all ? all : "?");
    if (out.len >= cap) memcpy(text + cap - 4, "...", 4);
    GENERAL_NAMES_free(names);
    buf_fini(&out);
}

static enum divan_code judge_certificate(X509 *cert, int why, const char *peer, const char *name,
                                         struct divan_error *err)
{
    char subject[NAME_MAX_TEXT], issuer[NAME_MAX_TEXT], names[NAMES_MAX_TEXT];
    tls_name_text(X509_get_subject_name(cert), subject, sizeof subject);
    tls_name_text(X509_get_issuer_name(cert), issuer, sizeof issuer);
    names_text(cert, names, sizeof names);
    bool wrong_name = why == X509_V_ERR_HOSTNAME_MISMATCH || why == X509_V_ERR_IP_ADDRESS_MISMATCH;
    if (wrong_name)
        return err_set(err, DIVAN_ERR_TLS_CERTIFICATE,
                       "the certificate of %s is not for %s but for %s (subject %s, issuer %s)", peer,
                       name ? name : "it", names, subject, issuer);
    return err_set(err, DIVAN_ERR_TLS_CERTIFICATE,
                   "the certificate of %s is not accepted: %s (subject %s, issuer %s, names %s)", peer,
                   X509_verify_cert_error_string(why), subject, issuer, names);
}

int tls_note_refusal(int ok, X509_STORE_CTX *ctx)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_refusal *refusal = ssl ? SSL_get_app_data(ssl) : NULL;
    X509 *cert = X509_STORE_CTX_get0_cert(ctx);
    if (ok || !refusal || refusal->cert || !cert || !X509_up_ref(cert)) return ok;
    refusal->cert = cert;
    refusal->why = X509_STORE_CTX_get_error(ctx);
    return ok;
}

enum divan_code tls_verdict(const struct tls_refusal *refusal, const char *peer, const char *name,
                            struct divan_error *err)
{
    enum divan_code rc;
    if (refusal->cert) rc = judge_certificate(refusal->cert, refusal->why, peer, name, err);
    else rc = err_set(err, DIVAN_ERR_HANDSHAKE_FAILED, "the TLS handshake with %s failed: %s", peer, tls_reason());
    ERR_clear_error();
    return rc;
}
