/* What the management commands share: "divan bucket create NAME..." is a command, an action and the names it is about. */
#ifndef DIVAN_CLI_MANAGE_H
#define DIVAN_CLI_MANAGE_H

#include <divan/divan.h>

#include "cli/command.h"
#include "cli/connect.h"
#include "cli/table.h"
#include "text/json.h"

/* The first member of the arguments of each of them. */
struct manage_args {
    struct connect_args connect;
    struct opt_number timeout_ms;
    bool json;
};
extern const struct opt_row manage_rows[]; /* the group "Options" over a struct manage_args */

struct manage {
    const struct manage_args *args;
    divan_cluster *cluster;
    const char *bucket; /* of the connection; NULL = that of the connection string */
    const struct divan_management_options *options;
    divan_result *result; /* of what is read, to be released by manage_run() */
    struct divan_error *err;
};

struct manage_action {
    const char *name;
    bool takes_names; /* one or more; each is an act of its own */
    /** Does it for one name (NULL where none is taken). */
    enum divan_code (*act)(struct manage *m, const char *name);
    /** Makes the rows of what was read, JSON text. NULL: nothing to show. */
    const char *header;
    void (*rows)(const struct manage *m, struct json_value read, struct table *t);
};

/** operands: the action and its names. actions: NULL name ends. Returns the exit status. */
int manage_run(const char *command, const struct manage_action *actions, const struct manage_args *args,
               const struct operands *operands);

/** A member as text: strings without quotes, numbers as they are, "" where there is none. Cut to cap. */
const char *manage_text(struct json_value object, const char *name, char *out, size_t cap);
/** Adds a role of a user or group as it is written, "data_reader[shop:inventory]", behind those that are there. */
void manage_put_role(struct json_value role, struct buf *out);
uint64_t manage_number(struct json_value object, const char *name); /**< 0 where there is none */

#endif
