/* A bucket (or, without a name, the cluster level): its map, its nodes, its collections, and the operations that wait for
 * a map or a master. */
#ifndef DIVAN_CLIENT_BUCKET_H
#define DIVAN_CLIENT_BUCKET_H

#include "client/node.h"

struct bucket {
    struct link link; /* in client->buckets */
    struct client *client;
    char *name;                /* NULL = cluster level */
    struct map *map;           /* newest; NULL = none */
    struct node **by_position; /* map->node_count entries: the node at a place in the map, NULL = not reachable */
    struct list nodes;
    struct list waiting; /* operations without a map or master */
    struct list collections;
    bool is_wanted;              /* somebody asked for it: keep connected */
    bool fetching;               /* a GET_CLUSTER_CONFIG of ours is under way */
    uint64_t fetched_ns;         /* when the last fetch began */
    struct map_revision told;    /* newest revision heard of */
    struct io_timer stagger;     /* starts the next candidate */
    struct io_timer fetch_timer; /* a fetch that the floor put off */
    uint64_t seeded_ns;          /* when the seeds were last asked for help */
    struct divan_error cause;    /* the definite reason why it cannot be opened; code DIVAN_OK = none */
};

/** NULL: out of memory. name NULL = cluster level. */
struct bucket *bucket_new(struct client *client, const char *name);
/** For closing, when no operation is left. NULL is fine. */
void bucket_free(struct bucket *bucket);
/** The bucket of a name; NULL = not known yet. */
struct bucket *bucket_find(const struct client *client, const char *name);
/** The same, made when it is not known yet. NULL: out of memory. */
struct bucket *bucket_named(struct client *client, const char *name);
/** Starts connecting if it is not connected. */
void bucket_open(struct bucket *bucket);
static inline bool bucket_has_map(const struct bucket *bucket)
{
    return bucket->map && (bucket->map->vbuckets || !bucket->name);
}
/** The operation waits for a newer map. */
void bucket_wait(struct bucket *bucket, struct operation *op, unsigned reason);
/** Tries the seeds beside the nodes it knows. */
void bucket_try_seeds(struct bucket *bucket);
/** A ready connection, another one each time; NULL = none. */
struct connection *bucket_any_connection(struct bucket *bucket);

/** The node that an operation goes to by the present map; sets its vBucket. NULL = there is none at the moment. */
struct node *bucket_target(struct bucket *bucket, struct operation *op);

/** The node of a copy of a vBucket, 0 = the active one; NULL = there is none at the moment. */
struct node *bucket_copy(struct bucket *bucket, uint16_t vbucket, unsigned copy);

/** Replaces the map if the new one is newer. Takes the reference over. source: the node it came from, if certain: a
 * candidate that turns out to be a node of the map becomes that node. True when it was applied. */
bool bucket_apply(struct bucket *bucket, struct map *map, struct node *source);
/** A node failed or became ready: decides whether the bucket cannot be opened, whether seeds must help. */
void bucket_step(struct bucket *bucket);
/** The state of every node in one sentence part, for a timeout. */
void bucket_describe(const struct bucket *bucket, struct buf *out);

#endif
