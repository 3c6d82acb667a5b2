/* A scripted Couchbase node in the simulated network, and a client to talk to it. A script says what must come next and
 * what is answered; what nobody scripted is answered by a small store, so that a test only spells out what it is about.
 *
 *     script_expect(node, "GET vb=7 key=u:1");
 *     script_reply(node, ST_NOT_MY_VBUCKET, NULL);
 */
#ifndef TESTS_SIM_SUPPORT_SCRIPT_H
#define TESTS_SIM_SUPPORT_SCRIPT_H

#include "unit/unit.h"

#include "client/client.h"
#include "client/collections.h"
#include "io/sim.h"
#include "io/tls.h"
#include "wire/frame.h"
#include "wire/hello.h"
#include "wire/kv.h"
#include "wire/sasl.h"

#define CLIENT_HOST "10.0.0.100"

enum { SCRIPT_PORT = 11210, SCRIPT_STEPS = 64, SCRIPT_KEYS = 64, SCRIPT_CONNS = 64 };

enum script_act { SCRIPT_REPLY, SCRIPT_SILENCE, SCRIPT_CLOSE, SCRIPT_RAW };

struct script_step {
    char expect[160]; /* words that the dissected request must contain, in order */
    enum script_act act;
    uint16_t status;
    char value[2048];
    size_t value_len;
    uint64_t delay_ns;
    uint8_t datatype;
};

struct script_doc {
    char key[64], value[256];
    size_t value_len;
    uint64_t cas;
    uint64_t number;
    bool used;
};

struct script {
    struct sim *sim;
    struct io_loop *loop;
    struct io_listener *listener;
    char host[48];
    uint16_t port;

    /* handshake: set before the client connects */
    feature_set features; /* granted of those asked for */
    unsigned mechanisms;  /* bits; what SASL_AUTH takes */
    unsigned listed;      /* bits; what SASL_LIST_MECHS tells */
    const char *user, *password, *bucket;
    uint16_t hello_status, select_status, config_status, errmap_status; /* 0 = success */
    unsigned select_refusals; /* how many SELECT_BUCKET get select_status; 0 = all */
    bool no_global;           /* GET_CLUSTER_CONFIG without a bucket: NO_BUCKET */
    char config[8192];        /* of the bucket; "" = made for a cluster of this node alone */
    const char *global;       /* NULL = as config without the bucket's parts */
    const char *greeting;     /* sent instead of any protocol as soon as bytes come */
    size_t greeting_len;
    bool closes_at_once; /* closes on the first bytes */
    bool is_deaf;        /* reads and answers nothing at all */

    uint32_t collection; /* id of scope.collection "s.c" and "_default.c" */
    uint64_t manifest;
    bool has_collection;

    struct script_step steps[SCRIPT_STEPS];
    size_t step_count, step_next;
    char problem[300]; /* the first expectation that was not met */

    struct script_doc docs[SCRIPT_KEYS];
    size_t requests, connections, selects, config_requests, lookups;
    size_t by_opcode[256];
    struct script_conn *conns[SCRIPT_CONNS];
    struct sasl_secret secret;
};

struct script *script_new(struct sim *sim, const char *host);
/** Also listens here, with TLS. */
void script_listen_tls(struct script *s, uint16_t port, struct io_tls *tls);
void script_free(struct script *s); /**< after sim_free() */
/** The next data request must contain these words; several calls make a queue. The answer follows with script_reply() and
 * its kin; without one the small store answers. */
void script_expect(struct script *s, const char *words);
void script_reply(struct script *s, uint16_t status, const char *value); /**< value NULL = none */
void script_reply_after(struct script *s, uint64_t delay_ns, uint16_t status, const char *value);
void script_silence(struct script *s);
void script_close(struct script *s);
/** Answers with these bytes, whatever they are; "{opaque}" is not replaced. */
void script_raw(struct script *s, const void *bytes, size_t len);
/** All expectations were met. */
void script_check(const struct script *s);
/** Closes all its connections. */
void script_drop_connections(struct script *s);
/** Pushes a map revision (brief) to every connection. */
void script_push(struct script *s, const char *bucket, int64_t epoch, int64_t rev);
/** Sends bytes to every connection. */
void script_send_all(struct script *s, const void *bytes, size_t len);
struct script_doc *script_doc(struct script *s, const char *key, bool make);
/** A bucket config for nodes at these hosts: vBucket i is owned by owners[i % n] (index, -1 = nobody). */
void script_make_config(char *out, size_t cap, int64_t epoch, int64_t rev, const char *const *hosts, size_t hosts_count,
                        const int *owners, size_t owner_count, unsigned vbuckets);

/* ---- the client under test */

enum { PROBE_RESULTS = 4096 };

struct probe {
    struct sim *sim;
    struct io_loop *loop;
    struct client *client;
    bool opened;
    struct divan_error open_error;
    uint64_t opened_ns;
    struct operation *results[PROBE_RESULTS];
    uint64_t at_ns[PROBE_RESULTS];
    size_t count;
};

/** A client for this connection string (user "u", password "p" unless the string has others), opening. */
void probe_open(struct probe *p, struct sim *sim, const char *connstr, const struct divan_cluster_options *options);
/** The same, and runs until the opening ended. Returns its code. */
enum divan_code probe_open_wait(struct probe *p, struct sim *sim, const char *connstr,
                                const struct divan_cluster_options *options);
void probe_run_for(struct probe *p, uint64_t ns);
/** Runs until n results are there (or 60 s of virtual time passed: a failure). */
void probe_wait(struct probe *p, size_t n);
struct collection *probe_collection(struct probe *p, const char *bucket, const char *scope, const char *name);
/** Starts an operation; the caller may change it in `setup` before it is started. */
typedef void probe_setup_fn(struct operation *op);
enum divan_code probe_start(struct probe *p, struct collection *c, enum op_kind kind, const char *key,
                            const char *value, uint32_t timeout_ms, probe_setup_fn *setup, struct divan_error *err);
/** Starts one in the default collection of bucket "b" and waits for its result. */
struct operation *probe_do(struct probe *p, enum op_kind kind, const char *key, const char *value);
struct operation *probe_last(const struct probe *p);
enum divan_code probe_code(const struct operation *op);
void probe_clear(struct probe *p); /**< releases the results */
void probe_close(struct probe *p); /**< closes the client, its loop, and releases the results */

#endif
