/* Plays what a real cluster told its clients while it changed (tests/golden-cluster/cfg64.tar.xz) to our client, in the
 * simulated network: every source of a map in its recorded order and time, connections closed and refused as recorded.
 * Scripted nodes serve documents of the vBuckets they own by the map that is in force at each of them and refuse the
 * others with that map; a load runs meanwhile. */
#ifndef TESTS_SIM_STORY_H
#define TESTS_SIM_STORY_H

#include <jansson.h>

#include "sim/sim_cluster.h"
#include "topology/map.h"
#include "wire/hello.h"

enum { STORY_NODES = 4, STORY_CONNS = 32, STORY_DOCS = 2048, STORY_BUCKET_MAX = 40 };

/* How nodes tell of a new map: revision only, the whole map, or not at all (old nodes). */
enum story_push { PUSH_BRIEF, PUSH_FULL, PUSH_NONE, PUSH_MODES };

/* A map as one node has it. */
struct body {
    char *text; /* malloc; NULL = none */
    struct map *map;
};

struct story_doc {
    char key[24];
    uint8_t *value;
    size_t len;
    uint64_t cas, number, seqno;
    bool exists, is_counter;
};

struct story_conn {
    struct story_node *node;
    struct io_stream *stream;
    size_t place;
    feature_set features;
    bool selected;
    int64_t told_rev; /* of the last map in a refusal */
};

struct story;

struct story_node {
    struct story *story;
    unsigned number;
    char host[20];
    uint16_t port;
    struct io_loop *loop;
    struct io_listener *listener;
    struct body bucket, global;
    uint16_t auth_status, select_status, config_status; /* 0 = fine */
    bool exists;                                        /* has been in a map, or opened */
    struct story_conn *conns[STORY_CONNS];
    size_t requests, refused; /* of documents */
};

struct story {
    struct world *world;
    const char *name;
    json_t *root;
    enum story_push push;
    bool is_net; /* nodes have addresses of their own */
    char bucket_name[STORY_BUCKET_MAX];
    struct story_node nodes[STORY_NODES];
    struct story_doc *docs;
    size_t doc_count;
    uint64_t cas, began_ns;
    int64_t greatest_rev;
    struct body final;
    struct map_revision client_has; /* newest the client was seen with */
    /* When a node that owns something could not be reached: operations may fail then. */
    struct {
        uint64_t from_ns, until_ns;
    } trouble[64];
    size_t trouble_count;
    bool in_trouble;
};

/* story_node.c */
bool story_node_listen(struct story_node *n);
void story_node_refuse(struct story_node *n); /**< new connections */
void story_node_drop(struct story_node *n);   /**< the ones that selected the bucket */
/** A new map is in force there; pushes it as the mode says. name "" = the global one. */
void story_node_take(struct story_node *n, struct body *body, bool is_bucket, bool push);
size_t story_node_connections(const struct story_node *n);
void body_free(struct body *b);

/* story_play.c */
bool story_play(const char *path, enum story_push push, bool tell, char *problem, size_t cap);

#endif
