/* The null server as a program: nullserver [PORT] prints its port and serves until killed. */
#include "nullserver.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    uint16_t port = 0;
    int listener = null_listen((uint16_t)(argc > 1 ? atoi(argv[1]) : 0), &port);
    if (listener < 0) return perror("nullserver"), 1;
    printf("%u\n", port);
    fflush(stdout);
    null_serve(listener, port);
}
