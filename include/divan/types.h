/* The few types every part of the library shares: views of bytes and the error struct. */
#ifndef DIVAN_TYPES_H
#define DIVAN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <divan/codes.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DIVAN_API __attribute__((visibility("default")))

/** A borrowed view: the receiver never frees it. {NULL, 0} is the empty view. */
struct divan_bytes {
    const void *data;
    size_t len;
};

/** A view of a C string; NULL gives the empty view. */
static inline struct divan_bytes divan_str(const char *text)
{
    struct divan_bytes view;
    view.data = text;
    view.len = text ? strlen(text) : 0;
    return view;
}

/** Bits of divan_error.flags. */
enum divan_error_flags {
    DIVAN_IS_RETRYABLE = 1, /**< the same call may succeed later */
    DIVAN_IS_AMBIGUOUS = 2, /**< the write may have been applied: read before writing again */
    DIVAN_IS_FATAL = 4,     /**< will fail again until the program or its configuration changes */
};

/** What went wrong. Caller-owned; always fully overwritten; needs no init and no free. */
struct divan_error {
    enum divan_code code;   /**< stable number, see divan/codes.h */
    uint32_t flags;         /**< enum divan_error_flags */
    uint16_t server_status; /**< status on the wire; 0 = no server answered */
    uint16_t attempts;      /**< dispatches, retries included */
    uint32_t opaque;        /**< find it in server logs and packet captures */
    uint32_t elapsed_ms;    /**< since the call entered the library */
    uint32_t retry_reasons; /**< bits 1 << reason, see divan_retry_reasons() */
    char op[16];            /**< "upsert"; "" = before any operation */
    char endpoint[64];      /**< "10.0.0.7:11210"; "" = never dispatched */
    char ref[40];           /**< reference the server wrote into its log; "" = none */
    char message[320];      /**< one sentence: what failed, why, what to do */
    uint8_t reserved[48];
};

#ifdef __cplusplus
}
#endif
#endif
