/* Connection strings: [scheme://]host[:port[=type]],...[/bucket][?key=value&...]. The parse is a value of its own; what
 * the options in it mean is text/options.h. */
#ifndef DIVAN_TEXT_CONNSTR_H
#define DIVAN_TEXT_CONNSTR_H

#include "base/bytes.h"

enum {
    CONNSTR_MAX = 16384,      /* bytes */
    CONNSTR_HOSTS_MAX = 1024, /* elements of the host list */
    KV_PORT = 11210,
    KV_TLS_PORT = 11207,
    MGMT_PORT = 8091,
    MGMT_TLS_PORT = 18091,
};

enum connstr_scheme {
    CONNSTR_COUCHBASE,  /* also when no scheme is written */
    CONNSTR_COUCHBASES, /* TLS */
    CONNSTR_HTTP,       /* seeds are management addresses; see connstr_kv_port() */
    CONNSTR_HTTPS,      /* the same with TLS */
};

enum connstr_family { CONNSTR_NAME, CONNSTR_IPV4, CONNSTR_IPV6 };

struct connstr_host {
    char *name; /* no brackets; a v4-mapped IPv6 address is written as its IPv4 address */
    enum connstr_family family;
    uint16_t kv_port, mgmt_port; /* as written; 0 = not written. Both: host:1=kv,host:2=http */
    size_t column;               /* 1-based, where the host begins in the string */
};

struct connstr_param {
    char *key, *value;               /* percent-decoded; value "" when empty, NULL when there is no "=" */
    size_t key_column, value_column; /* 1-based, in the string */
};

struct connstr {
    enum connstr_scheme scheme;
    bool has_scheme; /* false: none written, couchbase assumed */
    bool tls;
    bool force_srv;     /* scheme couchbase+dnssrv or couchbases+dnssrv: no fall back to the host itself */
    bool srv_eligible;  /* one host name without a port, scheme couchbase(s): try connstr_srv_name() first */
    bool capella_plain; /* a Capella host addressed without TLS: it will not answer; worth a warning */
    struct connstr_host *hosts;
    size_t host_count; /* may be 0: "couchbase:///bucket" or "couchbase://?option=1" */
    char *bucket;      /* percent-decoded; NULL when none */
    size_t bucket_column;
    struct connstr_param *params; /* in order, repeated keys kept: the last one holds */
    size_t param_count;
};

/** Parses text. On success *out is filled and belongs to the caller: connstr_fini(). Errors: CONNSTR_* with the 1-based
 * column and the remedy in the sentence, OUT_OF_MEMORY. Options are not looked at (options_from_connstr()). */
enum divan_code connstr_parse(const char *text, struct connstr *out, struct divan_error *err);
void connstr_fini(struct connstr *cs); /**< a zeroed one is fine */

/** What opening a cluster needs beyond the grammar: at least one host. Errors: CONNSTR_NO_HOST. */
enum divan_code connstr_check_seeds(const struct connstr *cs, struct divan_error *err);

/** The key-value port to try on a seed: the written one, else the scheme's default; 0 = the seed is a management address
 * only (a management port other than 8091 and 18091 was written), so only connstr_mgmt_port() can be used. */
uint16_t connstr_kv_port(const struct connstr *cs, const struct connstr_host *host);
/** The management port to try on a seed: the written one, else the scheme's default; 0 = only a KV port was written. */
uint16_t connstr_mgmt_port(const struct connstr *cs, const struct connstr_host *host);
/** Appends "_couchbase._tcp.HOST" or "_couchbases._tcp.HOST" (a prefix the user typed is not doubled). Only when
 * srv_eligible or force_srv. */
void connstr_srv_name(const struct connstr *cs, struct buf *out);
/** The last value of a parameter, borrowed; NULL when absent. */
const char *connstr_param(const struct connstr *cs, const char *key);

/** Appends the parse as one JSON object on one line: scheme, tls, hosts [{host, family, kv, mgmt}], bucket, params
 * [{key, value}], srv. Passwords in params are shown as "***". */
void connstr_json(const struct connstr *cs, struct buf *out);

#endif
