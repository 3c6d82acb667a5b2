/* The start of a connection: HELLO, SASL, SELECT_BUCKET, LIST_BUCKETS. */
#include "node/command.h"

#include <stdio.h>

#include "base/alloc.h"
#include "wire/session.h"

void run_hello(struct request *rq)
{
    feature_set asked = 0, granted = 0;
    const char *problem = NULL;
    if (hello_read_features(rq->frame.value, &asked, NULL)) {
        reply_problem(rq, ST_EINVAL, "Request value must be of even length");
        return;
    }
    if (!hello_grant(asked, hello_offered_by_node(), &granted, &problem)) {
        reply_problem(rq, ST_EINVAL, problem);
        return;
    }
    struct hello_agent agent;
    hello_read_agent(rq->frame.key, &agent);
    LOG_D(rq->engine->log, "kv: HELLO from %s %s", agent.agent, agent.connection);
    if (!session_has(rq->session, FEATURE_TRACING)) rq->began_ns = io_refresh_now(rq->engine->loop);
    if (rq->session->dcp) granted &= ~FEATURE(FEATURE_UNORDERED); /* its messages have an order */
    rq->session->features = granted;
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    hello_put_features(out, granted);
    reply_value(rq, buf_view(out), 0);
}

/* ---- authentication */

void run_sasl_list(struct request *rq)
{
    reply_value(rq, divan_str("SCRAM-SHA512 SCRAM-SHA256 SCRAM-SHA1 PLAIN"), 0);
}

static void forget_user(struct session *s)
{
    account_release(s->account);
    s->account = NULL;
    s->privileges = 0;
}

static void end_exchange(struct session *s)
{
    if (s->sasl) sasl_server_fini(s->sasl);
    mem_free(s->sasl);
    s->sasl = NULL;
}

/* The bucket stays selected, but must be selected again before it is used; a user without rights there loses it. */
static void accept(struct request *rq, struct account *account, struct divan_bytes payload)
{
    struct session *s = rq->session;
    bool again = s->bucket != NULL;
    end_exchange(s);
    account_retain(account);
    forget_user(s);
    s->account = account;
    s->epoch = 0;
    if (again && !account_sees_bucket(account, s->bucket->name)) session_leave_bucket(s);
    s->access_lost = s->bucket != NULL;
    reply_value(rq, payload, 0);
}

static void conclude(struct request *rq, enum sasl_verdict verdict, struct buf *payload, bool with_body)
{
    struct session *s = rq->session;
    struct account *account = account_find(&rq->engine->accounts, divan_str(s->sasl->user));
    if (verdict == SASL_ACCEPTED && account) {
        accept(rq, account, buf_view(payload));
        return;
    }
    if (verdict == SASL_CONTINUE) {
        struct kv_reply r = reply_begin(rq, ST_AUTH_CONTINUE);
        r.value = buf_view(payload);
        kv_put_reply(reply_out(rq), &r);
        return;
    }
    end_exchange(s);
    forget_user(s);
    if (verdict == SASL_EXHAUSTED) reply_plain(rq, ST_ENOMEM);
    else if (verdict != SASL_MALFORMED && verdict != SASL_SEQUENCE) reply_auth_error(rq, ST_AUTH_ERROR);
    else if (with_body) reply_auth_error(rq, ST_EINVAL);
    else reply_plain(rq, ST_EINVAL);
}

static void answer_first(struct request *rq)
{
    struct session *s = rq->session;
    struct account_table *t = &rq->engine->accounts;
    struct account *account = account_find(t, divan_str(s->sasl->user));
    struct buf *payload = &rq->engine->body;
    char nonce[33] = "";
    buf_clear(payload);
    if (s->sasl->mechanism == SASL_PLAIN) { /* a password that was right once is not derived again */
        struct divan_bytes password = bytes_of(s->sasl->password, s->sasl->password_len);
        bool right = account_check_password(t, account, password);
        conclude(rq, right ? SASL_ACCEPTED : SASL_REFUSED, payload, false);
        return;
    }
    enum sasl_verdict verdict = SASL_EXHAUSTED;
    if (sasl_nonce(nonce))
        verdict = sasl_server_answer(s->sasl, account ? &account->secret : NULL, bytes_of(t->pepper, sizeof t->pepper),
                                     nonce, payload);
    conclude(rq, verdict, payload, false);
}

void run_sasl_auth(struct request *rq)
{
    struct session *s = rq->session;
    if (s->sasl) {
        reply_problem(rq, ST_EINVAL,
                      "Logic error: The server expects SASL STEP after returning CONTINUE from SASL START");
        return;
    }
    enum sasl_mechanism m = sasl_from_name(rq->frame.key);
    if (m == SASL_NONE) {
        char text[128];
        snprintf(text, sizeof text, "Requested mechanism \"%.*s\" is not supported",
                 (int)(rq->frame.key.len > 64 ? 64 : rq->frame.key.len), (const char *)rq->frame.key.data);
        reply_problem(rq, ST_AUTH_ERROR, text);
        return;
    }
    s->sasl = mem_zalloc(sizeof *s->sasl);
    if (!s->sasl) {
        reply_plain(rq, ST_ENOMEM);
        return;
    }
    enum sasl_verdict verdict = sasl_server_begin(s->sasl, m, rq->frame.value);
    if (verdict == SASL_LOOKUP) answer_first(rq);
    else conclude(rq, verdict, &rq->engine->body, false);
}

void run_sasl_step(struct request *rq)
{
    struct session *s = rq->session;
    if (!s->sasl) {
        reply_problem(rq, ST_EINVAL,
                      "Logic error: The server expects the client to start with SASL START before sending SASL STEP");
        return;
    }
    struct buf *payload = &rq->engine->body;
    buf_clear(payload);
    enum sasl_verdict verdict = sasl_server_step(s->sasl, rq->frame.value, payload);
    conclude(rq, verdict, payload, rq->frame.value.len != 0);
}

/* ---- bucket */

void run_select_bucket(struct request *rq)
{
    struct session *s = rq->session;
    struct divan_bytes name = rq->frame.key;
    if (s->dcp) {
        reply_problem(rq, ST_NOT_SUPPORTED, "DCP connections cannot change bucket");
        return;
    }
    if (bytes_is(name, SESSION_NO_BUCKET)) {
        session_leave_bucket(s);
        reply_plain(rq, ST_SUCCESS);
        return;
    }
    struct bucket *b = engine_find_bucket(rq->engine, name);
    if (b && account_sees_bucket(s->account, b->name)) {
        session_enter_bucket(s, b);
        reply_plain(rq, ST_SUCCESS);
        return;
    }
    /* A managed node: its users have rights on buckets that exist, so that an unknown one is a matter of access. That is
     * what clients take as "no such bucket" at once, where KEY_ENOENT would have them wait for it. */
    bool possible = name.len && name.len <= BUCKET_NAME_MAX;
    reply_plain(rq, possible ? ST_EACCESS : ST_KEY_ENOENT);
}

void run_list_buckets(struct request *rq)
{
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    list_each(&rq->engine->buckets, link)
    {
        const struct bucket *b = container_of(link, struct bucket, link);
        if (!account_sees_bucket(rq->session->account, b->name)) continue;
        if (out->len) buf_u8(out, ' ');
        buf_put_str(out, b->name);
    }
    reply_value(rq, buf_view(out), 0);
}
