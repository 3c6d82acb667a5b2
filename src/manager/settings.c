#include "manager/settings.h"

#include "manager/json_writer.h"
#include "manager/plan_parts.h"

static const struct doc_setting defaults[] = {
    {"/settings/stats", "{\"sendStats\":false}"},
    {"/settings/rebalance", "{\"rebalanceMovesPerNode\":4}"},
    {"/settings/retryRebalance", "{\"enabled\":false,\"afterTimePeriod\":300,\"maxAttempts\":1}"},
    {"/settings/autoReprovision", "{\"enabled\":true,\"max_nodes\":1,\"count\":0}"},
    {"/settings/failover", "{\"preserveDurableMutations\":true}"},
    {"/settings/dataService", "{\"minReplicasCount\":0}"},
    {"/settings/clientCertAuth", "{\"state\":\"disable\",\"prefixes\":[]}"},
    {"/settings/passwordPolicy", "{\"minLength\":6,\"enforceUppercase\":false,\"enforceLowercase\":false,"
                                 "\"enforceDigits\":false,\"enforceSpecialChars\":false}"},
    {"/settings/indexes",
     "{\"redistributeIndexes\":false,\"numReplica\":0,\"enablePageBloomFilter\":false,"
     "\"enableShardAffinity\":false,\"indexerThreads\":0,\"memorySnapshotInterval\":200,"
     "\"stableSnapshotInterval\":5000,\"maxRollbackPoints\":2,\"logLevel\":\"info\",\"storageMode\":\"\"}"},
    {"/settings/autoCompaction",
     "{\"autoCompactionSettings\":{\"parallelDBAndViewCompaction\":false,\"magmaFragmentationPercentage\":50,"
     "\"databaseFragmentationThreshold\":{\"percentage\":30,\"size\":\"undefined\"},"
     "\"viewFragmentationThreshold\":{\"percentage\":30,\"size\":\"undefined\"},\"indexCompactionMode\":\"circular\","
     "\"indexCircularCompaction\":{\"daysOfWeek\":\"Sunday,Monday,Tuesday,Wednesday,Thursday,Friday,Saturday\","
     "\"interval\":{\"fromHour\":0,\"toHour\":0,\"fromMinute\":0,\"toMinute\":0,\"abortOutside\":false}},"
     "\"indexFragmentationThreshold\":{\"percentage\":30}},\"purgeInterval\":3}"},
};

const char *setting_json(const struct doc *d, const char *path)
{
    const char *set = doc_setting(d, path);
    for (size_t i = 0; !set && i < sizeof defaults / sizeof *defaults; i++)
        if (strcmp(defaults[i].path, path) == 0) set = defaults[i].json;
    return set;
}

/* One field of the form in place of the old value, in its type. */
static void put_value(struct plan *p, const char *key, struct json_value old, struct divan_bytes value, struct buf *out)
{
    int64_t n = 0;
    switch (old.type) {
    case JSON_TRUE:
    case JSON_FALSE:
        jw_bool(out, key, plan_bool(p, key) == 1);
        break;
    case JSON_NUMBER:
        if (!plan_to_int(value, &n)) plan_error(p, key, "The value must be an integer");
        jw_int(out, key, n);
        break;
    case JSON_STRING:
        jw_bytes(out, key, value);
        break;
    default: /* nested ones are accepted and stay what they were */
        jw_key(out, key);
        buf_put_bytes(out, old.text);
    }
}

static bool known(struct json_value object, struct divan_bytes name)
{
    struct json_walk w = json_walk_begin(object);
    struct json_value value;
    for (struct divan_bytes key; json_next_member(&w, &key, &value);)
        if (json_string_is(key, name)) return true;
    return false;
}

void setting_merge(struct plan *p, const char *before, struct buf *out)
{
    struct json_value object = json_value_of(divan_str(before)), value;
    struct json_walk w = json_walk_begin(object);
    bool nested = strstr(before, ":{") != NULL; /* fields like "a[b][c]" are not told apart */
    jw_open(out, NULL, '{');
    for (struct divan_bytes key; json_next_member(&w, &key, &value);) {
        char name[64] = {0};
        if (key.len < 3 || key.len - 2 >= sizeof name) continue;
        memcpy(name, (const char *)key.data + 1, key.len - 2);
        struct divan_bytes sent = plan_field(p, name);
        if (sent.data) put_value(p, name, value, sent, out);
        else jw_key(out, name), buf_put_bytes(out, value.text);
    }
    jw_close(out, '}');
    for (size_t i = 0; i < p->req->form_count && !nested; i++) {
        struct divan_bytes name = p->req->form[i].name;
        char text[64] = {0};
        memcpy(text, name.data ? name.data : "", name.len < 63 ? name.len : 63);
        if (text[0] != '?' && !known(object, name)) plan_error(p, text, "Unsupported key");
    }
}
