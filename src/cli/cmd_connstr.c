#include <stdio.h>

#include "base/error.h"
#include "cli/command.h"
#include "text/connstr.h"

static int run(const void *args, const struct operands *operands)
{
    struct connstr parsed = {0};
    struct divan_error err;
    struct buf out = {.limit = 4 << 20};
    enum divan_code rc = connstr_parse(operands->items[0], &parsed, &err);
    if (!rc) connstr_json(&parsed, &out);
    if (!rc && out.failed) rc = err_oom(&err);
    if (!rc) printf("%.*s\n", (int)out.len, (const char *)out.data);
    connstr_fini(&parsed);
    buf_fini(&out);
    return rc ? command_fail("connstr", &err) : EXIT_DONE;
}

const struct command command_connstr = {
    .name = "connstr",
    .summary = "show how a connection string is understood, as JSON",
    .operands = "STRING",
    .operands_min = 1,
    .operands_max = 1,
    .example = "divan connstr 'couchbases://db1,db2:11207/app?kv_timeout=2s'",
    .run = run,
};
