/* Messages of a peer at each step of an exchange. The first byte chooses mechanism and place. */
#include <stdlib.h>

#include "wire/sasl.h"

static struct sasl_secret secret;

static void as_server(enum sasl_mechanism m, bool first, struct divan_bytes text)
{
    struct sasl_server server = {.state = SASL_SERVER_IDLE};
    struct buf out = {.limit = 1 << 16};
    struct divan_bytes begin = first ? text : m == SASL_PLAIN ? bytes_of("\0u\0p", 4) : divan_str("n,,n=u,r=x");
    if (sasl_server_begin(&server, m, begin) == SASL_LOOKUP) {
        if (!server.user[0]) abort();
        if (sasl_server_answer(&server, &secret, divan_str("pepper"), "n", &out) == SASL_CONTINUE && !first) {
            buf_clear(&out);
            if (sasl_server_step(&server, text, &out) == SASL_ACCEPTED) abort(); /* nobody guesses a proof */
        }
    }
    sasl_server_fini(&server);
    buf_fini(&out);
}

static void as_client(enum sasl_mechanism m, bool challenge, struct divan_bytes text)
{
    struct sasl_client client;
    struct buf out = {.limit = 1 << 16};
    struct divan_error err;
    if (m == SASL_PLAIN) m = SASL_SCRAM_SHA1;
    sasl_client_init(&client, m, divan_str("u"), divan_str("p"), "x", &err);
    sasl_client_first(&client, &out, &err);
    if (challenge) {
        sasl_client_step(&client, text, &out, &err);
    } else if (!sasl_client_step(&client, divan_str("r=xn,s=QSXC,i=2"), &out, &err)) {
        if (!sasl_client_finish(&client, text, &err)) abort();
    }
    sasl_client_fini(&client);
    buf_fini(&out);
}

/* Deriving keys with a million rounds is right but no use to a fuzzer. */
static bool is_slow(struct divan_bytes text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0; i + 5 < text.len; i++)
        if (at[i] == 'i' && at[i + 1] == '=' && at[i + 5] >= '0' && at[i + 5] <= '9') return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct divan_error err;
    if (!size) return 0;
    if (!secret.scram[0].salt_len && sasl_secret_derive(divan_str("password"), 2, &secret, &err)) abort();
    struct divan_bytes text = bytes_of(data + 1, size - 1);
    enum sasl_mechanism m = (enum sasl_mechanism)(data[0] & 3);
    if (data[0] & 4) as_server(m, data[0] & 8, text);
    else if (!is_slow(text)) as_client(m, data[0] & 8, text);
    sasl_list_read(text);
    return 0;
}
