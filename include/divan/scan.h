/* Scans: all documents of a collection, a range of keys, or a random sample, streamed with bounded memory.
 *
 *     divan_scanner *scanner;
 *     rc = divan_scan_open(people, &(struct divan_scan){.prefix = divan_str("u:")}, NULL, &scanner, &err);
 *     while (!rc && !(rc = divan_scan_next(scanner, &item, &err)))
 *         use(item.key, item.value);
 *     divan_scan_close(scanner);
 *     if (rc != DIVAN_ERR_RANGE_SCAN_COMPLETED) report(&err);
 *
 * A scan is no snapshot: documents written meanwhile may or may not appear, each at most once. The order is that of the
 * keys within a vBucket, none across them. Needs a server of 7.6 or later: FEATURE_NOT_AVAILABLE. */
#ifndef DIVAN_SCAN_H
#define DIVAN_SCAN_H

#include <divan/divan.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct divan_scanner divan_scanner; /**< one scan; one thread at a time */

/** What to scan. All zero = the whole collection. Either a range, or a prefix, or a sample. Borrowed for the call. */
struct divan_scan {
    struct divan_bytes from, to; /**< keys, both included; empty = without end */
    bool exclude_from, exclude_to;
    struct divan_bytes prefix; /**< all keys that begin with it */
    uint64_t sample;           /**< about so many random documents, never more; 0 = no sampling */
    uint64_t sample_seed;      /**< for the server's choice within each vBucket; 0 = any */
};

struct divan_scan_options {
    uint32_t timeout_ms;   /**< 0 = 75000: between two pages, not of the whole scan */
    bool ids_only;         /**< keys without documents */
    uint32_t concurrency;  /**< vBuckets scanned at once; 0 = 16 */
    uint32_t page_items;   /**< most documents the server sends at a time and vBucket; 0 = 1000 */
    uint32_t page_bytes;   /**< most bytes alike; 0 = 128 KiB */
    size_t buffered_bytes; /**< what is read ahead of the program; 0 = 16 MiB */
    const struct divan_mutation_token *consistent_with; /**< see these writes; borrowed for the call */
    size_t consistent_count;
};

/** One document. Views are borrowed from the scanner until the next call with it, or from the page. */
struct divan_scan_item {
    struct divan_bytes key;
    struct divan_bytes value; /**< empty with ids_only, like all below */
    uint64_t cas, expiry;     /**< expiry: seconds since 1970; 0 = never */
    uint32_t flags;
};

/** Begins the scan. Errors: HANDLE_NULL, SCAN_RANGE (more than one kind; a bound over 250 bytes), TIMEOUT_RANGE,
 * OUT_OF_MEMORY, CLUSTER_CLOSED. What the server refuses comes with the first item. *out is written on DIVAN_OK only and
 * closed with divan_scan_close(). */
DIVAN_API enum divan_code divan_scan_open(divan_collection *, const struct divan_scan *,
                                          const struct divan_scan_options *, divan_scanner **out,
                                          struct divan_error *err);
/** The next document; waits for it. DIVAN_ERR_RANGE_SCAN_COMPLETED after the last. Any other error ends the scan. A lost
 * connection, a moved vBucket or a busy node does not: the scan goes on behind the last key it had. Errors:
 * UNAMBIGUOUS_TIMEOUT, FEATURE_NOT_AVAILABLE, COLLECTION_NOT_FOUND, MUTATION_TOKEN_OUTDATED, AUTHENTICATION_FAILURE. */
DIVAN_API enum divan_code divan_scan_next(divan_scanner *, struct divan_scan_item *out, struct divan_error *err);
/** A page: some documents at once, as one result, yours. As divan_scan_next() otherwise. */
DIVAN_API enum divan_code divan_scan_page(divan_scanner *, divan_result **out, struct divan_error *err);
/** The same, delivered: exactly one page (or error, RANGE_SCAN_COMPLETED at the end) for each call; start the next when
 * one came. One at a time: INVALID_ARGUMENT. */
DIVAN_API enum divan_code divan_scan_page_start(divan_scanner *, struct divan_done, struct divan_error *err);
/** Walks a page: begin with *cursor = 0. False behind the last. */
DIVAN_API bool divan_result_item(const divan_result *page, size_t *cursor, struct divan_scan_item *out);
/** Ends the scan; a started page is cancelled. Pages live on until they are released. Before divan_cluster_close(). NULL is fine. */
DIVAN_API void divan_scan_close(divan_scanner *);

#ifdef __cplusplus
}
#endif
#endif
