/* Starting servers and looking at them from outside. */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Starts a program that dies with this process; its output goes nowhere. -1 with errno. */
pid_t program_start(const char *const argv[]);
/** Runs a program to its end and collects what it prints (NUL-terminated). Exit status, or -1. */
int program_run(const char *const argv[], char *out, size_t cap);
void program_stop(pid_t pid);

uint16_t free_port(void); /**< nobody listens on it at the moment; 0 = none */
/** Waits until a connection is accepted; false after timeout_ms. */
bool port_wait(uint16_t port, unsigned timeout_ms);

uint64_t process_cpu_ns(pid_t pid);      /**< processor time of all its threads so far; 0 = not known */
uint64_t process_resident_kb(pid_t pid); /**< 0 = not known */

/** The number behind "name": in a JSON text; -1 when it is not there. Enough for our own output. */
long json_number(const char *json, const char *name);
/** The text behind "name":, without escapes; false when it is not there or too long. */
bool json_text(const char *json, const char *name, char *out, size_t cap);

#endif
