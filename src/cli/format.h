/* Figures as people read them. Each writes into out (cap bytes, always terminated) and returns out. */
#ifndef DIVAN_CLI_FORMAT_H
#define DIVAN_CLI_FORMAT_H

#include <divan/types.h>

const char *format_count(char *out, size_t cap, uint64_t n);     /**< 14282 -> "14,282" */
const char *format_rate(char *out, size_t cap, double per_s);    /**< 1234567 -> "1.23 M/s", 845 -> "845/s" */
const char *format_ns(char *out, size_t cap, uint64_t ns);       /**< "840 ns", "18.2 us", "3.41 ms", "12.0 s" */
const char *format_bytes(char *out, size_t cap, uint64_t bytes); /**< "512 B", "1.4 MiB" */
const char *format_elapsed(char *out, size_t cap, uint64_t s);   /**< "0:07", "12:30", "2:03:11" */

#endif
