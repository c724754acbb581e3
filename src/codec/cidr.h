/* IP addresses and networks in CIDR notation, IPv4 and IPv6. Plain values, no ownership.
 * An IPv4 address mapped into IPv6 (::ffff:a.b.c.d) is read as the IPv4 address it stands for, so
 * that no list can be passed by writing an address differently. */
#ifndef RECOUNT_CODEC_CIDR_H
#define RECOUNT_CODEC_CIDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct ip {
    uint8_t b[16]; /* IPv4 in the first four */
    uint8_t bits;  /* 32 or 128; 0 is "no address" */
};

struct cidr {
    struct ip net;
    uint8_t prefix; /* bits that count; the others are zero in net */
};

/* An address as inet_pton(3) reads it; no zone, no brackets, no port. ERR_INVALID. */
MUST_CHECK enum err ip_parse(struct str s, struct ip *out);
struct str ip_text(struct arena *a, struct ip ip);
bool ip_eq(struct ip a, struct ip b);

/* "10.0.0.0/8", "::1", "2001:db8::/32". Bits set behind the prefix are an error: the writer meant
 * something else. An address without a prefix is a network of one. */
MUST_CHECK enum err cidr_parse(struct str s, struct cidr *out);
bool cidr_has(struct cidr net, struct ip ip);
struct str cidr_text(struct arena *a, struct cidr c);

/* Networks separated by commas or white space; an empty text gives none. On ERR_INVALID *bad views
 * the entry that is wrong. At most CIDR_LIST_MAX. */
#define CIDR_LIST_MAX 1024
struct cidr_list {
    struct cidr *v;
    size_t n;
};
MUST_CHECK enum err cidr_list_parse(struct arena *a, struct str text, struct cidr_list *out,
                                    struct str *bad);
bool cidr_list_has(const struct cidr_list *l, struct ip ip);

/* The network an address is counted under, as text: its /24 or /64. What does not parse (a socket
 * path, "") is given back as it is. */
struct str ip_network_text(struct arena *a, struct str address);
/* Loopback, private, link-local, unspecified, multicast, carrier-grade NAT, documentation and
 * other ranges that are not the public Internet (IANA special-purpose registries; the IPv4 part of
 * NAT64 and 6to4 addresses is looked at as well). */
bool ip_is_special(struct ip ip);

#endif
