/* What follows the hosts of a connection string: the bucket and the parameters. */
#include "text/ascii.h"
#include "text/connstr_parse.h"

enum { BUCKET_BYTES_MAX = 250 };

/* Bucket names may contain "%" themselves but never a control character: an escape of one is part of the name. */
static bool escapes_control(const char *text, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++) {
        int high = ascii_hex((unsigned char)text[i + 1]), low = ascii_hex((unsigned char)text[i + 2]);
        if (text[i] == '%' && high >= 0 && low >= 0 && (high < 2 || (high == 7 && low == 15))) return true;
    }
    return false;
}

enum divan_code connstr_parse_bucket(struct connstr_scan *s, struct range bucket)
{
    if (range_empty(bucket)) return DIVAN_OK;
    const char *text = s->text + bucket.from, *slash = memchr(text, '/', bucket.to - bucket.from);
    size_t len = bucket.to - bucket.from;
    if (slash)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_BUCKET, (size_t)(slash - s->text),
                            "a bucket name has no \"/\"; only one name may follow the hosts");
    if (len > 3 * BUCKET_BYTES_MAX)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_BUCKET, bucket.from, "a bucket name is longer than %d bytes",
                            BUCKET_BYTES_MAX);
    enum divan_code rc = DIVAN_OK;
    if (escapes_control(text, len)) s->out->bucket = mem_dup(text, len);
    else rc = connstr_decode(s, bucket, &s->out->bucket);
    if (!rc && !s->out->bucket) rc = err_oom(s->err);
    if (!rc && strlen(s->out->bucket) > BUCKET_BYTES_MAX)
        rc = connstr_fail(s, DIVAN_ERR_CONNSTR_BUCKET, bucket.from, "a bucket name is longer than %d bytes",
                          BUCKET_BYTES_MAX);
    s->out->bucket_column = bucket.from + 1;
    return rc;
}

static enum divan_code parse_param(struct connstr_scan *s, struct range pair)
{
    struct connstr_param *p = &s->out->params[s->out->param_count++];
    const char *equals = memchr(s->text + pair.from, '=', pair.to - pair.from);
    size_t split = equals ? (size_t)(equals - s->text) : pair.to;
    if (split == pair.from)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_CHARACTER, pair.from, "an option name is missing before \"=\"");
    p->key_column = pair.from + 1;
    p->value_column = split + 2;
    enum divan_code rc = connstr_decode(s, (struct range){pair.from, split}, &p->key);
    if (!rc && equals) rc = connstr_decode(s, (struct range){split + 1, pair.to}, &p->value);
    return rc;
}

enum divan_code connstr_parse_params(struct connstr_scan *s, struct range params)
{
    if (range_empty(params)) return DIVAN_OK;
    size_t most = 1;
    for (size_t i = params.from; i < params.to; i++) most += s->text[i] == '&';
    s->out->params = mem_zalloc(most * sizeof *s->out->params);
    if (!s->out->params) return err_oom(s->err);
    enum divan_code rc = DIVAN_OK;
    for (size_t from = params.from; from < params.to && !rc;) {
        const char *and = memchr(s->text + from, '&', params.to - from);
        size_t end = and? (size_t)(and-s->text) : params.to;
        if (end > from) rc = parse_param(s, (struct range){from, end});
        from = end + 1;
    }
    return rc;
}
