/* All memory of the library and the node passes here, so that a test can make the n-th allocation fail. */
#ifndef DIVAN_BASE_ALLOC_H
#define DIVAN_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/** As malloc/calloc/realloc/free; NULL when out of memory. Free with mem_free() only. */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size); /**< zero-filled */
void *mem_realloc(void *old, size_t size);
void mem_free(void *memory);                 /**< NULL is fine */
char *mem_strdup(const char *text);          /**< NULL in, NULL out */
char *mem_dup(const void *data, size_t len); /**< a copy with a NUL behind it */

/** For tests: the n-th allocation from now (1 = the next) fails, and only that one; 0 = none. Process-wide. */
void mem_fail_at(uint64_t n);
uint64_t mem_count(void); /**< allocations so far, process-wide */
int64_t mem_live(void);   /**< blocks not freed yet */

#endif
