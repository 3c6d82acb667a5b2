#include "text/address.h"

#include "text/ascii.h"

bool address_parse_ipv4(struct divan_bytes text, uint8_t out[4])
{
    const char *p = text.len ? text.data : "", *end = p + text.len;
    uint8_t octets[4];
    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        int digits = 0;
        for (; p < end && ascii_is_digit(*p) && digits < 4; p++, digits++) value = value * 10 + (unsigned)(*p - '0');
        bool leading_zero = digits > 1 && p[-digits] == '0';
        if (digits == 0 || digits > 3 || value > 255 || leading_zero) return false;
        octets[i] = (uint8_t)value;
        if (i < 3 && (p == end || *p++ != '.')) return false;
    }
    if (p != end) return false;
    memcpy(out, octets, 4);
    return true;
}

struct ipv6 {
    const char *text;
    size_t len, at;
    uint8_t bytes[16];
    size_t used;
    int gap; /* where "::" stands in bytes, -1 = nowhere */
};

static int peek(const struct ipv6 *a, size_t ahead)
{
    return a->at + ahead < a->len ? (unsigned char)a->text[a->at + ahead] : -1;
}

/* A colon pair, at most one in an address. */
static bool take_gap(struct ipv6 *a)
{
    if (a->gap >= 0) return false;
    a->gap = (int)a->used;
    a->at += 2;
    return true;
}

static bool take_group(struct ipv6 *a)
{
    unsigned value = 0;
    int digits = 0;
    for (; digits < 5 && ascii_hex(peek(a, 0)) >= 0; digits++, a->at++)
        value = value << 4 | (unsigned)ascii_hex(peek(a, 0));
    if (digits == 0 || digits > 4 || a->used + 2 > 16) return false;
    put_u16be(a->bytes + a->used, (uint16_t)value);
    a->used += 2;
    return true;
}

/* The last 32 bits may be written as an IPv4 address. */
static bool take_ipv4_tail(struct ipv6 *a)
{
    uint8_t octets[4];
    if (a->used + 4 > 16 || !address_parse_ipv4(bytes_of(a->text + a->at, a->len - a->at), octets)) return false;
    memcpy(a->bytes + a->used, octets, 4);
    a->used += 4;
    a->at = a->len;
    return true;
}

static bool take_groups(struct ipv6 *a)
{
    if (peek(a, 0) == ':' && (peek(a, 1) != ':' || !take_gap(a))) return false;
    while (a->at < a->len) {
        if (!take_ipv4_tail(a) && !take_group(a)) return false;
        if (a->at == a->len) return true;
        if (peek(a, 0) != ':') return false;
        if (peek(a, 1) == ':') {
            if (!take_gap(a)) return false;
        } else if (a->at++, a->at == a->len) return false;
    }
    return true;
}

/* Moves what follows the gap to the end. */
static bool close_gap(struct ipv6 *a)
{
    if (a->gap < 0) return a->used == 16;
    if (a->used > 14) return false;
    size_t tail = a->used - (size_t)a->gap;
    memmove(a->bytes + 16 - tail, a->bytes + a->gap, tail);
    memset(a->bytes + a->gap, 0, 16 - a->used);
    return true;
}

static bool zone_is_valid(struct divan_bytes zone)
{
    const char *p = zone.data;
    for (size_t i = 0; i < zone.len; i++)
        if (!ascii_is_letter(p[i]) && !ascii_is_digit(p[i]) && !strchr("-._~", p[i])) return false;
    return zone.len > 0;
}

bool address_parse_ipv6(struct divan_bytes text, uint8_t out[16], size_t *error_at)
{
    const char *percent = text.len ? memchr(text.data, '%', text.len) : NULL;
    size_t len = percent ? (size_t)(percent - (const char *)text.data) : text.len;
    struct ipv6 a = {.text = text.data, .len = len, .gap = -1};
    bool ok = len > 0 && take_groups(&a) && close_gap(&a);
    if (ok && percent && !zone_is_valid(bytes_slice(text, len + 1, text.len))) ok = false, a.at = len;
    if (!ok && error_at) *error_at = a.at;
    if (ok) memcpy(out, a.bytes, 16);
    return ok;
}

enum address_family address_family_of(struct divan_bytes text)
{
    uint8_t scratch[16];
    if (address_parse_ipv4(text, scratch)) return ADDRESS_IPV4;
    return address_parse_ipv6(text, scratch, NULL) ? ADDRESS_IPV6 : ADDRESS_NAME;
}

/* Any literal as 16 bytes, IPv4 as v4-mapped. */
static bool literal(const char *host, uint8_t out[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address_parse_ipv6(divan_str(host), out, NULL)) return true;
    memcpy(out, mapped, sizeof mapped);
    return address_parse_ipv4(divan_str(host), out + sizeof mapped);
}

static size_t name_length(const char *host)
{
    size_t len = strlen(host);
    return len > 1 && host[len - 1] == '.' ? len - 1 : len;
}

static const char *zone_of(const char *host)
{
    const char *zone = strchr(host, '%');
    return zone ? zone : "";
}

bool address_equal(const char *a, const char *b)
{
    uint8_t x[16], y[16];
    bool literal_a = literal(a, x), literal_b = literal(b, y);
    if (literal_a && literal_b) return memcmp(x, y, 16) == 0 && !strcmp(zone_of(a), zone_of(b));
    return literal_a == literal_b && ascii_equal(a, name_length(a), b, name_length(b));
}

bool address_is_loopback(const char *host)
{
    static const uint8_t v6[16] = {[15] = 1}, v4[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    uint8_t ip[16];
    if (literal(host, ip)) return !memcmp(ip, v6, 16) || !memcmp(ip, v4, 13);
    return ascii_equal(host, name_length(host), "localhost", 9);
}
