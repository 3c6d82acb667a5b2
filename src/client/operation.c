#include "client/operation.h"

#include "base/alloc.h"
#include "base/error.h"

/* Operations given back by any thread wait in `returned`, a stack with many pushers and one taker that always takes all,
 * so it has no ABA problem. At the end the head becomes `closed_mark`, and who finds it there frees its own. */
struct op_pool {
    _Atomic(struct operation *) returned;
    struct operation *free; /* under the client's lock */
    size_t made;            /* operations that exist; under the client's lock */
    _Atomic size_t outside; /* after closing: operations still with the application, and one for the closer */
};

static struct operation closed_mark;

static const struct divan_error out_of_memory = {
    .code = DIVAN_ERR_OUT_OF_MEMORY,
    .flags = DIVAN_IS_RETRYABLE,
    .message = "memory could not be allocated: free some and try again",
};

static void op_destroy(struct operation *op)
{
    buf_fini(&op->own);
    mem_free(op);
}

struct op_pool *op_pool_new(void)
{
    return mem_zalloc(sizeof(struct op_pool));
}

static size_t destroy_all(struct operation *list)
{
    size_t n = 0;
    while (list) {
        struct operation *next = list->next_free;
        op_destroy(list);
        list = next;
        n++;
    }
    return n;
}

void op_pool_close(struct op_pool *pool)
{
    if (!pool) return;
    size_t made = pool->made - destroy_all(pool->free);
    pool->free = NULL;
    atomic_store(&pool->outside, made + 1);
    size_t back = destroy_all(atomic_exchange(&pool->returned, &closed_mark));
    if (atomic_fetch_sub(&pool->outside, back + 1) == back + 1) mem_free(pool);
}

struct operation *op_take(struct op_pool *pool)
{
    if (!pool->free) pool->free = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    struct operation *op = pool->free;
    if (op) pool->free = op->next_free;
    else {
        op = mem_alloc(sizeof *op);
        if (!op) return NULL;
        op->own = (struct buf){.limit = (size_t)FRAME_MAX};
        pool->made++;
    }
    struct buf own = op->own;
    memset(op, 0, offsetof(struct operation, key));
    op->own = own;
    op->pool = pool;
    atomic_init(&op->refs, 1);
    return op;
}

static void give_back(struct operation *op)
{
    struct op_pool *pool = op->pool;
    struct operation *head = atomic_load_explicit(&pool->returned, memory_order_acquire);
    do {
        if (head == &closed_mark) {
            op_destroy(op);
            if (atomic_fetch_sub(&pool->outside, 1) == 1) mem_free(pool);
            return;
        }
        op->next_free = head;
    } while (
        !atomic_compare_exchange_weak_explicit(&pool->returned, &head, op, memory_order_release, memory_order_acquire));
}

void op_release(struct operation *op)
{
    if (!op) return;
    /* The only holder needs no atomic write: nobody else can gain a reference. */
    if (atomic_load_explicit(&op->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (op->chunk) chunk_release(op->chunk);
    if (op->error && op->error != &out_of_memory) mem_free(op->error);
    op->chunk = NULL;
    op->error = NULL;
    op->own.len = 0;
    op->own.failed = false;
    if (op->own.cap > OP_VALUE_KEEP) buf_fini(&op->own);
    give_back(op);
}

bool op_own_value(struct operation *op, struct divan_bytes value)
{
    buf_clear(&op->own);
    buf_put_bytes(&op->own, value);
    op->value = buf_view(&op->own);
    return !op->own.failed;
}

bool op_error(struct operation *op)
{
    if (!op->error) op->error = mem_zalloc(sizeof *op->error);
    if (!op->error) op->error = (struct divan_error *)(uintptr_t)&out_of_memory;
    return op->error != &out_of_memory;
}
