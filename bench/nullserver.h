/* A node that stores nothing and answers from constants, as fast as a single thread with epoll can: what is measured
 * against it is the client alone. */
#ifndef BENCH_NULLSERVER_H
#define BENCH_NULLSERVER_H

#include <stdint.h>
#include <sys/types.h>

#define NULL_USER     "bench"
#define NULL_PASSWORD "bench"

enum { NULL_VALUE_BYTES = 256, NULL_VBUCKETS = 1024 };

/** Binds 127.0.0.1:port (0 = any) and listens. Returns the socket and writes the port; -1 with errno. */
int null_listen(uint16_t port, uint16_t *bound);
/** Serves until killed; does not return. */
void null_serve(int listener, uint16_t port);
/** The same in a child process that dies with its parent. -1 with errno. */
pid_t null_start(uint16_t *port);
void null_stop(pid_t pid);

#endif
