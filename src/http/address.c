/* The client's address: the socket's, or what trusted proxies say in X-Forwarded-For. Networks and
 * plain addresses are codec/cidr.h's; here are only the forms proxies write. Resolves no names. */
#include <netinet/in.h>

#include "http/http_priv.h"

static bool
is_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

/* "1.2.3.4", "1.2.3.4:99", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:99":
 * proxies write all of them. */
static enum err
hop_parse(struct str text, struct ip *out)
{
    size_t colon = str_index(text, ':');
    struct str port = STR_NULL;

    if (text.n > 0 && text.p[0] == '[') {
        size_t end = str_index(text, ']');

        if (end == SIZE_MAX)
            return ERR_INVALID;
        port = str_sub(text, end + 1, SIZE_MAX);
        if (port.n > 0 && port.p[0] != ':')
            return ERR_INVALID;
        port = str_sub(port, 1, SIZE_MAX);
        text = str_sub(text, 1, end - 1);
    } else if (colon != SIZE_MAX &&
               str_index(str_sub(text, colon + 1, SIZE_MAX), ':') == SIZE_MAX) {
        port = str_sub(text, colon + 1, SIZE_MAX);
        text = str_sub(text, 0, colon);
    }
    return is_digits(port) ? ip_parse(text, out) : ERR_INVALID;
}

struct ip
address_of(const struct sockaddr *sa)
{
    struct ip ip = {0};

    if (sa != NULL && sa->sa_family == AF_INET) {
        memcpy(ip.b, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        ip.bits = 32;
    } else if (sa != NULL && sa->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(a); /* IPv4 over a socket that listens on both */

        memcpy(ip.b, a->s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
        ip.bits = mapped ? 32 : 128;
    }
    return ip;
}

/* From the right: each hop was written by the one after it, so it counts as long as all behind it
 * are ours. An unreadable hop ends the walk at the proxy that wrote it. */
struct ip
address_forwarded(const struct cidr_list *trusted, struct str forwarded, struct ip peer)
{
    size_t end = forwarded.n;

    while (end > 0 && cidr_list_has(trusted, peer)) {
        size_t from = end;
        struct ip hop;

        while (from > 0 && forwarded.p[from - 1] != ',')
            from--;
        if (hop_parse(str_trim(str_mem(forwarded.p + from, end - from)), &hop) != OK)
            break;
        peer = hop;
        end = from > 0 ? from - 1 : 0;
    }
    return peer;
}
