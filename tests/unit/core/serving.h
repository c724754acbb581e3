/* What the tests of signing in share: a store with what a server has and a command has not (keys, counters, a
 * thread for hashes), and two passwords. Behind support.h. */
#ifndef TEST_CORE_SERVING_H
#define TEST_CORE_SERVING_H

#include "support.h"

#include "core/hashing.h"
#include "core/limits.h"
#include "core/password.h"
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

static enum err
set_hash(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_WRITE(
        "user_account",
        "UPDATE user_account SET password_hash = $3 WHERE tenant_id = $1 AND user_id = $2");
    const struct user *u = arg;
    struct audit_entry e = user_entry(cx, u, EV_USER_UPDATED, S("changed"));

    TRY(db_exec(cx->tx, &q, ARGS(V_INT(u->tenant_id), V_INT(u->user_id), V_STR(u->password_hash)),
                NULL));
    return audit_record(cx, &e, NULL);
}

/* A user whose password is RIGHT. */
__attribute__((unused)) static struct user
new_user_with_password(const char *email, const char *first, const char *role)
{
    struct user u = new_user(email, first, role);
    struct cx cx = as_process();

    assert_int_equal(password_hash(&cx, RIGHT, &u.password_hash), OK);
    RUN(&cx, set_hash, &u, OK);
    return u;
}

#endif
