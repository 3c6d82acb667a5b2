#include "client/handshake.h"

#include <ctype.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "wire/errorbody.h"
#include "wire/session.h"

enum step { STEP_HELLO, STEP_ERROR_MAP, STEP_LIST, STEP_AUTH, STEP_CONTINUE, STEP_SELECT, STEP_CONFIG, STEP_COUNT };
enum { EXCHANGE = 16, ERROR_MAP_VERSION = 2, AGENT_MAX = 200 };

feature_set handshake_features(const struct options *options)
{
    feature_set ask = FEATURE(FEATURE_TCP_NODELAY) | FEATURE(FEATURE_XATTR) | FEATURE(FEATURE_XERROR) |
                      FEATURE(FEATURE_SELECT_BUCKET) | FEATURE(FEATURE_JSON) | FEATURE(FEATURE_DUPLEX) |
                      FEATURE(FEATURE_ALT_REQUEST) | FEATURE(FEATURE_SYNC_REPLICATION) | FEATURE(FEATURE_COLLECTIONS) |
                      FEATURE(FEATURE_PRESERVE_TTL) | FEATURE(FEATURE_VATTR) | FEATURE(FEATURE_CREATE_AS_DELETED) |
                      FEATURE(FEATURE_REPLICA_READ) | FEATURE(FEATURE_CONFIG_KNOWN_VERSION) |
                      FEATURE(FEATURE_DEDUPE_NMVB) | FEATURE(FEATURE_BINARY_XATTR) | FEATURE(FEATURE_DOCUMENT_MACRO) |
                      FEATURE(FEATURE_REPLACE_BODY_WITH_XATTR) | FEATURE(FEATURE_MULTIPLE_XATTR_KEYS);
    if (options->enable_clustermap_notification) ask |= FEATURE(FEATURE_CLUSTERMAP_CHANGE_BRIEF);
    if (options->enable_unordered_execution) ask |= FEATURE(FEATURE_UNORDERED);
    if (options->enable_mutation_tokens) ask |= FEATURE(FEATURE_MUTATION_SEQNO);
    if (options->enable_server_durations) ask |= FEATURE(FEATURE_TRACING);
    if (options->enable_compression) ask |= FEATURE(FEATURE_SNAPPY) | FEATURE(FEATURE_SNAPPY_EVERYWHERE);
    return ask;
}

static void put_hello(struct handshake *h, struct buf *out)
{
    struct utsname host;
    char agent[AGENT_MAX + 1];
    const char *extra = h->plan.config->options.user_agent_extra;
    if (uname(&host)) snprintf(host.sysname, sizeof host.sysname, "unknown"), host.machine[0] = 0;
    snprintf(agent, sizeof agent, "divan/%s (%.40s; %.20s)%s%s", DIVAN_VERSION, host.sysname, host.machine,
             extra && *extra ? " " : "", extra ? extra : "");
    struct buf key = {.limit = 512};
    hello_put_agent(&key, agent, h->plan.client_id, h->plan.connection_id);
    if (key.failed) out->failed = true;
    else hello_put_request(out, h->base + STEP_HELLO, buf_view(&key), handshake_features(&h->plan.config->options));
    buf_fini(&key);
}

static enum divan_code start_auth(struct handshake *h, enum sasl_mechanism m, struct buf *out, struct divan_error *err)
{
    const struct client_config *config = h->plan.config;
    char nonce[33];
    sasl_client_fini(&h->sasl);
    if (!sasl_nonce(nonce)) return err_set(err, DIVAN_ERR_SYSTEM, "the operating system gave no random bytes");
    struct buf payload = {.limit = 4096};
    enum divan_code rc = sasl_client_init(&h->sasl, m, divan_str(config->username),
                                          divan_str(config->password ? config->password : ""), nonce, err);
    if (!rc) rc = sasl_client_first(&h->sasl, &payload, err);
    if (!rc) session_put_sasl(out, OP_SASL_AUTH, h->base + STEP_AUTH, m, buf_view(&payload));
    if (!rc && (payload.failed || out->failed)) rc = err_oom(err);
    buf_fini(&payload);
    return rc;
}

/* An empty name or password is for connections without authentication only. */
static bool wants_auth(const struct handshake *h)
{
    return h->plan.config->username != NULL;
}

static void put_bucket_stage(struct handshake *h, struct buf *out)
{
    h->stage = STAGE_BUCKET;
    h->selected = h->plan.bucket == NULL;
    if (h->plan.bucket) session_put_select_bucket(out, h->base + STEP_SELECT, h->plan.bucket);
    session_put_get_config(out, h->base + STEP_CONFIG, NULL);
}

enum divan_code handshake_begin(struct handshake *h, const struct handshake_plan *plan, struct buf *out,
                                struct divan_error *err)
{
    *h = (struct handshake){.plan = *plan, .base = EXCHANGE};
    enum divan_code rc = DIVAN_OK;
    put_hello(h, out);
    session_put_get_error_map(out, h->base + STEP_ERROR_MAP, ERROR_MAP_VERSION);
    if (wants_auth(h)) {
        unsigned allowed = plan->config->mechanisms;
        enum sasl_mechanism m = plan->first;
        if (m == SASL_NONE || !(allowed & 1u << m)) m = sasl_choose(allowed, allowed);
        if (plan->first == SASL_NONE && plan->config->tls && allowed & 1u << SASL_PLAIN)
            m = SASL_PLAIN; /* nobody else reads it, and it saves round trips */
        if (m == SASL_NONE) rc = err_set(err, DIVAN_ERR_SASL_MECHANISM, "the options allow no SASL mechanism");
        if (!rc) session_put_request(out, OP_SASL_LIST_MECHS, h->base + STEP_LIST, divan_str(NULL), divan_str(NULL));
        if (!rc) rc = start_auth(h, m, out, err);
    } else put_bucket_stage(h, out);
    if (!rc && out->failed) rc = err_oom(err);
    return rc;
}

void handshake_select(struct handshake *h, const char *bucket, struct buf *out)
{
    h->plan.bucket = bucket;
    h->base += EXCHANGE;
    put_bucket_stage(h, out);
}

void handshake_fini(struct handshake *h)
{
    sasl_client_fini(&h->sasl);
}

/* The sentence of the server, if it sent one, to be put behind ours. */
static const char *server_words(const struct frame *f, struct error_body *body)
{
    if (!f->value.len || !error_body_read(f->value, body)) return "";
    return body->context;
}

static enum handshake_verdict refuse(struct divan_error *err, const struct frame *f, enum divan_code code,
                                     const char *sentence)
{
    struct error_body body;
    memset(&body, 0, sizeof body);
    const char *words = server_words(f, &body);
    err_set(err, code, "%s%s%s%s", sentence, *words ? " (the server: " : "", words, *words ? ")" : "");
    if (err) {
        err->server_status = f->status;
        text_copy(err->ref, sizeof err->ref, body.ref);
    }
    return HANDSHAKE_FAILED;
}

static enum handshake_verdict on_hello(struct handshake *h, const struct frame *f, struct divan_error *err)
{
    if (f->status != ST_SUCCESS)
        return refuse(err, f, DIVAN_ERR_HANDSHAKE_FAILED, "the node refused the HELLO of this client");
    if (hello_read_features(f->value, &h->features, err)) return HANDSHAKE_FAILED;
    h->hello_done = true;
    return HANDSHAKE_MORE;
}

static enum handshake_verdict refuse_login(struct handshake *h, const struct frame *f, struct divan_error *err)
{
    char sentence[200];
    snprintf(sentence, sizeof sentence, "the server refused the user name or password of \"%.80s\": check both",
             h->plan.config->username);
    return refuse(err, f, DIVAN_ERR_AUTHENTICATION_FAILURE, sentence);
}

/* The mechanism may be the reason: then another one that the server lists and we may use is tried. */
static enum handshake_verdict on_auth_refused(struct handshake *h, const struct frame *f, struct buf *out,
                                              struct divan_error *err)
{
    unsigned tried = 1u << h->sasl.mechanism, allowed = h->plan.config->mechanisms;
    bool lists_ours = (h->offered & tried) != 0;
    if (lists_ours || !h->offered) return refuse_login(h, f, err);
    h->refused |= tried;
    enum sasl_mechanism m = sasl_choose(h->offered, allowed & ~h->refused);
    if (m == SASL_NONE)
        return refuse(
            err, f, DIVAN_ERR_SASL_MECHANISM,
            h->offered & 1u << SASL_PLAIN
                ? "the server offers only PLAIN, which would send the password readable: use couchbases:// or "
                  "allowed_sasl_mechanisms=PLAIN"
                : "the server offers no SASL mechanism that this client may use");
    h->base += EXCHANGE;
    return start_auth(h, m, out, err) ? HANDSHAKE_FAILED : HANDSHAKE_MORE;
}

static enum handshake_verdict on_authenticated(struct handshake *h, const struct frame *f, struct buf *out,
                                               struct divan_error *err)
{
    if (sasl_client_finish(&h->sasl, f->value, err)) return HANDSHAKE_FAILED;
    put_bucket_stage(h, out);
    if (!out->failed) return HANDSHAKE_BUCKET;
    err_oom(err);
    return HANDSHAKE_FAILED;
}

static enum handshake_verdict on_auth(struct handshake *h, const struct frame *f, struct buf *out,
                                      struct divan_error *err)
{
    if (f->status == ST_SUCCESS) return on_authenticated(h, f, out, err);
    if (f->status != ST_AUTH_CONTINUE) return on_auth_refused(h, f, out, err);
    struct buf payload = {.limit = 4096};
    enum divan_code rc = sasl_client_step(&h->sasl, f->value, &payload, err);
    if (!rc) session_put_sasl(out, OP_SASL_STEP, h->base + STEP_CONTINUE, h->sasl.mechanism, buf_view(&payload));
    if (!rc && (payload.failed || out->failed)) rc = err_oom(err);
    buf_fini(&payload);
    return rc ? HANDSHAKE_FAILED : HANDSHAKE_MORE;
}

static enum handshake_verdict on_select(struct handshake *h, const struct frame *f, struct divan_error *err)
{
    char sentence[300];
    h->selected = f->status == ST_SUCCESS;
    switch (f->status) {
    case ST_SUCCESS:
        return HANDSHAKE_MORE;
    case ST_KEY_ENOENT:
    case ST_EACCESS:
        snprintf(sentence, sizeof sentence, "the bucket \"%.100s\" does not exist, or the user may not use it",
                 h->plan.bucket);
        return refuse(err, f, DIVAN_ERR_BUCKET_NOT_FOUND, sentence);
    case ST_RATE_LIMITED_NETWORK_INGRESS:
    case ST_RATE_LIMITED_NETWORK_EGRESS:
    case ST_RATE_LIMITED_MAX_CONNECTIONS:
    case ST_RATE_LIMITED_MAX_COMMANDS:
        return refuse(err, f, DIVAN_ERR_RATE_LIMITED, "the server limits the rate of this user");
    default:
        snprintf(sentence, sizeof sentence, "the node did not let us use the bucket \"%.100s\": %s", h->plan.bucket,
                 status_name(f->status));
        return refuse(err, f, DIVAN_ERR_HANDSHAKE_FAILED, sentence);
    }
}

static enum handshake_verdict on_config(struct handshake *h, const struct frame *f, struct divan_error *err)
{
    h->stage = STAGE_DONE;
    if (f->status == ST_SUCCESS && f->value.len) return HANDSHAKE_CONFIG;
    bool unknown = f->status == ST_UNKNOWN_COMMAND || f->status == ST_NOT_SUPPORTED;
    if (unknown && h->plan.bucket)
        return refuse(err, f, DIVAN_ERR_FEATURE_NOT_AVAILABLE,
                      "the bucket offers no cluster map over this protocol (a memcached bucket?)");
    return HANDSHAKE_READY;
}

enum handshake_verdict handshake_answer(struct handshake *h, const struct frame *f, struct buf *out,
                                        struct divan_error *err)
{
    uint32_t step = f->opaque - h->base;
    if (f->opaque < EXCHANGE) return HANDSHAKE_NOT_MINE;
    if (f->opaque < h->base) return HANDSHAKE_MORE; /* of an exchange that was given up */
    if (h->stage == STAGE_DONE || step >= STEP_COUNT) return HANDSHAKE_NOT_MINE;
    switch ((enum step)step) {
    case STEP_HELLO:
        return on_hello(h, f, err);
    case STEP_ERROR_MAP:
        return f->status == ST_SUCCESS ? HANDSHAKE_ERROR_MAP : HANDSHAKE_MORE;
    case STEP_LIST:
        if (f->status == ST_SUCCESS) h->offered = sasl_list_read(f->value);
        return HANDSHAKE_MORE;
    case STEP_AUTH:
    case STEP_CONTINUE:
        return on_auth(h, f, out, err);
    case STEP_SELECT:
        return on_select(h, f, err);
    case STEP_CONFIG:
        return on_config(h, f, err);
    case STEP_COUNT:
        break;
    }
    return HANDSHAKE_NOT_MINE;
}

bool handshake_recognise(struct divan_bytes input, const char *endpoint, struct divan_error *err)
{
    const uint8_t *at = input.data;
    if (!input.len) {
        err_set(err, DIVAN_ERR_HANDSHAKE_FAILED,
                "%s closed the connection without an answer: is it the key-value port (11210), and does it expect TLS "
                "(couchbases://)?",
                endpoint);
        return true;
    }
    if (input.len >= 2 && at[0] == 0x15 && at[1] == 0x03) {
        err_set(err, DIVAN_ERR_TLS_EXPECTED,
                "%s answered with a TLS alert: it speaks TLS, use couchbases:// or its plain port (11210)", endpoint);
        return true;
    }
    if (input.len >= 4 && !memcmp(at, "HTTP", 4)) {
        err_set(err, DIVAN_ERR_HANDSHAKE_FAILED,
                "%s answered in HTTP: it is not the key-value port, name that one (11210) or leave the port out",
                endpoint);
        return true;
    }
    if (at[0] == MAGIC_RESPONSE || at[0] == MAGIC_ALT_RESPONSE || at[0] == MAGIC_SERVER_REQUEST) return false;
    char shown[17];
    size_t n = input.len < sizeof shown - 1 ? input.len : sizeof shown - 1;
    for (size_t i = 0; i < n; i++) shown[i] = isprint(at[i]) ? (char)at[i] : '.';
    shown[n] = 0;
    err_set(err, DIVAN_ERR_PROTOCOL_ERROR,
            "%s answered with \"%s\", which is not the Couchbase protocol: check host and port", endpoint, shown);
    return true;
}
