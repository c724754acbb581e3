/* Addresses and networks, one a line and all together as a list: each has one text that is read as the
 * same value, no bit is set behind a prefix, and what is special stays so however it is written. */
#include "codec/cidr.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)64 << 20)

static void
check_ip(struct arena *a, struct str s)
{
    struct ip ip, again;
    struct str text, net;
    struct cidr c;

    if (ip_parse(s, &ip) != OK)
        return;
    HOLDS(ip.bits == 32 || ip.bits == 128, "%u bits", ip.bits);
    text = ip_text(a, ip);
    HOLDS(ip_parse(text, &again) == OK && ip_eq(ip, again), "another address after writing");
    if (ip.bits == 32) {
        struct str mapped = arena_fmt(a, "::ffff:%.*s", STR_ARG(text));

        HOLDS(ip_parse(mapped, &again) == OK && ip_eq(ip, again), "a mapped address is another");
        HOLDS(ip_is_special(again) == ip_is_special(ip), "special, but not when mapped");
    }
    net = ip_network_text(a, s);
    HOLDS(cidr_parse(net, &c) == OK && cidr_has(c, ip), "outside its own network");
}

static void
check_cidr(struct arena *a, struct str s)
{
    struct cidr c, again;

    if (cidr_parse(s, &c) != OK)
        return;
    HOLDS(c.prefix <= c.net.bits, "prefix %u of %u", c.prefix, c.net.bits);
    HOLDS(cidr_has(c, c.net), "a network without its own address");
    for (unsigned i = c.prefix; i < 128; i++)
        HOLDS((c.net.b[i / 8] >> (7 - i % 8) & 1) == 0, "bit %u is set behind /%u", i, c.prefix);
    HOLDS(cidr_parse(cidr_text(a, c), &again) == OK && ip_eq(c.net, again.net) &&
              c.prefix == again.prefix,
          "another network after writing");
}

static void
check_list(struct arena *a, struct str s)
{
    struct cidr_list l;
    struct str bad = STR_NULL;

    if (cidr_list_parse(a, s, &l, &bad) != OK) {
        HOLDS(bad.n > 0 && fuzz_is_view(bad, s), "refused without saying what");
        return;
    }
    HOLDS(l.n <= CIDR_LIST_MAX, "%zu networks", l.n);
    for (size_t i = 0; i < l.n; i++)
        HOLDS(cidr_list_has(&l, l.v[i].net), "a list without its own network");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str rest = fuzz_text(data, size), line;

    check_list(a, rest);
    while (str_cut(&rest, '\n', &line)) {
        check_ip(a, line);
        check_cidr(a, line);
    }
    arena_free(a);
    return 0;
}
