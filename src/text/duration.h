/* Durations as people write them: "2500ms", "2.5s", "1m30s", "-1.5h", or a bare whole number of milliseconds. */
#ifndef DIVAN_TEXT_DURATION_H
#define DIVAN_TEXT_DURATION_H

#include "base/bytes.h"

/** The longest text duration_format() writes, with its NUL. */
enum { DURATION_TEXT = 48 };

/** Parses a Go duration (units ns us µs ms s m h, fractions, several parts, one sign) or a bare integer = milliseconds.
 * *ns is written only on success. On failure *error_at (may be NULL) is the offset of the offending byte. Values outside
 * int64 nanoseconds (about 292 years) fail. Empty text fails. */
bool duration_parse(struct divan_bytes text, int64_t *ns, size_t *error_at);

/** The shortest exact text that parses back to the same value: "2.5s", "1m30s", "750ms", "0s". */
void duration_format(int64_t ns, char out[DURATION_TEXT]);

#endif
