#include "unit/wire_support.h"

#include <openssl/evp.h>

#include "base/alloc.h"
#include "wire/base64.h"
#include "wire/scram.h"

struct vector {
    enum sasl_mechanism mechanism;
    const char *user, *password, *salt, *client_nonce, *server_nonce, *proof, *signature, *stored_key;
    uint32_t iterations;
};

static const struct vector vectors[] = {
    {SASL_SCRAM_SHA1, "user", "pencil", "QSXCR+Q6sek8bf92", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j",
     "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=", NULL, 4096},
    {SASL_SCRAM_SHA256, "user", "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO",
     "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", NULL, 4096},
    {SASL_SCRAM_SHA512, "Administrator", "password",
     "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==",
     "clientnonce0123456789", "73657276657266656564",
     "kvOueDPogsE2UchxXUpJa5bIAlYgmQdzmyOddnF4NiY6mzDvJHAaO1d7P5xn/hW1A2H3z6Zjx0916zle7YsG4g==",
     "NMBxnJ4rA9VOenMQhdRwyU/R2bmMJ7vhF/CID8G0ZncLlYN7Ihm6HWp2uuicZnmiJAFXeUqbmdlthupf1U49cA==",
     "R0q3cYzUMJWsTK8AJm2oUL5ybpPOw27cFxzlWrPj+qJ+sau+FGW6pF/UnSVFpSumFAqUDb2DNmB5MZ5GOdjxmQ==", 15000},
};

static struct scram_keys keys_of(const struct vector *v)
{
    struct scram_keys keys;
    uint8_t salt[SCRAM_SALT_MAX];
    size_t len;
    assert_true(base64_decode_into(divan_str(v->salt), salt, sizeof salt, &len));
    assert_true(scram_keys_derive(v->mechanism, divan_str(v->password), bytes_of(salt, len), v->iterations, &keys));
    return keys;
}

static void published_vectors_hold_on_both_sides(void **state)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        struct sasl_secret secret = {.scram = {{.salt_len = 0}}};
        struct sasl_client client;
        struct sasl_server server = {.state = SASL_SERVER_IDLE};
        struct buf a = {.limit = 4096}, b = {.limit = 4096}, want = {.limit = 4096};
        struct divan_error err;
        secret.scram[v->mechanism] = keys_of(v);
        if (v->stored_key) {
            base64_append(&want, bytes_of(secret.scram[v->mechanism].stored_key, 64));
            assert_text(buf_view(&want), v->stored_key);
            buf_clear(&want);
        }
        assert_int_equal(
            sasl_client_init(&client, v->mechanism, divan_str(v->user), divan_str(v->password), v->client_nonce, &err),
            DIVAN_OK);
        assert_int_equal(sasl_client_first(&client, &a, &err), DIVAN_OK);
        buf_printf(&want, "n,,n=%s,r=%s", v->user, v->client_nonce);
        assert_true(bytes_equal(buf_view(&a), buf_view(&want)));
        assert_int_equal(sasl_server_begin(&server, v->mechanism, buf_view(&a)), SASL_LOOKUP);
        assert_string_equal(server.user, v->user);
        assert_int_equal(sasl_server_answer(&server, &secret, divan_str("pepper"), v->server_nonce, &b), SASL_CONTINUE);
        buf_clear(&want);
        buf_printf(&want, "r=%s%s,s=%s,i=%u", v->client_nonce, v->server_nonce, v->salt, (unsigned)v->iterations);
        assert_true(bytes_equal(buf_view(&b), buf_view(&want)));
        buf_clear(&a);
        assert_int_equal(sasl_client_step(&client, buf_view(&b), &a, &err), DIVAN_OK);
        buf_clear(&want);
        buf_printf(&want, "c=biws,r=%s%s,p=%s", v->client_nonce, v->server_nonce, v->proof);
        assert_true(bytes_equal(buf_view(&a), buf_view(&want)));
        buf_clear(&b);
        assert_int_equal(sasl_server_step(&server, buf_view(&a), &b), SASL_ACCEPTED);
        buf_clear(&want);
        buf_printf(&want, "v=%s", v->signature);
        assert_true(bytes_equal(buf_view(&b), buf_view(&want)));
        assert_int_equal(sasl_client_finish(&client, buf_view(&b), &err), DIVAN_OK);
        sasl_client_fini(&client);
        sasl_server_fini(&server);
        buf_fini(&a), buf_fini(&b), buf_fini(&want);
    }
}

/* Plays an exchange with few iterations; returns the last verdict of the server. */
static enum sasl_verdict play(enum sasl_mechanism m, const char *user, const char *password,
                              const struct sasl_secret *secret, struct buf *last, struct sasl_client *client)
{
    struct sasl_server server = {.state = SASL_SERVER_IDLE};
    struct buf a = {.limit = 4096}, b = {.limit = 4096};
    struct divan_error err;
    assert_int_equal(sasl_client_init(client, m, divan_str(user), divan_str(password), "abc", &err), DIVAN_OK);
    assert_int_equal(sasl_client_first(client, &a, &err), DIVAN_OK);
    assert_int_equal(sasl_server_begin(&server, m, buf_view(&a)), SASL_LOOKUP);
    assert_string_equal(server.user, user);
    enum sasl_verdict verdict = sasl_server_answer(&server, secret, divan_str("pepper"), "xyz", &b);
    if (verdict == SASL_CONTINUE) {
        buf_clear(&a);
        assert_int_equal(sasl_client_step(client, buf_view(&b), &a, &err), DIVAN_OK);
        verdict = sasl_server_step(&server, buf_view(&a), last);
    }
    sasl_server_fini(&server);
    buf_fini(&a), buf_fini(&b);
    return verdict;
}

static void right_and_wrong_passwords_with_every_mechanism(void **state)
{
    struct sasl_secret secret;
    struct divan_error err;
    assert_int_equal(sasl_secret_derive(divan_str("p=a,ss\xc3\xa9"), 10, &secret, &err), DIVAN_OK);
    for (int m = 0; m < SASL_NONE; m++) {
        struct sasl_client client;
        struct buf last = {.limit = 4096};
        assert_int_equal(play((enum sasl_mechanism)m, "a,b=c", "p=a,ss\xc3\xa9", &secret, &last, &client),
                         SASL_ACCEPTED);
        assert_int_equal(sasl_client_finish(&client, buf_view(&last), &err), DIVAN_OK);
        buf_clear(&last);
        assert_int_equal(play((enum sasl_mechanism)m, "a,b=c", "other", &secret, &last, &client), SASL_REFUSED);
        assert_int_equal(play((enum sasl_mechanism)m, "nobody", "other", NULL, &last, &client), SASL_REFUSED);
        assert_int_equal(last.len, 0);
        buf_fini(&last);
    }
}

static void unknown_users_always_get_the_same_salt(void **state)
{
    struct buf first = {.limit = 4096}, again = {.limit = 4096}, other = {.limit = 4096};
    struct buf *outs[] = {&first, &again, &other};
    for (int i = 0; i < 3; i++) {
        struct sasl_server server = {.state = SASL_SERVER_IDLE};
        assert_int_equal(sasl_server_begin(&server, SASL_SCRAM_SHA256, divan_str(i < 2 ? "n,,n=u,r=x" : "n,,n=v,r=x")),
                         SASL_LOOKUP);
        assert_int_equal(sasl_server_answer(&server, NULL, divan_str("pepper"), "n", outs[i]), SASL_CONTINUE);
        sasl_server_fini(&server);
    }
    assert_true(bytes_equal(buf_view(&first), buf_view(&again)));
    assert_false(bytes_equal(buf_view(&first), buf_view(&other)));
    buf_fini(&first), buf_fini(&again), buf_fini(&other);
}

static void server_refuses_malformed_first_messages(void **state)
{
    static const struct {
        enum sasl_mechanism m;
        const char *text;
        size_t len;
    } rows[] = {
        {SASL_PLAIN, "nonsense", 8},
        {SASL_PLAIN, "\0", 1},
        {SASL_PLAIN, "", 0},
        {SASL_PLAIN, "\0a", 2},
        {SASL_PLAIN, "\0\0pw", 4},
        {SASL_SCRAM_SHA1, "", 0},
        {SASL_SCRAM_SHA1, "garbage", 7},
        {SASL_SCRAM_SHA1, "n,,", 3},
        {SASL_SCRAM_SHA1, "n,,n=a", 6},
        {SASL_SCRAM_SHA1, "n,,r=abc", 8},
        {SASL_SCRAM_SHA1, "y,,n=a,r=b", 10},
        {SASL_SCRAM_SHA1, "p=tls-unique,,n=a,r=b", 21},
        {SASL_SCRAM_SHA1, "n=a,r=b", 7},
        {SASL_SCRAM_SHA1, "n,,n=a,n=b,r=c", 14},
        {SASL_SCRAM_SHA1, "n,,n=a=1,r=c", 12},
        {SASL_SCRAM_SHA1, "n,,n=,r=c", 9},
        {SASL_SCRAM_SHA1, "n,,n=a,r=", 9},
        {SASL_SCRAM_SHA1, "n,,m=x,n=a,r=c", 14},
        {SASL_SCRAM_SHA1, "n,,n=a,r=c\td", 12}, /* a blank is fine: SDKs send them */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server server = {.state = SASL_SERVER_IDLE};
        enum sasl_verdict got = sasl_server_begin(&server, rows[i].m, bytes_of(rows[i].text, rows[i].len));
        if (got != SASL_MALFORMED) fail_msg("row %zu: %d", i, got);
        sasl_server_fini(&server);
    }
}

static void server_refuses_replays_and_wrong_sequences(void **state)
{
    static const struct {
        const char *final;
        enum sasl_verdict verdict;
    } rows[] = {
        {"", SASL_MALFORMED},
        {"garbage", SASL_MALFORMED},
        {"c=biws,r=xn", SASL_MALFORMED},
        {"c=biws,p=AAAA,r=xn", SASL_MALFORMED},
        {"r=xn,c=biws,p=AAAA", SASL_MALFORMED},
        {"c=biws,r=xn,p=A", SASL_MALFORMED},
        {"c=biws,r=other,p=AAAA", SASL_REFUSED},
        {"c=eSws,r=xn,p=AAAA", SASL_REFUSED},
        {"c=biws,r=xn,p=AAAA", SASL_REFUSED},
        {"c=biws,r=xn,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SASL_REFUSED},
    };
    struct sasl_secret secret;
    struct divan_error err;
    assert_int_equal(sasl_secret_derive(divan_str("pw"), 10, &secret, &err), DIVAN_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server server = {.state = SASL_SERVER_IDLE};
        struct buf out = {.limit = 4096};
        assert_int_equal(sasl_server_step(&server, divan_str(rows[i].final), &out), SASL_SEQUENCE);
        assert_int_equal(sasl_server_begin(&server, SASL_SCRAM_SHA1, divan_str("n,,n=u,r=x")), SASL_LOOKUP);
        assert_int_equal(sasl_server_answer(&server, &secret, divan_str("p"), "n", &out), SASL_CONTINUE);
        assert_int_equal(sasl_server_begin(&server, SASL_SCRAM_SHA1, divan_str("n,,n=u,r=x")), SASL_SEQUENCE);
        assert_int_equal(sasl_server_step(&server, divan_str(rows[i].final), &out), rows[i].verdict);
        assert_int_equal(sasl_server_step(&server, divan_str(rows[i].final), &out), SASL_SEQUENCE);
        assert_int_equal(sasl_server_begin(&server, SASL_PLAIN, bytes_of("\0u\0pw", 5)), SASL_LOOKUP);
        assert_int_equal(sasl_server_answer(&server, &secret, divan_str("p"), "n", &out), SASL_ACCEPTED);
        sasl_server_fini(&server);
        buf_fini(&out);
    }
}

static void client_refuses_bad_challenges(void **state)
{
    static const char *const rows[] = {
        "",
        "garbage",
        "r=abcxyz,s=QSXC",
        "r=abcxyz,i=10",
        "s=QSXC,i=10",
        "r=abc,s=QSXC,i=10",
        "r=zzz,s=QSXC,i=10",
        "r=abcxyz,s=Q,i=10",
        "r=abcxyz,s=,i=10",
        "r=abcxyz,s=QSXC,i=0",
        "r=abcxyz,s=QSXC,i=-1",
        "r=abcxyz,s=QSXC,i=99999999",
        "r=abcxyz,s=QSXC,i=1000001",
        "r=abcxyz,s=QSXC,i=10,i=11",
        "r=abcxyz,r=abcxyz,s=QSXC,i=10",
        "r=abcxyz,s=QSXC,i=10,m=x",
        "m=x,r=abcxyz,s=QSXC,i=10",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_client client;
        struct buf out = {.limit = 4096};
        struct divan_error err;
        assert_int_equal(sasl_client_init(&client, SASL_SCRAM_SHA256, divan_str("u"), divan_str("p"), "abc", &err),
                         DIVAN_OK);
        assert_int_equal(sasl_client_first(&client, &out, &err), DIVAN_OK);
        buf_clear(&out);
        if (sasl_client_step(&client, divan_str(rows[i]), &out, &err) != DIVAN_ERR_SASL_MESSAGE)
            fail_msg("row %zu was taken", i);
        assert_int_equal(out.len, 0);
        assert_int_equal(client.state, SASL_CLIENT_FAILED);
        buf_fini(&out);
    }
}

static void client_wants_proof_of_the_server(void **state)
{
    static const struct {
        const char *outcome;
        enum divan_code code;
    } rows[] = {{"", DIVAN_ERR_SASL_MESSAGE},
                {"e=other-error", DIVAN_ERR_SASL_MESSAGE},
                {"v=%%%%", DIVAN_ERR_SASL_MESSAGE},
                {"v=AAAA", DIVAN_ERR_SASL_SERVER_SIGNATURE},
                {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", DIVAN_ERR_SASL_SERVER_SIGNATURE}};
    struct divan_error err;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_client client;
        struct buf out = {.limit = 4096};
        assert_int_equal(sasl_client_init(&client, SASL_SCRAM_SHA256, divan_str("u"), divan_str("p"), "abc", &err),
                         DIVAN_OK);
        assert_int_equal(sasl_client_first(&client, &out, &err), DIVAN_OK);
        assert_int_equal(sasl_client_finish(&client, divan_str(rows[i].outcome), &err),
                         DIVAN_ERR_SASL_SERVER_SIGNATURE); /* success before any proof */
        client.state = SASL_CLIENT_CHALLENGE;
        assert_int_equal(sasl_client_step(&client, divan_str("r=abcxyz,s=QSXC,i=10"), &out, &err), DIVAN_OK);
        assert_int_equal(sasl_client_finish(&client, divan_str(rows[i].outcome), &err), rows[i].code);
        buf_fini(&out);
    }
}

static void credentials_that_cannot_be_sent_are_refused(void **state)
{
    static char longer[SASL_PASSWORD_MAX + 2];
    struct sasl_client c;
    struct divan_error err;
    memset(longer, 'x', sizeof longer - 1);
    struct divan_bytes u = divan_str("u"), p = divan_str("p"), nul = bytes_of("a\0b", 3);
    assert_int_equal(sasl_client_init(&c, SASL_PLAIN, divan_str(""), p, "", &err), DIVAN_ERR_CREDENTIALS);
    assert_int_equal(sasl_client_init(&c, SASL_PLAIN, nul, p, "", &err), DIVAN_ERR_CREDENTIALS);
    assert_int_equal(sasl_client_init(&c, SASL_PLAIN, u, nul, "", &err), DIVAN_ERR_CREDENTIALS);
    assert_int_equal(sasl_client_init(&c, SASL_PLAIN, divan_str(longer), p, "", &err), DIVAN_ERR_CREDENTIALS);
    assert_int_equal(sasl_client_init(&c, SASL_PLAIN, u, divan_str(longer), "", &err), DIVAN_ERR_CREDENTIALS);
    assert_int_equal(sasl_client_init(&c, SASL_NONE, u, p, "", &err), DIVAN_ERR_SASL_MECHANISM);
    assert_int_equal(sasl_client_init(&c, SASL_SCRAM_SHA1, u, p, "a,b", &err), DIVAN_ERR_SASL_MESSAGE);
    assert_int_equal(sasl_client_init(&c, SASL_SCRAM_SHA1, u, p, "", &err), DIVAN_ERR_SASL_MESSAGE);
}

static void mechanisms_are_chosen_by_strength(void **state)
{
    unsigned all = sasl_list_read(divan_str("SCRAM-SHA512 SCRAM-SHA256 SCRAM-SHA1 PLAIN"));
    assert_int_equal(all, 15);
    assert_int_equal(sasl_list_read(divan_str("OAUTHBEARER plain  ")), 1u << SASL_PLAIN);
    assert_int_equal(sasl_list_read(divan_str("")), 0);
    assert_int_equal(sasl_choose(all, all), SASL_SCRAM_SHA512);
    assert_int_equal(sasl_choose(all, 1u << SASL_PLAIN | 1u << SASL_SCRAM_SHA1), SASL_SCRAM_SHA1);
    assert_int_equal(sasl_choose(1u << SASL_PLAIN, 7), SASL_NONE);
    assert_int_equal(sasl_from_name(divan_str("scram-sha256")), SASL_SCRAM_SHA256);
    assert_int_equal(sasl_from_name(divan_str("CRAM-MD5")), SASL_NONE);
    assert_int_equal(sasl_from_name(divan_str("")), SASL_NONE);
    char nonce[33], other[33];
    assert_true(sasl_nonce(nonce) && sasl_nonce(other));
    assert_int_equal(strlen(nonce), 32);
    assert_string_not_equal(nonce, other);
}

static void every_failed_allocation_is_survived(void **state)
{
    struct sasl_secret secret;
    struct divan_error err;
    assert_int_equal(sasl_secret_derive(divan_str("pw"), 5, &secret, &err), DIVAN_OK);
    int64_t live = mem_live();
    bool finished = false;
    for (uint64_t n = 1; !finished; n++) {
        struct sasl_client client;
        struct sasl_server server = {.state = SASL_SERVER_IDLE};
        struct buf a = {.limit = 4096}, b = {.limit = 4096};
        mem_fail_at(n);
        assert_int_equal(sasl_client_init(&client, SASL_SCRAM_SHA1, divan_str("u"), divan_str("pw"), "abc", &err),
                         DIVAN_OK);
        if (!sasl_client_first(&client, &a, &err) &&
            sasl_server_begin(&server, SASL_SCRAM_SHA1, buf_view(&a)) == SASL_LOOKUP &&
            sasl_server_answer(&server, &secret, divan_str("p"), "n", &b) == SASL_CONTINUE) {
            buf_clear(&a);
            if (!sasl_client_step(&client, buf_view(&b), &a, &err)) {
                buf_clear(&b);
                finished = sasl_server_step(&server, buf_view(&a), &b) == SASL_ACCEPTED;
            }
        }
        mem_fail_at(0);
        sasl_server_fini(&server);
        buf_fini(&a), buf_fini(&b);
        assert_true(n < 100);
        assert_true(mem_live() == live);
        if (n == 1) assert_false(finished);
    }
}

static void derivation_agrees_with_openssl(void **state)
{
    static const struct {
        size_t password, salt;
        unsigned iterations;
    } rows[] = {{0, 1, 1},     {1, 20, 2},    {63, 55, 3},   {64, 56, 3},  {65, 64, 3},
                {127, 111, 2}, {128, 112, 2}, {129, 128, 2}, {300, 200, 5}};
    char password[300], salt[200];
    for (size_t i = 0; i < sizeof password; i++) password[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof salt; i++) salt[i] = (char)(i * 13);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int m = 0; m < SCRAM_HASHES; m++) {
            uint8_t ours[SCRAM_DIGEST_MAX], theirs[SCRAM_DIGEST_MAX];
            const EVP_MD *const hashes[] = {EVP_sha1(), EVP_sha256(), EVP_sha512()};
            size_t len = sasl_digest_len((enum sasl_mechanism)m);
            assert_true(scram_salted_password((enum sasl_mechanism)m, bytes_of(password, rows[i].password),
                                              bytes_of(salt, rows[i].salt), rows[i].iterations, ours));
            PKCS5_PBKDF2_HMAC(password, (int)rows[i].password, (const uint8_t *)salt, (int)rows[i].salt,
                              (int)rows[i].iterations, hashes[m], (int)len, theirs);
            assert_memory_equal(ours, theirs, len);
        }
    }
}

static void base64_is_strict(void **state)
{
    static const char *const bad[] = {
        "A", "AA", "AAA", "AA=A", "====", "A===", "AB==", "AAB=", "AA==AAAA", "AA A", "AA-_"};
    static const char *const good[][2] = {
        {"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYmFy", "foobar"}};
    uint8_t out[8];
    size_t len;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (base64_decode_into(divan_str(bad[i]), out, sizeof out, &len)) fail_msg("\"%s\" was taken", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct buf text = {.limit = 64};
        assert_true(base64_decode_into(divan_str(good[i][0]), out, sizeof out, &len));
        assert_text(bytes_of(out, len), good[i][1]);
        base64_append(&text, divan_str(good[i][1]));
        assert_text(buf_view(&text), good[i][0]);
        buf_fini(&text);
    }
    assert_false(base64_decode_into(divan_str("Zm9vYmFy"), out, 5, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_hold_on_both_sides),
        cmocka_unit_test(right_and_wrong_passwords_with_every_mechanism),
        cmocka_unit_test(unknown_users_always_get_the_same_salt),
        cmocka_unit_test(server_refuses_malformed_first_messages),
        cmocka_unit_test(server_refuses_replays_and_wrong_sequences),
        cmocka_unit_test(client_refuses_bad_challenges),
        cmocka_unit_test(client_wants_proof_of_the_server),
        cmocka_unit_test(credentials_that_cannot_be_sent_are_refused),
        cmocka_unit_test(mechanisms_are_chosen_by_strength),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(derivation_agrees_with_openssl),
        cmocka_unit_test(base64_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
