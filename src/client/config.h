/* What a client is opened with: the connection string, its options and the options of the program, made one. */
#ifndef DIVAN_CLIENT_CONFIG_H
#define DIVAN_CLIENT_CONFIG_H

#include <divan/divan.h>

#include "base/log.h"
#include "io/tls.h"
#include "text/options.h"

struct seed {
    char *host; /* name or address, no brackets */
    uint16_t port;
};

struct client_config {
    struct options options;
    struct seed *seeds;
    size_t seed_count;
    char *srv_name;            /* look this up first; NULL = do not */
    char *bucket;              /* of the connection string; NULL = none */
    char *username, *password; /* NULL username = do not authenticate */
    unsigned mechanisms;       /* bits 1 << enum sasl_mechanism */
    bool fail_fast;
    bool tls;
    struct io_tls *tls_context; /* what is trusted; NULL without tls */
    uint32_t open_timeout_ms;
    size_t max_in_flight, max_in_flight_bytes;
    struct log log;
};

/** Parses and checks everything a program may give. *out is filled on success and belongs to the caller:
 * client_config_fini(). Errors: CONNSTR_*, OPTION_*, CREDENTIALS, TIMEOUT_RANGE, FILE_READ and INVALID_ARGUMENT (certificates),
 * OUT_OF_MEMORY. */
enum divan_code client_config_make(struct client_config *out, const char *connstr,
                                   const struct divan_cluster_options *options, struct divan_error *err);
void client_config_fini(struct client_config *config); /**< a zeroed one is fine; wipes the password */

#endif
