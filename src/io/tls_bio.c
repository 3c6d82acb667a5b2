/* OpenSSL reads straight from the input of the stream beneath and writes straight into its output buffer. */
#include <limits.h>
#include <pthread.h>

#include <openssl/bio.h>

#include "io/tls_impl.h"

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* one for the life of the process */

static struct io_stream *stream_of(BIO *bio)
{
    return *(struct io_stream **)BIO_get_data(bio);
}

static int bio_read(BIO *bio, char *to, int max)
{
    struct io_stream *s = stream_of(bio);
    struct divan_bytes in = s ? io_stream_input(s) : bytes_of(NULL, 0);
    size_t n = max > 0 && in.len > (size_t)max ? (size_t)max : in.len;
    BIO_clear_retry_flags(bio);
    if (!n || max <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, in.data, n);
    io_stream_consume(s, n);
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct io_stream *s = stream_of(bio);
    BIO_clear_retry_flags(bio);
    if (!s || len <= 0) return -1;
    struct buf *out = io_stream_output(s);
    buf_put(out, data, (size_t)len);
    return out->failed ? -1 : len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH ? 1 : 0; /* whoever called OpenSSL flushes the stream */
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (!m) return;
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    BIO_meth_set_create(m, bio_create);
    method = m;
}

BIO *tls_bio_new(struct io_stream **at)
{
    pthread_once(&method_once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio) BIO_set_data(bio, at);
    return bio;
}
