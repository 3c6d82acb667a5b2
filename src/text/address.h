/* Literal IP addresses as text, without the operating system. */
#ifndef DIVAN_TEXT_ADDRESS_H
#define DIVAN_TEXT_ADDRESS_H

#include "base/bytes.h"

enum address_family { ADDRESS_NAME, ADDRESS_IPV4, ADDRESS_IPV6 };

/** Reads "1.2.3.4" (four decimal numbers without leading zeros) into 4 bytes; false when it is none. */
bool address_parse_ipv4(struct divan_bytes text, uint8_t out[4]);
/** Reads an IPv6 address without brackets into 16 bytes; a zone ("%eth0") is stepped over. False when it is none;
 * *error_at (may be NULL) is the offset of what does not fit. */
bool address_parse_ipv6(struct divan_bytes text, uint8_t out[16], size_t *error_at);
/** What kind of host a text is. */
enum address_family address_family_of(struct divan_bytes text);
/** Whether two host texts mean the same: equal addresses, or equal names in any case (a trailing dot does not count). */
bool address_equal(const char *a, const char *b);
/** 127.0.0.0/8, ::1, localhost. */
bool address_is_loopback(const char *host);

#endif
