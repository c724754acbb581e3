/* What the tests of signing in share: a store with what a server has and a command has not (keys, counters, a
 * thread for hashes), and two passwords. Behind support.h. */
#ifndef TEST_CORE_SERVING_H
#define TEST_CORE_SERVING_H

#include "support.h"

#include "core/hashing.h"
#include "core/limits.h"
#include "run/keys.h"

#define RIGHT S("Quiet-Harbour-71!")
#define WRONG S("Quiet-Harbour-72!")

static int
begin_serving(enum db_kind kind)
{
    static struct keys keys = {.token = {.p = "token-token-token-token-token-32", .n = 32},
                               .blind = {.p = "blind-blind-blind-blind-blind-32", .n = 32},
                               .device = {.p = "device-device-device-device-32--", .n = 32}};

    if (begin_core(kind) != 0)
        return -1;
    t.app.keys = &keys;
    t.app.limits = limits_create(t.a);
    t.app.hashing = hashing_start(t.a, 1, 1);
    return 0;
}

#endif
