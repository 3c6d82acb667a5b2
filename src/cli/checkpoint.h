/* How far an import came, in a small file of JSON that is replaced as a whole. */
#ifndef DIVAN_CLI_CHECKPOINT_H
#define DIVAN_CLI_CHECKPOINT_H

#include <divan/types.h>

/* Everything up to here is done with: stored, or refused and told. */
struct checkpoint {
    uint64_t line, offset; /* the last line, and the byte behind it */
    uint64_t stored, bad;  /* of them, all runs together */
    uint64_t rejects_bytes;
};

/** *found tells whether there is one. Errors: FILE_READ, USAGE when it is of another input, or no checkpoint at all. */
enum divan_code checkpoint_read(const char *path, const char *input, struct checkpoint *out, bool *found,
                                struct divan_error *err);
/** Errors: FILE_WRITE, OUT_OF_MEMORY. */
enum divan_code checkpoint_write(const char *path, const char *input, const struct checkpoint *c,
                                 struct divan_error *err);
void checkpoint_remove(const char *path);

#endif
