/* The client's address behind proxies. Three lines: our proxies' networks, the socket's address, the
 * X-Forwarded-For list. A sender who is no proxy of ours changes nothing, and whatever a client
 * writes in front of what our proxies wrote changes nothing either. */
#include "fuzz.h"
#include "http/http_priv.h"

#define FUZZ_ARENA_MAX ((size_t)64 << 20)

static void
check(struct arena *a, const struct cidr_list *trusted, struct ip peer, struct str list)
{
    static const char *const lies[] = {"203.0.113.9", "127.0.0.1", "[::1]:80", "junk", ""};
    struct ip client = address_forwarded(trusted, list, peer), again;

    if (!cidr_list_has(trusted, peer))
        HOLDS(ip_eq(client, peer), "a stranger's word counts");
    HOLDS(client.bits == 32 || client.bits == 128, "no address at all");
    if (list.n == 0)
        HOLDS(ip_eq(client, peer), "another address from nothing");
    if (list.n == 0 || cidr_list_has(trusted, client))
        return; /* our own machine asked: nothing stands between it and its word */
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct buf *b = buf_in(a, list.n + 64);

        buf_cstr(b, lies[i]);
        buf_char(b, ',');
        buf_str(b, list);
        again = address_forwarded(trusted, buf_view(b), peer);
        HOLDS(ip_eq(client, again), "a client chose its own address");
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", FUZZ_ARENA_MAX);
    struct str rest = fuzz_text(data, size), networks, peer, bad;
    struct cidr_list trusted;
    struct ip ip;

    if (str_cut(&rest, '\n', &networks) && str_cut(&rest, '\n', &peer) &&
        cidr_list_parse(a, networks, &trusted, &bad) == OK && ip_parse(peer, &ip) == OK)
        check(a, &trusted, ip, str_sub(rest, 0, SIZE_MAX));
    arena_free(a);
    return 0;
}
