/* Sub-document commands. Input: operation and flags, then document, path and value separated by 0xff. */
#include <stdlib.h>

#include "text/subdoc.h"

static struct divan_bytes take_field(struct divan_bytes *input)
{
    const char *mark = input->len ? memchr(input->data, 0xff, input->len) : NULL;
    size_t len = mark ? (size_t)(mark - (const char *)input->data) : input->len;
    struct divan_bytes field = bytes_slice(*input, 0, len);
    *input = bytes_slice(*input, mark ? len + 1 : len, input->len);
    return field;
}

/* Two values side by side are let through as the real server does; everything else keeps the document valid. */
static bool may_break(enum subdoc_op op, struct divan_bytes value)
{
    bool list = op == SUBDOC_ARRAY_PUSH_LAST || op == SUBDOC_ARRAY_PUSH_FIRST || op == SUBDOC_ARRAY_INSERT;
    struct buf wrapped = {.limit = value.len + 2};
    buf_u8(&wrapped, '[');
    buf_put_bytes(&wrapped, value);
    buf_u8(&wrapped, ']');
    bool valid = json_is_valid(buf_view(&wrapped));
    buf_fini(&wrapped);
    return list && !valid;
}

static void check_mutation(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                           struct divan_bytes value, bool mkdir_p)
{
    struct buf out = {.limit = 1 << 24};
    struct subdoc_reply reply, found;
    enum subdoc_status status = subdoc_mutate(op, document, path, value, mkdir_p, &out, &reply);
    if (status && out.len) abort();
    if (!status && !may_break(op, value)) {
        if (!json_is_valid(buf_view(&out))) abort();
        bool lost = op == SUBDOC_DELETE || !path.len;
        if (!lost && subdoc_lookup(SUBDOC_EXISTS, buf_view(&out), path, &found) != SUBDOC_OK) abort();
        if (op == SUBDOC_COUNTER) {
            if (subdoc_lookup(SUBDOC_GET, buf_view(&out), path, &found) || !bytes_equal(found.value, reply.value))
                abort();
        }
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum subdoc_op ops[] = {
        SUBDOC_GET,          SUBDOC_EXISTS,           SUBDOC_GET_COUNT,
        SUBDOC_DICT_ADD,     SUBDOC_DICT_UPSERT,      SUBDOC_DELETE,
        SUBDOC_REPLACE,      SUBDOC_ARRAY_PUSH_LAST,  SUBDOC_ARRAY_PUSH_FIRST,
        SUBDOC_ARRAY_INSERT, SUBDOC_ARRAY_ADD_UNIQUE, SUBDOC_COUNTER,
    };
    if (!size) return 0;
    enum subdoc_op op = ops[(data[0] & 0x7f) % (sizeof ops / sizeof ops[0])];
    struct divan_bytes input = bytes_of(data + 1, size - 1);
    struct divan_bytes document = take_field(&input), path = take_field(&input), value = take_field(&input);
    struct subdoc_reply reply;
    if (!subdoc_is_lookup(op)) check_mutation(op, document, path, value, data[0] & 0x80);
    else if (subdoc_lookup(op, document, path, &reply) == SUBDOC_OK && op == SUBDOC_GET && !json_is_valid(reply.value))
        abort();
    return 0;
}
