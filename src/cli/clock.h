/* The clock of a program, for what people see and for measuring; the library's clock is the loop's. */
#ifndef DIVAN_CLI_CLOCK_H
#define DIVAN_CLI_CLOCK_H

#include <stdint.h>

uint64_t clock_ns(void);          /**< monotonic */
void clock_sleep_ms(unsigned ms); /**< returns early on a signal */

#endif
