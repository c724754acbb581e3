/* What the tests of people and rights share: a store with its log, a workspace, users with roles,
 * and contexts that act as one of them. */
#ifndef TEST_CORE_SUPPORT_H
#define TEST_CORE_SUPPORT_H

#include "../audit/support.h"

#include "core/clientuser.h"
#include "core/role.h"
#include "core/tenant.h"
#include "core/tier.h"
#include "core/user.h"

static struct tenant_ref tenant;
static struct grants acting; /* rights of the context made last */

/* Commands act without grants. */
__attribute__((unused)) static struct cx
as_process(void)
{
    struct cx cx = cx_system(&t.app, t.a, "test", &tenant);

    return cx;
}

static const char *const *load_keys; /* of the roles whose rights are wanted */

static enum err
load_grants(struct cx *cx, void *arg)
{
    struct grants *g = arg;

    *g = (struct grants){0};
    for (const char *const *k = load_keys; *k; k++) {
        struct role r;

        TRY(role_find(cx, str_of(*k), &r));
        permission_union(&g->tenant, &r.rights);
        g->is_admin = g->is_admin || str_eq(r.key, S("ADMIN"));
    }
    return OK;
}

/* Acts as the user with the rights of one role. */
__attribute__((unused)) static struct cx
as_user(const struct user *u, const char *role)
{
    const char *keys[] = {role, NULL};
    struct cx cx = as_process();

    load_keys = keys;
    assert_int_equal(cx_read(&cx, load_grants, &acting), OK);
    user_act_as(&cx, u);
    cx.tenant = tenant;
    cx.grants = &acting;
    cx.request_id = cuid_in(t.a, cx.now);
    return cx;
}

static enum err
make_tenant(struct cx *cx, void *arg)
{
    return tenant_create(cx, S("Acme Testing"), false, arg);
}

static enum err
make_user(struct cx *cx, void *arg)
{
    struct user *u = arg;
    struct user_spec s = {
        .email = u->email, .first = u->first, .last = u->last, .role = u->language};

    return user_create(cx, &s, u);
}

__attribute__((unused)) static struct user
new_user(const char *email, const char *first, const char *role)
{
    struct cx cx = as_process();
    struct user u = {.email = str_of(email),
                     .first = str_of(first),
                     .last = S("Example"),
                     .language = str_of(role)};
    enum err e = cx_write(&cx, make_user, &u);

    if (e != OK)
        fail_msg("user_create: %.*s / %.*s", STR_ARG(cx.failure.message), STR_ARG(db_last_error()));
    return u;
}

static int
begin_core(enum db_kind kind)
{
    struct cx cx;

    if (begin(kind) != 0)
        return -1;
    cx = cx_system(&t.app, t.a, "test", NULL);
    if (cx_write(&cx, make_tenant, &tenant) != OK)
        fail_msg("tenant: %.*s / %.*s", STR_ARG(cx.failure.message), STR_ARG(db_last_error()));
    return 0;
}

BOTH_STORES(begin_core)

/* Number of events of the type in the workspace's log. */
__attribute__((unused)) static int
events(enum event ev)
{
    struct audit_query q = query(tenant.id);

    move();
    q.event = ev;
    q.limit = 1000;
    return (int)list(q).n;
}

/* The newest event of the type. */
__attribute__((unused)) static struct audit_event
newest(enum event ev)
{
    struct audit_query q = query(tenant.id);
    struct audit_page p;

    move();
    q.event = ev;
    p = list(q);
    assert_true(p.n > 0);
    return p.events[0];
}

#define RUN(cx, body, arg, want)                                                                   \
    do {                                                                                           \
        enum err run_e_ = cx_write((cx), (body), (arg));                                           \
        if (run_e_ != (want))                                                                      \
            fail_msg("%s: got %s, wanted %s: %.*s / %.*s", #body, err_name(run_e_),                \
                     err_name(want), STR_ARG((cx)->failure.message), STR_ARG(db_last_error()));    \
    } while (0)

#endif
