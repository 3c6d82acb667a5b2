/* What a value is: the common flags by which the SDKs of all languages tell each other how a value is encoded. They travel in
 * the 32 bits of flags beside it; the server does not look at them. */
#ifndef DIVAN_FORMAT_H
#define DIVAN_FORMAT_H

#include <divan/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum divan_format {
    DIVAN_FORMAT_UNKNOWN, /**< flags 0, or of an old or foreign client: ask the value */
    DIVAN_FORMAT_PRIVATE, /**< only the writer's own kind of client can read it */
    DIVAN_FORMAT_JSON,
    DIVAN_FORMAT_BINARY,
    DIVAN_FORMAT_STRING, /**< UTF-8 text that is not JSON */
};

/* Flags to write: the common format in the top byte, and the old Python and Java ones in the low bits, so that clients of every
 * age read it. */
#define DIVAN_FLAGS_JSON    UINT32_C(0x02000000)
#define DIVAN_FLAGS_BINARY  UINT32_C(0x03000002)
#define DIVAN_FLAGS_STRING  UINT32_C(0x04000004)
#define DIVAN_FLAGS_PRIVATE UINT32_C(0x01000001)

/** The format that flags tell: the top byte, without it the legacy low bits (0 is UNKNOWN). */
DIVAN_API enum divan_format divan_format_of_flags(uint32_t flags);
/** The flags to write for a format; UNKNOWN gives 0. */
DIVAN_API uint32_t divan_format_flags(enum divan_format);
/** "json", "binary", "string", "private", "unknown"; never NULL. */
DIVAN_API const char *divan_format_name(enum divan_format);
/** What a value can be read as: the format of its flags; without one JSON when it is well-formed JSON, STRING when it is
 * UTF-8, else BINARY. */
DIVAN_API enum divan_format divan_format_detect(struct divan_bytes value, uint32_t flags);
/** Whether a value is what the format promises: well-formed JSON (JSON), UTF-8 (STRING). VALUE_NOT_JSON and VALUE_NOT_UTF8 with the
 * place in the sentence; err may be NULL. */
DIVAN_API enum divan_code divan_format_check(struct divan_bytes value, enum divan_format, struct divan_error *err);

#ifdef __cplusplus
}
#endif
#endif
