/* Certificates for a local cluster: a certificate authority of its own and node certificates it signs. EC P-256, SHA-256. */
#ifndef DIVAN_IO_SELFSIGNED_H
#define DIVAN_IO_SELFSIGNED_H

#include <divan/types.h>

/** Certificate and private key as PEM texts, mem_free() both or selfsigned_fini(). */
struct selfsigned {
    char *cert_pem, *key_pem;
};
void selfsigned_fini(struct selfsigned *);

/** A root that may sign others. name becomes its common name; valid from now_s (seconds since 1970) - 1 day. Errors:
 * OUT_OF_MEMORY, SYSTEM (OpenSSL's reason). *out is written on success only. */
enum divan_code selfsigned_ca(const char *name, int64_t now_s, unsigned days, struct selfsigned *out,
                              struct divan_error *err);
/** A certificate for servers and clients with these host names and numeric addresses (at least one; the first is the
 * common name), signed by ca. cert_pem holds the certificate alone: trust is in the root. Errors also: INVALID_ARGUMENT. */
enum divan_code selfsigned_cert(const struct selfsigned *ca, const char *const *hosts, size_t count, int64_t now_s,
                                unsigned days, struct selfsigned *out, struct divan_error *err);

#endif
