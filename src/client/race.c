#include "client/race.h"

#include "base/alloc.h"
#include "base/error.h"
#include "client/bucket.h"
#include "client/collections.h"
#include "wire/pathop.h"

struct race {
    struct client *client;
    const char *name;
    bool is_all, is_over;                        /* over: the answer is there, the rest does not matter */
    size_t count, left;                          /* left counts the starter as one until it is through */
    struct operation *members[DIVAN_COPIES_MAX]; /* those on their way */
    struct race_outcome *outcome;
    struct operation *first; /* keeps how it is delivered */
    struct buf reasons;
    struct divan_error worst; /* the failure that says most */
    struct operation *last;   /* the member that failed last, to carry the failure */
};

struct race *race_new(struct client *c, const char *name, bool all, struct race_outcome *outcome)
{
    struct race *race = mem_zalloc(sizeof *race);
    if (!race) return NULL;
    race->client = c;
    race->name = name;
    race->is_all = all;
    race->outcome = outcome;
    race->reasons.limit = 2048;
    if (outcome) *outcome = (struct race_outcome){.failed = NULL};
    return race;
}

static void race_free(struct race *race)
{
    op_release(race->first);
    op_release(race->last);
    buf_fini(&race->reasons);
    mem_free(race);
}

/* ---- which copies */

static bool is_near(const struct client *c, const struct map *map, int position)
{
    const char *group = c->config.options.server_group;
    const char *its = position >= 0 && (size_t)position < map->node_count ? map->nodes[position].server_group : NULL;
    return group && its && !strcmp(group, its);
}

static bool any_is_near(const struct client *c, const struct map *map, uint16_t vbucket)
{
    for (unsigned copy = 0; copy < DIVAN_COPIES_MAX; copy++)
        if (is_near(c, map, map_owner(map, vbucket, copy))) return true;
    return false;
}

static bool may_be_read(const struct client *c, const struct map *map, const struct operation *op, int position)
{
    switch ((enum divan_read_from)op->read_from) {
    case DIVAN_READ_GROUP:
        return is_near(c, map, position);
    case DIVAN_READ_GROUP_OR_ALL:
        return is_near(c, map, position) || !any_is_near(c, map, op->vbucket);
    case DIVAN_READ_ALL:
        break;
    }
    return true;
}

int race_position(const struct client *c, const struct map *map, const struct operation *op)
{
    int position = map_owner(map, op->vbucket, op->copy);
    return may_be_read(c, map, op, position) ? position : -1;
}

/* A vBucket without a master gets one sooner or later; a replica that is not there is not waited for. */
bool race_give_up(struct client *c, struct operation *op)
{
    const struct map *map = op->collection->bucket->map;
    bool is_far = !may_be_read(c, map, op, map_owner(map, op->vbucket, op->copy));
    if (!op->copy && !is_far) return false;
    if (is_far)
        client_fail(c, op, DIVAN_ERR_DOCUMENT_UNRETRIEVABLE, "not in the server group %s",
                    c->config.options.server_group ? c->config.options.server_group : "");
    else client_fail(c, op, DIVAN_ERR_DOCUMENT_UNRETRIEVABLE, "there is no such copy");
    return true;
}

/* ---- the end */

/* What says more than that no copy could be read. */
static int weight_of(enum divan_code code)
{
    switch ((int)code) {
    case DIVAN_ERR_CANCELLED:
        return 5;
    case DIVAN_ERR_AUTHENTICATION_FAILURE:
    case DIVAN_ERR_BUCKET_NOT_FOUND:
    case DIVAN_ERR_SCOPE_NOT_FOUND:
    case DIVAN_ERR_COLLECTION_NOT_FOUND:
        return 4;
    case DIVAN_ERR_FEATURE_NOT_AVAILABLE:
        return 3;
    case DIVAN_ERR_OUT_OF_MEMORY:
        return 2;
    case DIVAN_ERR_UNAMBIGUOUS_TIMEOUT:
        return 1;
    default:
        return 0;
    }
}

static void hand_over(struct race *race, struct operation *op)
{
    op->how = race->first->how;
    op->done = race->first->done;
    op->user = race->first->user;
    op->owner = NULL;
    race->client->deliver(race->client->deliver_user, op);
}

static void put_failure(struct race *race, struct operation *op)
{
    bool simple = weight_of(race->worst.code) != 1 && weight_of(race->worst.code) > 0;
    if (!op_error(op)) return;
    struct divan_error *err = op->error;
    const char *text = buf_text(&race->reasons);
    *err = race->worst;
    if (!simple)
        err_set(err,
                race->worst.code == DIVAN_ERR_UNAMBIGUOUS_TIMEOUT ? race->worst.code : DIVAN_ERR_DOCUMENT_UNRETRIEVABLE,
                "no copy of the document could be read: %s", text ? text : "out of memory");
    err->retry_reasons = race->worst.retry_reasons;
    err->elapsed_ms = race->worst.elapsed_ms;
    err->attempts = race->worst.attempts;
    err_where(err, race->name, race->worst.endpoint);
}

static void cancel_rest(struct race *race)
{
    for (size_t i = 0; i < race->count; i++) {
        struct operation *op = race->members[i];
        if (op) client_fail(race->client, op, DIVAN_ERR_CANCELLED, "another copy answered first");
    }
}

/* One that waits only needs to hear of the end. */
static void wake(struct race *race)
{
    if (race->first->how != DONE_WAITER) op_retain(race->first); /* the others take a reference */
    race->client->deliver(race->client->deliver_user, race->first);
}

static void settle(struct race *race)
{
    if (--race->left) return;
    struct race_outcome *out = race->outcome;
    bool any = race->is_over;
    struct operation *failed = race->last;
    for (size_t i = 0; out && i < DIVAN_COPIES_MAX; i++) any = any || out->results[i];
    race->last = NULL;
    if (!any && failed) put_failure(race, failed);
    if (out) {
        if (any) op_release(failed);
        else out->failed = failed;
        wake(race);
    } else if (any) op_release(failed);
    else hand_over(race, failed);
    race_free(race);
}

static void note_failure(struct race *race, struct operation *op)
{
    const struct divan_error *why = op->error;
    bool is_missing = why->code == DIVAN_ERR_DOCUMENT_UNRETRIEVABLE; /* a copy that does not exist says little */
    if (!race->last || weight_of(why->code) > weight_of(race->worst.code)) race->worst = *why;
    if (!is_missing || op->read_from) {
        buf_printf(&race->reasons, "%s", race->reasons.len ? "; " : "");
        if (op->copy) buf_printf(&race->reasons, "replica %u", op->copy);
        else buf_put_str(&race->reasons, "active");
        bool told = is_missing || why->code == DIVAN_ERR_UNAMBIGUOUS_TIMEOUT;
        buf_printf(&race->reasons, ": %.120s", told ? why->message : err_code_text(why->code));
    }
    op_retain(op);
    op_release(race->last);
    race->last = op;
}

static void on_member(struct client *c, struct operation *op)
{
    struct race *race = op->owner;
    struct race_outcome *out = race->outcome;
    for (size_t i = 0; i < race->count; i++)
        if (race->members[i] == op) race->members[i] = NULL;
    if (op->error) {
        if (!race->is_over) note_failure(race, op);
    } else if (!race->is_over) {
        op_retain(op);
        race->is_over = !race->is_all;
        if (race->is_over) cancel_rest(race);
        if (out) out->results[race->is_all ? op->copy : 0] = op;
        else hand_over(race, op);
    }
    settle(race);
}

/* ---- the beginning */

void race_enter(struct race *race, struct operation *op, enum divan_read_from from)
{
    size_t copy = race->count++;
    race->members[copy] = op;
    op->copy = (uint8_t)copy;
    op->is_race = true;
    op->read_from = (uint8_t)from;
    if (copy && op->kind == KIND_GET) op->kind = KIND_GET_REPLICA;
    else if (copy) op->doc_flags |= DOC_REPLICA_READ;
}

static struct operation *keep_delivery(struct race *race)
{
    struct operation *keep = client_take(race->client);
    const struct operation *active = race->members[0];
    if (!keep) return NULL;
    keep->kind = active->kind;
    keep->state = OP_DONE;
    keep->how = active->how;
    keep->done = active->done;
    keep->user = active->user;
    return keep;
}

void race_abandon(struct race *race)
{
    if (!race) return;
    for (size_t i = 0; i < race->count; i++) op_release(race->members[i]);
    race_free(race);
}

enum divan_code race_start(struct race *race, struct divan_error *err)
{
    struct client *c = race->client;
    enum divan_code rc = DIVAN_OK;
    race->first = keep_delivery(race);
    if (!race->first) {
        race_abandon(race);
        return err_oom(err);
    }
    race->left = 1;
    for (size_t i = 0; i < race->count && !rc; i++) {
        struct operation *op = race->members[i];
        op->how = DONE_INTERNAL;
        op->done.internal = on_member;
        op->owner = race;
        race->left++;
        rc = client_start(c, op, err);
        if (!rc) continue;
        race->left--;
        if (!i) break;
        rc = DIVAN_OK; /* the others run already */
        race->members[i] = NULL;
        op_release(op);
    }
    if (rc) race_abandon(race);
    else settle(race);
    return rc;
}
