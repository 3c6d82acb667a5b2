/* The manager: the one authority of a local cluster. It owns the document, changes it by requests, commits every change to
 * its file before anyone hears of it, and then pushes it to its nodes; the answer to a request follows the document on the
 * same link, so that whoever asked sees what it changed.
 *
 * Nodes are linked in process (a divand started alone carries its manager) or over TCP (`divan up` runs the manager, every
 * divand is a process). Both links carry the same messages, see link.h. Everything runs on the thread of the loop. */
#ifndef DIVAN_MANAGER_MANAGER_H
#define DIVAN_MANAGER_MANAGER_H

#include "base/log.h"
#include "io/io.h"
#include "manager/doc.h"

struct manager;
struct channel;

struct manager_options {
    const char *dir;         /**< folder for manager.sqlite (exists); NULL = in memory only */
    uint16_t vbuckets;       /**< of new buckets, 1..1024; 0 = 1024 */
    const char *listen_host; /**< address nodes of other processes link to; NULL = none may */
    uint16_t listen_port;    /**< 0 = any free one, see manager_address() */
    uint32_t leave_ms;       /**< how long nodes that leave are still listed; 0 = 2000 */
    const char *token;       /**< what such a node must present; NULL = a random one, see manager_token() */
    const struct log *log;   /**< borrowed; NULL = silent */
};

/** Opens or creates the state. NULL with err filled: STATE_DIR, PORT_IN_USE, INVALID_ARGUMENT, SYSTEM, OUT_OF_MEMORY. */
struct manager *manager_new(struct io_loop *, const struct manager_options *, struct divan_error *err);
/** Closes links (nodes keep serving data) and the file. NULL is fine. */
void manager_free(struct manager *);

const struct io_addr *manager_address(const struct manager *); /**< where it listens; NULL = it does not */
const char *manager_token(const struct manager *);
/** The document that holds now; borrowed until the next change (doc_retain() keeps it). */
const struct doc *manager_doc(const struct manager *);
/** How many nodes are linked now, and how many of them have said that they apply this document: `divan up` is ready when
 * both are the number it started. */
size_t manager_linked(const struct manager *);
size_t manager_up_to_date(const struct manager *);

/** One node's end of an in-process link, not yet introduced (see link.h); yours to channel_free(). NULL: out of memory. */
struct channel *manager_connect(struct manager *);

/* ---- changing the document */

struct manager_field {
    struct divan_bytes name, value;
};

/** What may change the document: an operation of plan.h, the words captured from the path, the form or body. */
struct manager_request {
    const char *op;                 /**< "bucket_create" ..., see plan_ops() */
    const struct divan_bytes *args; /**< e.g. bucket, scope, collection */
    size_t arg_count;
    const struct manager_field *form; /**< of a form body and the query, in order */
    size_t form_count;
    struct divan_bytes body; /**< of any other type */
    const char *node;        /**< uuid of the node it came in by; NULL = the manager's own process */
    const char *user;        /**< who asks: name ("" = nobody) */
    bool external;           /**< and domain */
};

struct manager_reply {
    int status; /**< of HTTP; 503 = no manager to ask */
    struct divan_bytes body;
    bool json;            /**< the body is JSON, else plain text */
    const char *location; /**< NULL = none */
};
/** Runs once, after every linked node that can hear was sent the new document. reply is borrowed for the call. */
typedef void manager_reply_fn(void *user, const struct manager_reply *reply);

/** For the process that has the manager, e.g. `divan up` setting up its cluster: as if it came from a node. fn runs later,
 * never from inside. false: out of memory, fn will not run. */
bool manager_ask(struct manager *, const struct manager_request *, manager_reply_fn *, void *user);

/** The shape `divan up` and tests want ready at once: an administrator, quotas and buckets, made on the first start only
 * (a document that is provisioned stays as it is). Buckets wait for their first node. Errors: INVALID_ARGUMENT (with the
 * sentence REST would answer), OUT_OF_MEMORY, FILE_WRITE. */
struct manager_setup {
    const char *user, *password, *cluster_name;
    const char *const *buckets; /**< names, replicas as they fit (1 from 2 nodes on), flush enabled */
    size_t bucket_count;
    uint32_t quota_mb; /**< of each bucket; 0 = 256 */
    unsigned nodes;    /**< how many will link: buckets get their map when all have; 0 = 1 */
};
enum divan_code manager_provision(struct manager *, const struct manager_setup *, struct divan_error *err);

#endif
