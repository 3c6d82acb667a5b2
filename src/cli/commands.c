#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/help.h"
#include "cli/near.h"

extern const struct command command_get, command_exists, command_upsert, command_insert, command_replace,
    command_remove, command_touch, command_incr, command_decr, command_append, command_prepend, command_lookup,
    command_mutate, command_lock, command_unlock, command_scan, command_export, command_import, command_bucket,
    command_scope, command_collection, command_user, command_group, command_stats, command_up, command_down,
    command_status, command_map, command_ping, command_diagnostics, command_connstr, command_bench, command_demo,
    command_version, command_help;

const struct command *const commands[] = {
    &command_get,     &command_exists, &command_upsert,     &command_insert,  &command_replace, &command_remove,
    &command_touch,   &command_incr,   &command_decr,       &command_append,  &command_prepend, &command_lookup,
    &command_mutate,  &command_lock,   &command_unlock,     &command_scan,    &command_export,  &command_import,
    &command_bucket,  &command_scope,  &command_collection, &command_user,    &command_group,   &command_stats,
    &command_up,      &command_down,   &command_status,     &command_map,     &command_ping,    &command_diagnostics,
    &command_connstr, &command_bench,  &command_demo,       &command_version, &command_help,    NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0) return *c;
    return NULL;
}

int command_fail(const char *name, const struct divan_error *err)
{
    const char *code = err->code == DIVAN_ERR_USAGE ? "" : err_code_name(err->code);
    size_t len = name ? strlen(name) : 0;
    /* the library begins with the operation: "divan: get of ...", not "divan get: get of ..." */
    if (len && strncmp(err->message, name, len) == 0 && err->message[len] == ' ') name = NULL;
    fflush(stdout);
    fprintf(stderr, "divan%s%s: %s%s%s%s\n", name ? " " : "", name ? name : "", err->message, *code ? " (" : "", code,
            *code ? ")" : "");
    return EXIT_TROUBLE;
}

static int unknown_command(const char *name)
{
    struct near near = {.wanted = name};
    struct divan_error err;
    for (const struct command *const *c = commands; *c; c++)
        if (!(*c)->hidden) near_offer(&near, (*c)->name);
    const char *best = near_answer(&near);
    if (best) err_set(&err, DIVAN_ERR_USAGE, "unknown command \"%s\": did you mean \"%s\"?", name, best);
    else err_set(&err, DIVAN_ERR_USAGE, "unknown command \"%s\": divan help lists the commands", name);
    return command_fail(NULL, &err);
}

static enum divan_code check_operands(const struct command *c, const struct operands *given, struct divan_error *err)
{
    if (given->count < c->operands_min)
        return err_set(err, DIVAN_ERR_USAGE, "something is missing: divan %s [OPTION...] %s", c->name, c->operands);
    if (given->count > c->operands_max)
        return err_set(err, DIVAN_ERR_USAGE, "\"%s\" is one too many: divan %s [OPTION...] %s",
                       given->items[c->operands_max], c->name, c->operands ? c->operands : "");
    return DIVAN_OK;
}

static int run(const struct command *c, int argc, char **argv)
{
    bool help = false;
    struct divan_error err;
    int status = EXIT_TROUBLE;
    struct operands operands = {.items = mem_alloc(sizeof(char *) * (size_t)(argc + 1))};
    void *args = mem_zalloc(c->args_size + 1);
    enum divan_code rc = operands.items && args ? opt_parse(c->groups, argc, argv, args, &operands, &help, &err)
                                                : err_oom(&err);
    if (!rc && !help) rc = check_operands(c, &operands, &err);
    if (rc) {
        status = command_fail(c->name, &err);
    } else if (help) {
        const char *name[] = {c->name};
        status = command_help.run(args, &(struct operands){name, 1});
    } else {
        status = c->run(args, &operands);
    }
    mem_free(args);
    mem_free(operands.items);
    return status;
}

static bool one_of(const char *text, const char *a, const char *b)
{
    return !strcmp(text, a) || !strcmp(text, b);
}

int command_main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    int skip = argc > 1 ? 2 : 1;
    if (one_of(name, "--help", "-h")) name = "help";
    if (one_of(name, "--version", "-V")) name = "version";
    const struct command *c = command_find(name);
    return c ? run(c, argc - skip, argv + skip) : unknown_command(name);
}
