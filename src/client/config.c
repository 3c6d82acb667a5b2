#include "client/config.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wire/sasl.h"

enum {
    MAX_IN_FLIGHT = 65536,
    TIMEOUT_MAX_MS = 86400000,
};
#define MAX_IN_FLIGHT_BYTES ((size_t)256 << 20)

static void free_secret(char *text)
{
    if (text) OPENSSL_cleanse(text, strlen(text));
    mem_free(text);
}

void client_config_fini(struct client_config *config)
{
    for (size_t i = 0; i < config->seed_count; i++) mem_free(config->seeds[i].host);
    mem_free(config->seeds);
    mem_free(config->srv_name);
    mem_free(config->bucket);
    mem_free(config->username);
    free_secret(config->password);
    io_tls_release(config->tls_context);
    options_fini(&config->options);
    memset(config, 0, sizeof *config);
}

/* ---- from the string */

static enum divan_code take_seeds(struct client_config *config, const struct connstr *cs, struct divan_error *err)
{
    config->seeds = mem_zalloc(cs->host_count * sizeof *config->seeds);
    if (!config->seeds) return err_oom(err);
    for (size_t i = 0; i < cs->host_count; i++) {
        uint16_t port = connstr_kv_port(cs, &cs->hosts[i]);
        if (!port) continue; /* a management address only */
        char *host = mem_strdup(cs->hosts[i].name);
        if (!host) return err_oom(err);
        config->seeds[config->seed_count++] = (struct seed){host, port};
    }
    if (config->seed_count) return DIVAN_OK;
    return err_set(
        err, DIVAN_ERR_CONNSTR_PORT_TYPE,
        "the connection string names management ports only: name key-value ports (11210) or leave the ports out");
}

static enum divan_code take_srv_name(struct client_config *config, const struct connstr *cs, struct divan_error *err)
{
    if (!(cs->srv_eligible && config->options.enable_dns_srv) && !cs->force_srv) return DIVAN_OK;
    struct buf name = {.limit = 1024};
    connstr_srv_name(cs, &name);
    config->srv_name = buf_take_text(&name);
    buf_fini(&name);
    return config->srv_name ? DIVAN_OK : err_oom(err);
}

static enum divan_code take_connstr(struct client_config *config, const char *text, struct divan_error *err)
{
    struct connstr cs;
    memset(&cs, 0, sizeof cs);
    enum divan_code rc = connstr_parse(text, &cs, err);
    if (!rc) rc = connstr_check_seeds(&cs, err);
    if (!rc) rc = options_from_connstr(&config->options, &cs, err);
    config->tls = cs.tls;
    if (!rc) rc = take_seeds(config, &cs, err);
    if (!rc) rc = take_srv_name(config, &cs, err);
    if (!rc && cs.bucket) {
        config->bucket = mem_strdup(cs.bucket);
        if (!config->bucket) rc = err_oom(err);
    }
    connstr_fini(&cs);
    return rc;
}

/* ---- from the program */

static enum divan_code take_timeout(uint32_t *out, uint32_t given, const char *name, struct divan_error *err)
{
    if (given > TIMEOUT_MAX_MS)
        return err_set(err, DIVAN_ERR_TIMEOUT_RANGE, "%s is %u ms, the longest is one day (%d ms)", name, given,
                       TIMEOUT_MAX_MS);
    if (given) *out = given;
    return DIVAN_OK;
}

static enum divan_code check_credentials(const struct client_config *config, struct divan_error *err)
{
    size_t user = config->username ? strlen(config->username) : 0;
    size_t password = config->password ? strlen(config->password) : 0;
    if (password && !user) return err_set(err, DIVAN_ERR_CREDENTIALS, "a password was given without a user name");
    if (user > SASL_USER_MAX)
        return err_set(err, DIVAN_ERR_CREDENTIALS, "the user name has %zu bytes, the limit is %d", user, SASL_USER_MAX);
    if (password > SASL_PASSWORD_MAX)
        return err_set(err, DIVAN_ERR_CREDENTIALS, "the password has %zu bytes, the limit is %d", password,
                       SASL_PASSWORD_MAX);
    return DIVAN_OK;
}

static enum divan_code take_credentials(struct client_config *config, const struct divan_cluster_options *o,
                                        struct divan_error *err)
{
    const char *user = o->username ? o->username : config->options.username;
    const char *password = o->password ? o->password : config->options.password;
    if (user && *user && !(config->username = mem_strdup(user))) return err_oom(err);
    if (password && !(config->password = mem_strdup(password))) return err_oom(err);
    return check_credentials(config, err);
}

static enum divan_code take_mechanisms(struct client_config *config, struct divan_error *err)
{
    const char *list = config->options.allowed_sasl_mechanisms;
    unsigned scram = 1u << SASL_SCRAM_SHA1 | 1u << SASL_SCRAM_SHA256 | 1u << SASL_SCRAM_SHA512;
    config->mechanisms = config->tls ? scram | 1u << SASL_PLAIN : scram;
    if (!list || !*list) return DIVAN_OK;
    config->mechanisms = 0;
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ", ");
        enum sasl_mechanism m = sasl_from_name(bytes_of(at, len));
        if (len && m == SASL_NONE)
            return err_set(
                err, DIVAN_ERR_OPTION_CHOICE,
                "allowed_sasl_mechanisms names \"%.*s\": known are PLAIN, SCRAM-SHA1, SCRAM-SHA256 and SCRAM-SHA512",
                (int)(len < 40 ? len : 40), at);
        if (len) config->mechanisms |= 1u << m;
        at += len;
        at += strspn(at, ", ");
    }
    if (config->mechanisms) return DIVAN_OK;
    return err_set(err, DIVAN_ERR_OPTION_NO_VALUE, "allowed_sasl_mechanisms names no mechanism");
}

/* What is trusted: the file of the program or of the string alone, else what the operating system trusts. */
static enum divan_code take_tls(struct client_config *config, const struct divan_cluster_options *o,
                                struct divan_error *err)
{
    const struct options *given = &config->options;
    const char *ca = o->ca_file && *o->ca_file ? o->ca_file : given->trust_certificate;
    if (!config->tls) {
        if (o->ca_file && *o->ca_file)
            return err_set(err, DIVAN_ERR_OPTION_CONFLICT,
                           "ca_file is given but the connection string does not ask for TLS: use couchbases://");
        return DIVAN_OK;
    }
    const struct io_tls_client_options tls = {
        .no_verify = given->tls_verify == TLS_VERIFY_NONE,
        .ca.file = ca,
        .cert.file = given->certificate_path,
        .key.file = given->key_path,
    };
    config->tls_context = io_tls_client_new(&tls, err);
    return config->tls_context ? DIVAN_OK : err->code;
}

static void take_log(struct client_config *config, const struct divan_cluster_options *o)
{
    int level = (int)o->log_level;
    if (!level) {
        level = log_level_parse(getenv("DIVAN_LOG"));
        if (level < 0) level = LOG_OFF;
    }
    config->log.level = (enum log_level)level;
    config->log.fn = log_to_stderr;
}

static enum divan_code take_program(struct client_config *config, const struct divan_cluster_options *o,
                                    struct divan_error *err)
{
    if ((unsigned)o->retry > DIVAN_RETRY_FAIL_FAST)
        return err_set(err, DIVAN_ERR_OPTION_CHOICE, "retry is %d, not one of enum divan_retry", (int)o->retry);
    if ((unsigned)o->log_level > DIVAN_LOG_TRACE)
        return err_set(err, DIVAN_ERR_OPTION_CHOICE, "log_level is %d, not one of enum divan_log_level",
                       (int)o->log_level);
    config->fail_fast = o->retry == DIVAN_RETRY_FAIL_FAST;
    config->max_in_flight = o->max_in_flight ? o->max_in_flight : MAX_IN_FLIGHT;
    config->max_in_flight_bytes = o->max_in_flight_bytes ? o->max_in_flight_bytes : MAX_IN_FLIGHT_BYTES;
    config->open_timeout_ms = config->options.bootstrap_timeout_ms;
    take_log(config, o);
    enum divan_code rc = take_timeout(&config->open_timeout_ms, o->open_timeout_ms, "open_timeout_ms", err);
    if (!rc) rc = take_timeout(&config->options.kv_timeout_ms, o->kv_timeout_ms, "kv_timeout_ms", err);
    if (!rc)
        rc = take_timeout(&config->options.kv_durable_timeout_ms, o->kv_durable_timeout_ms, "kv_durable_timeout_ms",
                          err);
    if (!rc) rc = take_credentials(config, o, err);
    if (!rc) rc = take_mechanisms(config, err);
    if (!rc) rc = take_tls(config, o, err);
    return rc;
}

enum divan_code client_config_make(struct client_config *out, const char *connstr,
                                   const struct divan_cluster_options *options, struct divan_error *err)
{
    static const struct divan_cluster_options none;
    struct client_config config;
    memset(&config, 0, sizeof config);
    options_init(&config.options);
    enum divan_code rc = take_connstr(&config, connstr, err);
    if (!rc) rc = take_program(&config, options ? options : &none, err);
    if (!rc) *out = config;
    else client_config_fini(&config);
    return rc;
}
