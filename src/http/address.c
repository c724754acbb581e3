/* Network addresses: CIDR lists of trusted proxies and the choice of the client's address from
 * X-Forwarded-For. IPv4 is handled as ::ffff:a.b.c.d throughout. Resolves no names. */
#include <arpa/inet.h>

#include "http/http_priv.h"

#define MAPPED_BITS 96 /* the prefix of ::ffff:0:0/96 */
#define CIDRS_MAX 64

static void
map_v4(const struct in_addr *v4, struct in6_addr *out)
{
    *out = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&out->s6_addr[12], v4, sizeof(*v4));
}

static bool
parse_plain(struct str text, struct in6_addr *out, bool *v4)
{
    char c[INET6_ADDRSTRLEN];
    struct in_addr a4;

    if (text.n == 0 || text.n >= sizeof(c))
        return false;
    memcpy(c, text.p, text.n);
    c[text.n] = '\0';
    *v4 = inet_pton(AF_INET, c, &a4) == 1;
    if (*v4) {
        map_v4(&a4, out);
        return true;
    }
    return inet_pton(AF_INET6, c, out) == 1;
}

/* "1.2.3.4", "1.2.3.4:99", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:99": proxies write all. */
bool
address_parse(struct str text, struct in6_addr *out)
{
    size_t colon = str_index(text, ':');
    struct str port = STR_NULL;
    bool v4;

    if (text.n > 0 && text.p[0] == '[') {
        size_t end = str_index(text, ']');

        if (end == SIZE_MAX)
            return false;
        port = str_sub(text, end + 1, SIZE_MAX);
        if (port.n > 0 && port.p[0] != ':')
            return false;
        port = str_sub(port, 1, SIZE_MAX);
        text = str_sub(text, 1, end - 1);
    } else if (colon != SIZE_MAX && str_index(str_sub(text, colon + 1, SIZE_MAX), ':') == SIZE_MAX) {
        port = str_sub(text, colon + 1, SIZE_MAX);
        text = str_sub(text, 0, colon);
    }
    for (size_t i = 0; i < port.n; i++)
        if (port.p[i] < '0' || port.p[i] > '9')
            return false;
    return parse_plain(text, out, &v4);
}

bool
address_of(const struct sockaddr *sa, struct in6_addr *out)
{
    if (sa != NULL && sa->sa_family == AF_INET) {
        map_v4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr, out);
        return true;
    }
    if (sa != NULL && sa->sa_family == AF_INET6) {
        *out = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
        return true;
    }
    return false;
}

void
address_text(const struct in6_addr *a, char out[INET6_ADDRSTRLEN])
{
    if (IN6_IS_ADDR_V4MAPPED(a))
        inet_ntop(AF_INET, &a->s6_addr[12], out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, a, out, INET6_ADDRSTRLEN);
}

static enum err
cidr_parse(struct str text, struct cidr *out)
{
    size_t slash = str_index(text, '/');
    struct cidr c = {.bits = 128};
    int64_t bits;
    bool v4;

    if (!parse_plain(str_sub(text, 0, slash), &c.net, &v4))
        return ERR_INVALID;
    if (slash != SIZE_MAX) {
        TRY(str_int64(str_sub(text, slash + 1, SIZE_MAX), &bits));
        if (bits < 0 || bits > (v4 ? 32 : 128))
            return ERR_INVALID;
        c.bits = (int)bits + (v4 ? MAPPED_BITS : 0);
    }
    *out = c;
    return OK;
}

enum err
cidr_list(struct arena *a, struct str text, struct cidr **out, size_t *n)
{
    struct cidr *list = arena_array(a, struct cidr, CIDRS_MAX);
    struct str part;
    size_t i = 0;

    while (str_cut(&text, ',', &part)) {
        part = str_trim(part);
        if (part.n == 0)
            continue;
        if (i == CIDRS_MAX)
            return ERR_TOO_LARGE;
        TRY(cidr_parse(part, &list[i++]));
    }
    *out = list;
    *n = i;
    return OK;
}

static bool
cidr_has(const struct cidr *c, const struct in6_addr *a)
{
    size_t whole = (size_t)c->bits / 8;
    int rest = c->bits % 8;
    int mask = 0xff & ~(0xff >> rest);

    return memcmp(&c->net, a, whole) == 0 &&
           (rest == 0 || ((c->net.s6_addr[whole] ^ a->s6_addr[whole]) & mask) == 0);
}

bool
address_trusted(const struct cidr *list, size_t n, const struct in6_addr *a)
{
    for (size_t i = 0; i < n; i++)
        if (cidr_has(&list[i], a))
            return true;
    return false;
}

/* From the right: each hop was written by the one after it, so it counts as long as all behind it
 * are ours. An unreadable hop ends the walk at the proxy that wrote it. */
void
address_forwarded(const struct cidr *list, size_t n, struct str forwarded,
                  const struct in6_addr *peer, struct in6_addr *out)
{
    struct in6_addr hop = *peer;
    size_t end = forwarded.n;

    while (address_trusted(list, n, &hop) && end > 0) {
        size_t from = end;
        struct in6_addr next;

        while (from > 0 && forwarded.p[from - 1] != ',')
            from--;
        if (!address_parse(str_trim(str_mem(forwarded.p + from, end - from)), &next))
            break;
        hop = next;
        end = from > 0 ? from - 1 : 0;
    }
    *out = hop;
}
