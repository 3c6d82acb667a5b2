/* One HTTP request to the management port of a node, on a loop or waiting for it. */
#ifndef DIVAN_CLI_REST_H
#define DIVAN_CLI_REST_H

#include "io/io.h"

struct rest_request {
    const char *host; /* an address or a name */
    uint16_t port;
    const char *user, *password; /* NULL user = anonymous */
    const char *method, *target;
    struct divan_bytes form; /* body, application/x-www-form-urlencoded; empty = none */
    uint32_t timeout_ms;     /* 0 = 5000 */
};

/** status 0: there was no answer, err tells why (NAME_NOT_RESOLVED, UNREACHABLE, CONNECTION_LOST, HTTP_MESSAGE, UNAMBIGUOUS_TIMEOUT,
 * OUT_OF_MEMORY); else err is NULL. body is borrowed for the call. */
typedef void rest_done_fn(void *user, unsigned status, struct divan_bytes body, const struct divan_error *err);

struct rest_call;
/** Everything in the request is copied. fn runs once, never from inside, unless cancelled. NULL with err filled. */
struct rest_call *rest_start(struct io_loop *, const struct rest_request *, rest_done_fn *fn, void *user,
                             struct divan_error *err);
void rest_cancel(struct rest_call *); /**< fn will not run; NULL is fine; not after fn ran */

/** Waits for the answer on a loop of its own. An answer other than 2xx is an error too: AUTHENTICATION_FAILURE (401,
 * 403), FAILED, with the status and the beginning of the body in the sentence. *body may be NULL, else it gets the body: buf_fini(). */
enum divan_code rest_do(const struct rest_request *, struct buf *body, struct divan_error *err);

#endif
