/* Addresses and networks: strict reading, matching, the text of networks, special ranges. */
#include "../base/support.h"

#include <string.h>

#include "codec/cidr.h"

static struct ip
ip(const char *text)
{
    struct ip v;

    if (ip_parse(str_of(text), &v) != OK)
        fail_msg("no address: %s", text);
    return v;
}

static void
test_addresses(void **state)
{
    static const char *const bad[] = {"",           "1.2.3",     "1.2.3.256", "01.2.3.4",
                                      "1.2.3.4 ",   "[::1]",     ":::",       "fe80::1%eth0",
                                      "1.2.3.4:80", "localhost", "1.2.3.4/32"};
    struct ip v;

    assert_str(ip_text(*state, ip("2001:DB8:0::1")), S("2001:db8::1"));
    assert_str(ip_text(*state, ip("192.0.2.7")), S("192.0.2.7"));
    assert_true(ip_eq(ip("::ffff:192.0.2.7"), ip("192.0.2.7")));
    assert_false(ip_eq(ip("::192.0.2.7"), ip("192.0.2.7")));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (ip_parse(str_of(bad[i]), &v) != ERR_INVALID)
            fail_msg("accepted \"%s\"", bad[i]);
}

static void
test_networks(void **state)
{
    static const struct {
        const char *net, *in, *out;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", "11.0.0.0"},
        {"10.0.0.0/9", "10.127.255.255", "10.128.0.0"},
        {"192.0.2.7", "192.0.2.7", "192.0.2.8"},
        {"0.0.0.0/0", "255.1.2.3", "::1"},
        {"::/0", "2001:db8::1", "1.2.3.4"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
        {"::ffff:10.0.0.0/104", "10.200.9.9", "11.0.0.1"},
        {"::1", "::1", "::2"},
    };
    static const char *const bad[] = {"10.0.0.1/8",   "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08",
                                      "10.0.0.0/",    "/8",          "::1/129",     "::1/64",
                                      "10.0.0.0/8/8", "10.0.0.0/ 8", "10.0.0.0/-0"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cidr c;

        assert_ok(cidr_parse(str_of(cases[i].net), &c));
        if (!cidr_has(c, ip(cases[i].in)) || cidr_has(c, ip(cases[i].out)))
            fail_msg("%s", cases[i].net);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cidr c;

        if (cidr_parse(str_of(bad[i]), &c) != ERR_INVALID)
            fail_msg("accepted \"%s\"", bad[i]);
    }
    (void)state;
}

static void
test_list(void **state)
{
    struct cidr_list l;
    struct str bad;

    assert_ok(cidr_list_parse(*state, S(" 10.0.0.0/8, ::1\n192.0.2.0/24,"), &l, &bad));
    assert_int_equal(l.n, 3);
    assert_true(cidr_list_has(&l, ip("::ffff:10.1.1.1")));
    assert_false(cidr_list_has(&l, ip("9.1.1.1")));
    assert_ok(cidr_list_parse(*state, STR_NULL, &l, &bad));
    assert_int_equal(l.n, 0);
    assert_int_equal(cidr_list_parse(*state, S("10.0.0.0/8,x"), &l, &bad), ERR_INVALID);
    assert_str(bad, S("x"));
}

static void
test_network_text(void **state)
{
    assert_str(ip_network_text(*state, S("203.0.113.77")), S("203.0.113.0/24"));
    assert_str(ip_network_text(*state, S("::ffff:203.0.113.77")), S("203.0.113.0/24"));
    assert_str(ip_network_text(*state, S("2001:db8:1:2:3:4:5:6")), S("2001:db8:1:2::/64"));
    assert_str(ip_network_text(*state, S("unix")), S("unix"));
}

static void
test_special(void **state)
{
    static const char *const special[] = {
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.0.1",
        "192.168.1.1",
        "198.19.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
        "2001:db8::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "ff02::1",
    };
    static const char *const public[] = {"8.8.8.8",        "172.32.0.1",    "100.128.0.1",
                                         "1.1.1.1",        "2606:4700::1",  "64:ff9b::8.8.8.8",
                                         "2002:808:808::", "::ffff:8.8.8.8"};

    (void)state;
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (!ip_is_special(ip(special[i])))
            fail_msg("%s is special", special[i]);
    for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
        if (ip_is_special(ip(public[i])))
            fail_msg("%s is public", public[i]);

    /* As a socket gives them: no address at all, and IPv4 still mapped. */
    struct ip none = {0}, mapped = {{[10] = 0xFF, 0xFF, 127, 0, 0, 1}, 128};

    assert_true(ip_is_special(none));
    assert_str(ip_text(*state, none), S(""));
    assert_true(ip_is_special(mapped));
    memcpy(mapped.b + 12, "\x08\x08\x08\x08", 4);
    assert_false(ip_is_special(mapped));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_addresses),    ARENA_TEST(test_networks), ARENA_TEST(test_list),
        ARENA_TEST(test_network_text), ARENA_TEST(test_special),
    };

    return cmocka_run_group_tests_name("cidr", tests, NULL, NULL);
}
