#include "node/secure.h"

#include "base/error.h"
#include "io/selfsigned.h"

bool secure_has(const struct secure *s, const char *host)
{
    return s->tls && strcmp(s->name, host) == 0;
}

enum divan_code secure_make(struct secure *s, const struct doc *d, const char *host, int64_t now_s,
                            struct divan_error *err)
{
    enum { DAYS = 825 };
    /* Only read: the struct has no place for const. */
    const struct selfsigned ca = {(char *)(uintptr_t)d->ca_cert, (char *)(uintptr_t)d->ca_key};
    const char *const names[] = {host, "localhost", "127.0.0.1", "::1"};
    struct selfsigned own = {0};
    enum divan_code rc = selfsigned_cert(&ca, names, sizeof names / sizeof *names, now_s, DAYS, &own, err);
    struct io_tls *tls = NULL;
    if (!rc) {
        struct io_tls_server_options o = {.cert = {.text = divan_str(own.cert_pem)},
                                          .key = {.text = divan_str(own.key_pem)}};
        tls = io_tls_server_new(&o, err);
        if (!tls) rc = err->code;
    }
    selfsigned_fini(&own);
    if (rc) return rc;
    secure_fini(s);
    s->tls = tls;
    text_copy(s->name, sizeof s->name, host);
    return DIVAN_OK;
}

void secure_fini(struct secure *s)
{
    io_tls_release(s->tls);
    *s = (struct secure){0};
}
