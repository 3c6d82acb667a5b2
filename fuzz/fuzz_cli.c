/* What the command reads from elsewhere: the record of a local cluster, the list of buckets, command lines. */
#include <stdlib.h>

#include "cli/command.h"
#include "cli/local/record.h"
#include "cli/local/stats.h"
#include "cli/value.h"
#include "text/json.h"

static void record(struct divan_bytes input)
{
    struct record first, second;
    struct divan_error err;
    struct buf json = {.limit = 1 << 24}, again = {.limit = 1 << 24};
    if (record_parse(input, &first, &err)) return;
    record_json(&first, &json);
    if (!json_is_valid(buf_view(&json)) || record_parse(buf_view(&json), &second, &err)) abort();
    record_json(&second, &again);
    if (!bytes_equal(buf_view(&json), buf_view(&again))) abort();
    record_fini(&first);
    record_fini(&second);
    buf_fini(&json);
    buf_fini(&again);
}

static void value(struct divan_bytes input)
{
    static const uint32_t flags[] = {0, VALUE_FLAGS_JSON, VALUE_FLAGS_UTF8, VALUE_FLAGS_RAW};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        struct buf out = {.limit = 1 << 24};
        buf_u8(&out, '{');
        value_show(&out, input, flags[i]);
        buf_u8(&out, '}');
        if (!json_is_valid(buf_view(&out))) abort();
        buf_fini(&out);
    }
    value_flags_of(input);
}

/* Words between newlines, for every command. */
static void command_line(struct divan_bytes input)
{
    enum { WORDS = 64 };
    char *argv[WORDS], *text = calloc(1, input.len + 1);
    int argc = 0;
    if (input.len) memcpy(text, input.data, input.len);
    for (char *at = text; argc < WORDS && at < text + input.len; at += strlen(at) + 1) {
        at[strcspn(at, "\n")] = 0;
        argv[argc++] = at;
    }
    for (const struct command *const *c = commands; *c; c++) {
        const char *items[WORDS + 1];
        struct operands operands = {items, 0};
        struct divan_error err;
        bool help;
        void *args = calloc(1, (*c)->args_size + 1);
        if (opt_parse((*c)->groups, argc, argv, args, &operands, &help, &err) && !*err.message) abort();
        if (operands.count > (size_t)argc) abort();
        free(args);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct divan_bytes input = bytes_of(data, size);
    struct stats stats = {0};
    record(input);
    if (stats_parse(input, &stats) && stats.count > STATS_BUCKETS_MAX) abort();
    value(input);
    command_line(input);
    return 0;
}
