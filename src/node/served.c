#include "node/served.h"

#include "wire/compress.h"

enum { CONFIG_MAX = 16 * 1024 * 1024, ALWAYS_PCT = 1000 };

bool served_set(struct served *s, struct map_revision revision, struct divan_bytes json, bool *changed)
{
    *changed = false;
    if (served_any(s) && revision_compare(revision, s->revision) <= 0) return true;
    struct buf text = {.limit = CONFIG_MAX};
    buf_put_bytes(&text, json);
    if (text.failed) {
        buf_fini(&text);
        return false;
    }
    served_fini(s);
    s->json = text;
    s->packed.limit = CONFIG_MAX;
    s->revision = revision;
    *changed = true;
    return true;
}

struct divan_bytes served_text(struct served *s, bool pack, bool *packed)
{
    if (pack && !s->packed.len && !value_compress(buf_view(&s->json), ALWAYS_PCT, &s->packed)) buf_clear(&s->packed);
    *packed = pack && s->packed.len;
    return *packed ? buf_view(&s->packed) : buf_view(&s->json);
}

void served_fini(struct served *s)
{
    buf_fini(&s->json);
    buf_fini(&s->packed);
    *s = (struct served){0};
}
