/* How the connections do: what is known, what answers, and waiting until everything is there. */
#ifndef DIVAN_DIAGNOSTICS_H
#define DIVAN_DIAGNOSTICS_H

#include <divan/divan.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bits; 0 = all. */
enum divan_service { DIVAN_SERVICE_KV = 1, DIVAN_SERVICE_MANAGEMENT = 2 };

/** What the client knows of its connections at the moment, without asking anybody, as one JSON text in the form of the
 * Couchbase SDKs: {"version":2,"id","sdk","state":"online|degraded|offline","services":{"kv":[{"id","state","remote",
 * "local","namespace","last_activity_us","details"}],"mgmt":[...]}}. The state of an endpoint is connected, connecting,
 * disconnected or disconnecting; details tell why, and of a circuit breaker that is not closed. report_id NULL = a random
 * one. Yours: free() it. NULL when out of memory. */
DIVAN_API char *divan_cluster_diagnostics(divan_cluster *cluster, const char *report_id);

struct divan_ping_options {
    uint32_t timeout_ms; /**< of every endpoint; 0 = kv_timeout for key-value, 10 s for management */
    unsigned services;   /**< bits of enum divan_service, 0 = all */
    const char *report_id;
};
/** Asks every endpoint for a sign of life: a NOOP on every key-value connection, a request to the management port of every
 * node. *json (as above, with "config_rev", and for each endpoint "latency_us" and a state of ok, timeout or error with the
 * text in "error") is yours: free() it. An endpoint that does not answer is part of the report and no error of the call.
 * Blocking, not from a callback. Errors: WRONG_THREAD, INVALID_ARGUMENT, CLUSTER_CLOSED, OUT_OF_MEMORY. */
DIVAN_API enum divan_code divan_cluster_ping(divan_cluster *cluster, const struct divan_ping_options *options,
                                             char **json, struct divan_error *err);

enum divan_readiness {
    DIVAN_READY_ONLINE,   /**< every endpoint of the services answers */
    DIVAN_READY_DEGRADED, /**< at least one endpoint of each service does */
};
struct divan_ready_options {
    enum divan_readiness desired;
    unsigned services;  /**< bits of enum divan_service, 0 = all */
    const char *bucket; /**< opened when it is not yet; NULL = every bucket that was opened */
};
/** Waits until the cluster can be used: buckets have their map, nodes are connected and answer. timeout_ms 0 = 10000.
 * Blocking, not from a callback. Errors: UNAMBIGUOUS_TIMEOUT (the sentence names what is missing), BUCKET_NAME, WRONG_THREAD,
 * INVALID_ARGUMENT, CLUSTER_CLOSED, OUT_OF_MEMORY. */
DIVAN_API enum divan_code divan_cluster_wait_until_ready(divan_cluster *cluster, uint32_t timeout_ms,
                                                         const struct divan_ready_options *options,
                                                         struct divan_error *err);

#ifdef __cplusplus
}
#endif
#endif
