/* Messages between a manager and its nodes: an accepted question or answer written again is read as the same. */
#include <stdlib.h>

#include "manager/link.h"

static void check_ask(const struct link_message *m)
{
    struct buf text = {.limit = 1 << 26};
    struct link_message again;
    struct divan_error err = {0};
    link_put_ask(&text, m->id, &m->request);
    if (!text.failed) {
        if (link_read(buf_view(&text), &again, &err) || again.type != LINK_ASK || again.id != m->id) abort();
        if (again.request.form_count != m->request.form_count || again.request.arg_count != m->request.arg_count)
            abort();
        for (size_t i = 0; i < m->request.form_count; i++)
            if (!bytes_equal(again.request.form[i].value, m->request.form[i].value)) abort();
        if (!bytes_equal(again.request.body, m->request.body)) abort();
        link_message_fini(&again);
    }
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct link_message m;
    struct divan_error err = {0};
    if (link_read(bytes_of(data, size), &m, &err)) {
        if (!*err.message) abort();
    } else if (m.type == LINK_ASK && (int64_t)m.id >= 0) check_ask(&m);
    link_message_fini(&m);
    return 0;
}
