/* TLS: who is trusted, what is said when somebody is not, and which port speaks it. */
#include "sim/support_script.h"

#include <stdio.h>
#include <unistd.h>

#include "io/selfsigned.h"

#define HOST  "10.0.0.1"
#define NOW_S INT64_C(1704067200) /* where the wall clock of a simulation begins */

enum { TLS_PORT = 11207 };

struct stage {
    struct sim *sim;
    struct script *node;
    struct probe client;
    struct io_tls *tls;
    struct selfsigned ca, cert;
    char ca_path[40];
};

static const char config[] =
    "{\"rev\":10,\"revEpoch\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"uuid\":\"aa\",\"nodes\":[{\"hostname\":"
    "\"" HOST
    ":8091\",\"ports\":{\"direct\":11210}}],\"nodesExt\":[{\"services\":{\"mgmt\":8091,\"mgmtSSL\":18091,\"kv\":11210,"
    "\"kvSSL\":11207},\"hostname\":\"" HOST "\"}],\"bucketCapabilities\":[\"collections\"],\"vBucketServerMap\":{"
    "\"hashAlgorithm\":\"CRC\",\"numReplicas\":0,\"serverList\":[\"" HOST
    ":11210\"],\"vBucketMap\":[[0],[0],[0],[0]]}}";
static const char global[] =
    "{\"rev\":9,\"revEpoch\":1,\"nodesExt\":[{\"services\":{\"mgmt\":8091,\"mgmtSSL\":18091,\"kv\":11210,"
    "\"kvSSL\":11207},\"hostname\":\"" HOST "\",\"thisNode\":true}]}";

static void write_ca(struct stage *t, const char *pem)
{
    snprintf(t->ca_path, sizeof t->ca_path, "/tmp/divan-ca-XXXXXX");
    int fd = mkstemp(t->ca_path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, pem, strlen(pem)), strlen(pem));
    close(fd);
}

/* The certificate of the node is for this name, and valid from then for so long. */
static void set(struct stage *t, const char *name, int64_t from_s, unsigned days)
{
    struct divan_error err;
    memset(t, 0, sizeof *t);
    t->sim = sim_new(5);
    t->node = script_new(t->sim, HOST);
    snprintf(t->node->config, sizeof t->node->config, "%s", config);
    t->node->global = global;
    assert_int_equal(selfsigned_ca("Test root", NOW_S, 3650, &t->ca, &err), DIVAN_OK);
    assert_int_equal(selfsigned_cert(&t->ca, &name, 1, from_s, days, &t->cert, &err), DIVAN_OK);
    const struct io_tls_server_options o = {.cert.text = divan_str(t->cert.cert_pem),
                                            .key.text = divan_str(t->cert.key_pem)};
    t->tls = io_tls_server_new(&o, &err);
    assert_non_null(t->tls);
    script_listen_tls(t->node, TLS_PORT, t->tls);
    write_ca(t, t->ca.cert_pem);
}

static void strike(struct stage *t)
{
    probe_close(&t->client);
    sim_free(t->sim);
    script_free(t->node);
    io_tls_release(t->tls);
    selfsigned_fini(&t->ca);
    selfsigned_fini(&t->cert);
    unlink(t->ca_path);
}

static enum divan_code open_at(struct stage *t, const char *connstr, const char *ca_file)
{
    const struct divan_cluster_options o = {.ca_file = ca_file};
    return probe_open_wait(&t->client, t->sim, connstr, &o);
}

static void a_trusted_node_is_used_with_plain(void **state)
{
    struct stage t;
    set(&t, HOST, NOW_S, 30);
    assert_int_equal(open_at(&t, "couchbases://10.0.0.1/b", t.ca_path), DIVAN_OK);
    struct operation *op = probe_do(&t.client, KIND_UPSERT, "k", "value");
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_string_equal(op->endpoint, "10.0.0.1:11207");
    assert_int_equal(t.node->connections, 1);
    assert_int_equal(t.node->by_opcode[OP_SASL_STEP], 0); /* PLAIN: one message */
    strike(&t);
}

static void the_string_may_name_the_file(void **state)
{
    struct stage t;
    char connstr[120];
    set(&t, HOST, NOW_S, 30);
    snprintf(connstr, sizeof connstr, "couchbases://10.0.0.1/b?trust_certificate=%s", t.ca_path);
    assert_int_equal(open_at(&t, connstr, NULL), DIVAN_OK);
    strike(&t);
}

static void assert_refused(struct stage *t, enum divan_code code, const char *words)
{
    assert_int_equal(t->client.open_error.code, code);
    if (!strstr(t->client.open_error.message, words))
        fail_msg("\"%s\" does not say \"%s\"", t->client.open_error.message, words);
    assert_true(t->client.opened_ns < 1 * NS_PER_S + 200 * NS_PER_MS); /* the world begins at 1 s */
    assert_int_equal(t->node->by_opcode[OP_SASL_AUTH], 0);
    assert_int_equal(t->node->by_opcode[OP_HELLO], 0);
}

static void each_failed_check_is_named(void **state)
{
    static const struct {
        const char *name;
        int64_t from_s;
        unsigned days;
        const char *words;
    } rows[] = {
        {"10.0.0.9", NOW_S, 30, "is not for 10.0.0.1 but for 10.0.0.9"},
        {"db.example", NOW_S, 30, "is not for 10.0.0.1 but for db.example"},
        {HOST, NOW_S - 86400 * 100, 30, "expired"},
        {HOST, NOW_S + 86400 * 100, 30, "not yet valid"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stage t;
        set(&t, rows[i].name, rows[i].from_s, rows[i].days);
        open_at(&t, "couchbases://10.0.0.1/b", t.ca_path);
        assert_refused(&t, DIVAN_ERR_TLS_CERTIFICATE, rows[i].words);
        strike(&t);
    }
}

static void an_unknown_issuer_is_refused_unless_nobody_looks(void **state)
{
    struct stage t;
    set(&t, "10.0.0.9", NOW_S, 30);
    open_at(&t, "couchbases://10.0.0.1/b", NULL); /* the system does not know our root */
    assert_refused(&t, DIVAN_ERR_TLS_CERTIFICATE, "issuer");
    strike(&t);
    set(&t, "10.0.0.9", NOW_S, 30);
    assert_int_equal(open_at(&t, "couchbases://10.0.0.1/b?tls_verify=none", NULL), DIVAN_OK);
    strike(&t);
}

static void the_wrong_port_is_told_at_once(void **state)
{
    struct stage t;
    set(&t, HOST, NOW_S, 30);
    t.node->closes_at_once = true; /* as a node does with bytes that are no frame */
    open_at(&t, "couchbases://10.0.0.1:11210/b", t.ca_path);
    assert_refused(&t, DIVAN_ERR_TLS_NOT_OFFERED, "does not speak TLS");
    strike(&t);
    set(&t, HOST, NOW_S, 30);
    open_at(&t, "couchbase://10.0.0.1:11207/b", NULL);
    bool named = t.client.open_error.code == DIVAN_ERR_TLS_EXPECTED ||
                 t.client.open_error.code == DIVAN_ERR_HANDSHAKE_FAILED; /* when the alert is lost to the reset */
    assert_true(named);
    assert_non_null(strstr(t.client.open_error.message, "couchbases://"));
    assert_true(t.client.opened_ns < 1 * NS_PER_S + 200 * NS_PER_MS);
    strike(&t);
}

static void files_and_contradictions_are_told_before_connecting(void **state)
{
    struct stage t;
    set(&t, HOST, NOW_S, 30);
    assert_int_equal(open_at(&t, "couchbases://10.0.0.1/b", "/nowhere/ca.pem"), DIVAN_ERR_FILE_READ);
    probe_close(&t.client);
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b", t.ca_path), DIVAN_ERR_OPTION_CONFLICT);
    assert_int_equal(t.node->connections, 0);
    strike(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trusted_node_is_used_with_plain),
        cmocka_unit_test(the_string_may_name_the_file),
        cmocka_unit_test(each_failed_check_is_named),
        cmocka_unit_test(an_unknown_issuer_is_refused_unless_nobody_looks),
        cmocka_unit_test(the_wrong_port_is_told_at_once),
        cmocka_unit_test(files_and_contradictions_are_told_before_connecting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
