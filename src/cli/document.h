/* What the commands on one document share: their arguments, the rows of their option tables, and the way from the command
 * line to the outcome. Each command adds its operation and says what of the result it shows. */
#ifndef DIVAN_CLI_DOCUMENT_H
#define DIVAN_CLI_DOCUMENT_H

#include <divan/divan.h>

#include "base/bytes.h"
#include "cli/command.h"
#include "cli/connect.h"

struct document_args {
    struct connect_args connect;
    bool json, keep_expiry, with_expiry;
    bool create_paths, access_deleted, create_as_deleted, revive; /* of sub-documents */
    struct opt_number timeout_ms, expiry_s, cas, flags, initial, delta, lock_s;
    struct opt_choice durability, store;
    struct opt_list project;
    const char *file;
};

struct document {
    const struct document_args *args;
    divan_collection *collection;
    struct divan_bytes key, value;
    uint32_t flags; /* of the value: given, or told from its bytes */
};

typedef enum divan_code document_op(const struct document *d, divan_result **out, struct divan_error *err);

enum document_show { SHOW_NOTHING, SHOW_VALUE, SHOW_NUMBER, SHOW_EXISTS, SHOW_CAS /* with --json the value too */ };

struct document_plan {
    const char *name; /* of the command */
    document_op *op;
    bool takes_value; /* the second operand, or --file */
    enum document_show show;
};

/** Does it all and returns the exit status. */
int document_run(const struct document_plan *plan, const struct document_args *args, const struct operands *operands);

/** Members "error": {...} of an object that is open. */
void document_error_json(const struct divan_error *e, struct buf *out);
/** Member "mutation_token", when there is one. */
void document_token_json(struct divan_mutation_token token, struct buf *out);

/** EXIT_REFUSED for codes that are an answer about the data, EXIT_TROUBLE for the others. */
int document_exit(enum divan_code code);

extern const char *const durability_names[]; /* in the order of enum divan_durability */
extern const char *const store_names[];      /* in the order of enum divan_store */

#define DOC(...) OPT(struct document_args, __VA_ARGS__)
#define ROW_JSON DOC(json, "json", 0, OPT_FLAG, NULL, "print one JSON object: key, CAS and what belongs to the outcome")
#define ROW_TIMEOUT                                                                                                    \
    DOC(timeout_ms, "timeout", 0, OPT_MS, "MS",                                                                        \
        "give up after so long: connecting and the operation each (default 10s and 2500ms, 10s with durability)",      \
        .env = "DIVAN_TIMEOUT", .min = 1, .max = 3600000)
#define ROW_EXPIRY                                                                                                     \
    DOC(expiry_s, "expiry", 0, OPT_SECONDS, "S", "the document goes away after so long; 0 = never", .max = UINT32_MAX)
#define ROW_KEEP_EXPIRY DOC(keep_expiry, "keep-expiry", 0, OPT_FLAG, NULL, "leave the document's expiry as it is")
#define ROW_ACCESS_DELETED                                                                                             \
    DOC(access_deleted, "access-deleted", 0, OPT_FLAG, NULL, "extended attributes of a deleted document too")
#define ROW_CAS DOC(cas, "cas", 0, OPT_NUMBER, "N", "only if the document still has this CAS", .min = 1)
#define ROW_FLAGS                                                                                                      \
    DOC(flags, "flags", 0, OPT_NUMBER, "N",                                                                            \
        "the 32 bits that say what the value is (default: told from its bytes: 0x02000006 JSON, 0x04000004 UTF-8, "    \
        "0x03000000 other)",                                                                                           \
        .max = UINT32_MAX)
#define ROW_DURABILITY                                                                                                 \
    DOC(durability, "durability", 0, OPT_CHOICE, "LEVEL", "copies that must have the write", .preset = "none",         \
        .choices = durability_names)
#define ROW_FILE DOC(file, "file", 'f', OPT_TEXT, "FILE", "take the value from a file; - is standard input")
#define GROUP_CONNECTION                                                                                               \
    {                                                                                                                  \
        "Connection", connect_rows, offsetof(struct document_args, connect)                                            \
    }

#define TEXT_VALUE                                                                                                     \
    "The value is stored byte for byte: the operand itself, - for standard input, @FILE for the content of a file "    \
    "(@@ "                                                                                                             \
    "stands for an @ at the beginning). Write -- before operands that begin with a dash."

#endif
