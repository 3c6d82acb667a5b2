/* A scan: vBucket after vBucket, some at a time, page after page. The core's part, without lock and thread. */
#ifndef DIVAN_CLIENT_SCANNER_H
#define DIVAN_CLIENT_SCANNER_H

#include "client/client.h"
#include "client/collections.h"
#include "wire/rangescan.h"

enum stream_state {
    STREAM_FREE,
    STREAM_CREATE,   /* a RANGE_SCAN_CREATE is under way */
    STREAM_CONTINUE, /* a RANGE_SCAN_CONTINUE is under way */
    STREAM_HOLD,     /* enough is buffered: goes on when the program took some */
    STREAM_PAUSE,    /* trouble: tries again when the timer fires */
    STREAM_STATES
};

/* The scan of one vBucket at the server. */
struct scan_stream {
    struct scanner *scanner;
    enum stream_state state;
    uint16_t vbucket;
    struct scan_id id;      /* CONTINUE, HOLD */
    struct operation *op;   /* CREATE, CONTINUE */
    struct io_timer timer;  /* PAUSE */
    unsigned troubles;      /* since the last page */
    uint64_t progress_ns;   /* when it last got on */
    struct scan_bound last; /* the last key that was seen; len 0 = none */
};

typedef void scanner_notify_fn(void *user);

struct scanner {
    struct link link;      /* in client->scanners */
    struct client *client; /* NULL once it was closed */
    struct collection *collection;
    struct scan_create wanted; /* without the collection id */
    uint32_t timeout_ms, page_items, page_bytes;
    size_t concurrency;
    size_t buffered, buffered_max; /* bytes in `ready` */
    uint64_t samples_left;
    struct divan_mutation_token *tokens;
    size_t token_count;

    struct scan_stream *streams; /* concurrency of them */
    uint8_t *begun;              /* by vBucket */
    size_t vbuckets;             /* 0 = no map yet */
    size_t left;                 /* vBuckets that were not begun */
    size_t active;               /* streams that are not FREE */
    struct list ready;           /* pages */
    struct divan_error error;    /* code DIVAN_OK = none */
    scanner_notify_fn *notify;   /* a page is ready, or the end */
    void *user;
};

struct scanner_plan {
    struct collection *collection;
    struct scan_create wanted;
    uint32_t timeout_ms, page_items, page_bytes;
    size_t concurrency, buffered_max;
    const struct divan_mutation_token *tokens;
    size_t token_count;
    uint64_t samples; /* 0 = a range */
};

/** NULL: out of memory. notify comes later, never from inside a call with the scanner. */
struct scanner *scanner_new(struct client *c, const struct scanner_plan *plan, scanner_notify_fn *notify, void *user);
/** Starts what may be started. */
void scanner_begin(struct scanner *s);
/** Cancels what is under way and releases pages. NULL is fine. */
void scanner_free(struct scanner *s);
/** The client is being closed: everything stops, the error is CANCELLED. */
void scanner_stop(struct scanner *s);
/** The next page, yours; NULL = none at the moment. */
struct operation *scanner_take(struct scanner *s);
static inline bool scanner_is_complete(const struct scanner *s)
{
    return s->vbuckets && !s->left && !s->active && list_empty(&s->ready);
}
/** The items of a page; *cursor begins as 0. */
bool scanner_item(const struct operation *page, size_t *cursor, struct scan_item *out);

/* ---- for connections and answers */

static inline bool op_is_scan(const struct operation *op)
{
    return op->kind >= KIND_SCAN_CREATE && op->kind <= KIND_SCAN_CANCEL;
}
void scanner_put_frame(struct buf *out, const struct operation *op);
/** Of a successful CREATE. PROTOCOL_ERROR. */
enum divan_code scanner_take_created(struct operation *op, const struct frame *f, struct divan_error *err);
static inline bool scanner_is_page(uint16_t status)
{
    return status == ST_SUCCESS || status == ST_RANGE_SCAN_MORE || status == ST_RANGE_SCAN_COMPLETE;
}
/** A piece of the answer to CONTINUE. After SUCCESS more follow: the operation goes back to its slot, then scanner_tell();
 * after anything else it is to be ended. */
enum divan_code scanner_take_piece(struct operation *op, const struct frame *f, struct chunk *chunk,
                                   struct divan_error *err);
/** Tells who waits that a page is there. The operation may be gone afterwards. */
void scanner_tell(struct operation *op);

#endif
