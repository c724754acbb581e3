/* IP addresses and networks. Owns the table of special ranges. Resolves no names. */
#include "codec/cidr.h"

#include <arpa/inet.h>
#include <string.h>

#define ADDRESS_MAX 45 /* INET6_ADDRSTRLEN without its NUL */

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

static void
set_v4(struct ip *ip, const uint8_t *b)
{
    uint8_t v4[4];

    memcpy(v4, b, sizeof(v4));
    *ip = (struct ip){.bits = 32};
    memcpy(ip->b, v4, sizeof(v4));
}

/* Without the folding of mapped addresses. */
static enum err
parse_plain(struct str s, struct ip *out)
{
    char text[ADDRESS_MAX + 1] = {0};
    struct ip ip = {{0}, 0};

    if (s.n == 0 || s.n > ADDRESS_MAX || str_index(s, '\0') != SIZE_MAX)
        return ERR_INVALID;
    memcpy(text, s.p, s.n);
    if (inet_pton(AF_INET, text, ip.b) == 1)
        ip.bits = 32;
    else if (inet_pton(AF_INET6, text, ip.b) == 1)
        ip.bits = 128;
    else
        return ERR_INVALID;
    *out = ip;
    return OK;
}

enum err
ip_parse(struct str s, struct ip *out)
{
    struct ip ip;

    TRY(parse_plain(s, &ip));
    if (ip.bits == 128 && memcmp(ip.b, mapped_prefix, sizeof(mapped_prefix)) == 0)
        set_v4(&ip, ip.b + sizeof(mapped_prefix));
    *out = ip;
    return OK;
}

struct str
ip_text(struct arena *a, struct ip ip)
{
    char text[INET6_ADDRSTRLEN];

    if (ip.bits == 0)
        return S("");
    if (inet_ntop(ip.bits == 32 ? AF_INET : AF_INET6, ip.b, text, sizeof(text)) == NULL)
        BUG("inet_ntop failed");
    return arena_str(a, str_of(text));
}

bool
ip_eq(struct ip a, struct ip b)
{
    return a.bits == b.bits && memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

static struct ip
masked(struct ip ip, unsigned prefix)
{
    for (unsigned i = 0; i < sizeof(ip.b); i++) {
        if (prefix >= (i + 1) * 8)
            continue;
        if (prefix <= i * 8)
            ip.b[i] = 0;
        else
            ip.b[i] = (uint8_t)(ip.b[i] & (0xFF00 >> (prefix - i * 8)));
    }
    return ip;
}

enum err
cidr_parse(struct str s, struct cidr *out)
{
    size_t slash = str_index(s, '/');
    struct ip ip;
    int64_t prefix;

    TRY(parse_plain(str_sub(s, 0, slash), &ip));
    prefix = ip.bits;
    if (slash != SIZE_MAX) {
        struct str digits = str_sub(s, slash + 1, s.n);

        TRY(str_int64(digits, &prefix));
        if (prefix < 0 || prefix > ip.bits || digits.p[0] == '-' ||
            (digits.n > 1 && digits.p[0] == '0'))
            return ERR_INVALID;
    }
    if (!ip_eq(masked(ip, (unsigned)prefix), ip))
        return ERR_INVALID;
    /* A network inside ::ffff:0:0/96 is the IPv4 network it stands for, as its addresses are. */
    if (ip.bits == 128 && prefix >= 96 && memcmp(ip.b, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        set_v4(&ip, ip.b + sizeof(mapped_prefix));
        prefix -= 96;
    }
    *out = (struct cidr){ip, (uint8_t)prefix};
    return OK;
}

bool
cidr_has(struct cidr net, struct ip ip)
{
    return net.net.bits != 0 && net.net.bits == ip.bits && ip_eq(masked(ip, net.prefix), net.net);
}

struct str
cidr_text(struct arena *a, struct cidr c)
{
    struct str ip = ip_text(a, c.net);

    return arena_fmt(a, "%.*s/%u", STR_ARG(ip), (unsigned)c.prefix);
}

/* Cuts the next entry off *rest; false when none is left. */
static bool
next_entry(struct str *rest, struct str *entry)
{
    size_t start = 0, end;

    while (start < rest->n && strchr(", \t\r\n", rest->p[start]) != NULL)
        start++;
    for (end = start; end < rest->n && strchr(", \t\r\n", rest->p[end]) == NULL;)
        end++;
    *entry = str_sub(*rest, start, end - start);
    *rest = str_sub(*rest, end, rest->n);
    return entry->n > 0;
}

enum err
cidr_list_parse(struct arena *a, struct str text, struct cidr_list *out, struct str *bad)
{
    struct cidr_list l = {NULL, 0};
    struct str rest = text, entry;
    size_t count = 0;

    while (next_entry(&rest, &entry))
        count++;
    l.v = arena_array(a, struct cidr, count == 0 ? 1 : count);
    for (rest = text; next_entry(&rest, &entry);)
        if (l.n == CIDR_LIST_MAX || cidr_parse(entry, &l.v[l.n++]) != OK) {
            *bad = entry;
            return ERR_INVALID;
        }
    *out = l;
    return OK;
}

bool
cidr_list_has(const struct cidr_list *l, struct ip ip)
{
    for (size_t i = 0; i < l->n; i++)
        if (cidr_has(l->v[i], ip))
            return true;
    return false;
}

struct str
ip_network_text(struct arena *a, struct str address)
{
    struct ip ip;
    struct cidr net;

    if (ip_parse(address, &ip) != OK)
        return address;
    net.prefix = ip.bits == 32 ? 24 : 64;
    net.net = masked(ip, net.prefix);
    return cidr_text(a, net);
}

/* IANA IPv4 and IPv6 special-purpose address registries, and multicast. */
static const struct cidr special[] = {
    {{{0}, 32}, 8},                                    /* this network */
    {{{10}, 32}, 8},                                   /* private */
    {{{100, 64}, 32}, 10},                             /* carrier-grade NAT */
    {{{127}, 32}, 8},                                  /* loopback */
    {{{169, 254}, 32}, 16},                            /* link-local, cloud metadata */
    {{{172, 16}, 32}, 12},                             /* private */
    {{{192, 0, 0}, 32}, 24},                           /* protocol assignments */
    {{{192, 0, 2}, 32}, 24},                           /* documentation */
    {{{192, 88, 99}, 32}, 24},                         /* 6to4 relays, deprecated */
    {{{192, 168}, 32}, 16},                            /* private */
    {{{198, 18}, 32}, 15},                             /* benchmarks */
    {{{198, 51, 100}, 32}, 24},                        /* documentation */
    {{{203, 0, 113}, 32}, 24},                         /* documentation */
    {{{224}, 32}, 4},                                  /* multicast */
    {{{240}, 32}, 4},                                  /* reserved, broadcast */
    {{{0}, 128}, 96},                                  /* unspecified, loopback, IPv4-compatible */
    {{{0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01}, 128}, 48}, /* NAT64 of a site */
    {{{0x01}, 128}, 64},                               /* discard */
    {{{0x20, 0x01}, 128}, 23},                         /* protocol assignments, Teredo */
    {{{0x20, 0x01, 0x0D, 0xB8}, 128}, 32},             /* documentation */
    {{{0x3F, 0xFF}, 128}, 20},                         /* documentation */
    {{{0x5F}, 128}, 16},                               /* segment routing */
    {{{0xFC}, 128}, 7},                                /* unique local */
    {{{0xFE, 0x80}, 128}, 10},                         /* link-local */
    {{{0xFE, 0xC0}, 128}, 10},                         /* site-local, deprecated */
    {{{0xFF}, 128}, 8},                                /* multicast */
};
static const struct cidr nat64 = {{{0x00, 0x64, 0xFF, 0x9B}, 128}, 96};
static const struct cidr six_to_four = {{{0x20, 0x02}, 128}, 16};

bool
ip_is_special(struct ip ip)
{
    if (ip.bits == 0)
        return true;
    if (ip.bits == 128 && memcmp(ip.b, mapped_prefix, sizeof(mapped_prefix)) == 0)
        set_v4(&ip, ip.b + 12);
    else if (cidr_has(nat64, ip))
        set_v4(&ip, ip.b + 12);
    else if (cidr_has(six_to_four, ip))
        set_v4(&ip, ip.b + 2);
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (cidr_has(special[i], ip))
            return true;
    return false;
}
