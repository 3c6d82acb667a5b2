#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/loop.h"

bool io_addr_parse(struct io_addr *addr, const char *host, uint16_t port)
{
    struct in6_addr binary;
    int family = strchr(host, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, host, &binary) != 1) return false;
    *addr = (struct io_addr){.port = port, .v6 = family == AF_INET6};
    inet_ntop(family, &binary, addr->host, sizeof addr->host); /* one spelling per address: comparable */
    return true;
}

bool io_addr_equal(const struct io_addr *a, const struct io_addr *b)
{
    return a->port == b->port && a->v6 == b->v6 && strcmp(a->host, b->host) == 0;
}

const char *io_addr_text(const struct io_addr *addr, char *out, size_t cap)
{
    if (cap) snprintf(out, cap, addr->v6 ? "[%s]:%u" : "%s:%u", addr->host, (unsigned)addr->port);
    return out;
}

unsigned addr_to_sockaddr(const struct io_addr *addr, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (addr->v6) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)out;
        in->sin6_family = AF_INET6;
        in->sin6_port = htons(addr->port);
        inet_pton(AF_INET6, addr->host, &in->sin6_addr);
        return sizeof *in;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons(addr->port);
    inet_pton(AF_INET, addr->host, &in->sin_addr);
    return sizeof *in;
}

void addr_from_sockaddr(struct io_addr *addr, const struct sockaddr_storage *from)
{
    *addr = (struct io_addr){.v6 = from->ss_family == AF_INET6};
    if (addr->v6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)from;
        addr->port = ntohs(in->sin6_port);
        inet_ntop(AF_INET6, &in->sin6_addr, addr->host, sizeof addr->host);
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        addr->port = ntohs(in->sin_port);
        inet_ntop(AF_INET, &in->sin_addr, addr->host, sizeof addr->host);
    }
}

bool addr_from_bytes(struct io_addr *addr, struct divan_bytes bytes)
{
    if (bytes.len != 4 && bytes.len != 16) return false;
    *addr = (struct io_addr){.v6 = bytes.len == 16};
    return inet_ntop(addr->v6 ? AF_INET6 : AF_INET, bytes.data, addr->host, sizeof addr->host) != NULL;
}
