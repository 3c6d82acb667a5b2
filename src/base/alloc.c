#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t allocations;
static _Atomic uint64_t fail_at; /* absolute count of the allocation that fails; 0 = none */
static _Atomic int64_t live;

static int refuse(void)
{
    uint64_t mine = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed) + 1;
    return mine == atomic_load_explicit(&fail_at, memory_order_relaxed);
}

static void *born(void *memory)
{
    if (memory) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return memory;
}

void *mem_alloc(size_t size)
{
    return refuse() ? NULL : born(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return refuse() ? NULL : born(calloc(1, size ? size : 1));
}

void *mem_realloc(void *old, size_t size)
{
    if (!old) return mem_alloc(size);
    return refuse() ? NULL : realloc(old, size ? size : 1);
}

void mem_free(void *memory)
{
    if (memory) atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(memory);
}

char *mem_dup(const void *data, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (!copy) return NULL;
    if (len) memcpy(copy, data, len);
    copy[len] = 0;
    return copy;
}

char *mem_strdup(const char *text)
{
    return text ? mem_dup(text, strlen(text)) : NULL;
}

void mem_fail_at(uint64_t n)
{
    atomic_store(&fail_at, n ? atomic_load(&allocations) + n : 0);
}

uint64_t mem_count(void)
{
    return atomic_load(&allocations);
}

int64_t mem_live(void)
{
    return atomic_load(&live);
}
