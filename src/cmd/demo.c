/* Fills an empty folder with a demonstration: everything goes through the ordinary code, only the
 * clock is simulated. The story is drawn from a seed, so that two demonstrations differ in ids and
 * passwords but not in shape. */
#include "cmd/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/log.h"
#include "base/rand.h"
#include "cmd/cmd.h"
#include "core/client.h"
#include "core/clientuser.h"
#include "core/password.h"
#include "core/role.h"
#include "core/session.h"
#include "core/tenant.h"
#include "core/user.h"

#define DAYS 160
#define NOTE "demo.txt" /* how to sign in; in the data folder, mode 0600 */

static const struct {
    const char *first, *last, *role;
    int joined; /* days after the beginning */
    int signs;  /* per cent of working days with a sign-in */
} people[] = {
    {"Ada", "Keller", "ADMIN", 0, 92},          {"Ben", "Okafor", "STD_USER", 1, 88},
    {"Carla", "Mendes", "STD_USER", 1, 84},     {"Dmitri", "Volkov", "Lead tester", 3, 80},
    {"Eun-ji", "Park", "ANALYST", 12, 40},      {"Farid", "Haddad", "AUDITOR", 20, 18},
    {"Grace", "Lindqvist", "ANALYST", 33, 30},  {"Hugo", "Moreau", "STD_USER", 47, 35},
};
#define PEOPLE (sizeof people / sizeof people[0])

static const struct {
    const char *name, *poc, *email, *about;
    int since;
} clients[] = {
    {"Northwind Energy", "Sofia Berg", "sofia.berg@northwind.example", "Grid operator; yearly external test", 2},
    {"Halden Bank", "Jonas Frey", "j.frey@halden.example", "Retail bank; web, mobile and red team", 4},
    {"Mirador Health", "Lucia Romero", "lromero@mirador.example", "Hospital group; segmentation review", 21},
    {"Orchard Retail", "Tom Whitaker", "tom@orchard.example", "Shops and an online store", 48},
    {"Kestrel Aerospace", "Nadia Iqbal", "nadia.iqbal@kestrel.example", "Supplier portal and build chain", 76},
    {"City of Ostrava", "Petr Novak", "petr.novak@ostrava.example", "Public services; phishing exercise", 118},
};
#define CLIENTS (sizeof clients / sizeof clients[0])

static const char *const addresses[] = {"192.0.2.14", "192.0.2.77", "198.51.100.23", "203.0.113.9",
                                        "198.51.100.140", "2001:db8:4::17", "203.0.113.200", "192.0.2.201"};
static const char *const strangers[] = {"203.0.113.66", "198.51.100.201", "2001:db8:ffff::bad"};
static const char agent[] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/128.0 Safari/537.36";

struct demo {
    struct app *app;
    struct tenant_ref tenant;
    struct str hash;           /* of the one password */
    struct user user[PEOPLE];
    bool made[PEOPLE];
    int64_t client[CLIENTS];
    int64_t begin;
    uint64_t dice;             /* xorshift: the story is the same each time */
    bool failed;
};

static unsigned
roll(struct demo *d, unsigned sides)
{
    d->dice ^= d->dice << 13;
    d->dice ^= d->dice >> 7;
    d->dice ^= d->dice << 17;
    return (unsigned)(d->dice % sides);
}

/* ---- acting ---- */

struct act {
    struct demo *d;
    int who;        /* index of the acting person; −1: nobody signed in */
    int whom;       /* person or client acted on */
    const char *text;
    enum event event;
};

/* A context at a moment: the simulated clock is what app_now() answers everywhere below. */
static struct cx
at(struct demo *d, struct arena *a, int64_t when, int who)
{
    struct cx cx;

    d->app->simulated_now = when;
    cx = cx_system(d->app, a, "demonstration", &d->tenant);
    if (who >= 0) {
        if (d->made[who])
            user_act_as(&cx, &d->user[who]);
        cx.address = str_of(addresses[(size_t)who % 8]);
        cx.user_agent = S(agent);
    }
    return cx;
}

static void
perform(struct demo *d, int64_t when, int who, cx_body body, struct act *act)
{
    struct arena *a = arena_create("demonstration", (size_t)64 << 20);
    struct cx cx = at(d, a, when, who);

    act->d = d;
    act->who = who;
    if (!d->failed && cx_write(&cx, body, act) != OK) {
        log_error("demo.failed", LOG_STR("why", cx.failure.message));
        d->failed = true;
    }
    arena_free(a);
}

static enum err
do_signin(struct cx *cx, void *arg)
{
    const struct act *x = arg;
    const struct user *u = &x->d->user[x->who];
    struct session_user who = {u->tenant_id, u->user_id, x->d->tenant.cuid, u->cuid, u->email};
    struct audit_entry e = user_entry(cx, u, EV_LOGIN_SUCCESS,
                                      arena_fmt(cx->arena, "%.*s signed in", STR_ARG(user_label(cx->arena, u))));
    struct str cuid;
    int64_t expires;

    TRY(session_insert(cx, &who, S("browser"), 24, &cuid, &expires));
    cx->actor.session = cuid;
    return audit_record(cx, &e, NULL);
}

static enum err
do_note(struct cx *cx, void *arg)
{
    const struct act *x = arg;
    const struct user *u = &x->d->user[x->whom];
    struct audit_entry e = user_entry(cx, u, x->event,
                                      arena_fmt(cx->arena, x->text[0] == '%' ? "%.*s%s" : "%.*s %s",
                                                STR_ARG(user_label(cx->arena, u)), x->text[0] == '%' ? "" : x->text));

    e.outcome = x->event == EV_LOGOUT ? OUTCOME_SUCCESS : x->event == EV_ACCESS_DENIED ? OUTCOME_DENIED : OUTCOME_FAILURE;
    return audit_record(cx, &e, NULL);
}

static enum err
do_password(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct user u;

    TRY(user_get(cx, x->d->user[x->whom].user_id, &u));
    return user_set_password(cx, &u, x->d->hash, x->who != x->whom, STR_NULL,
                             x->who == x->whom ? "changed the own password" : "changed the password of");
}

static enum err
do_create_user(struct cx *cx, void *arg)
{
    struct act *x = arg;
    const int i = x->whom;
    struct user_spec s = {.first = str_of(people[i].first), .last = str_of(people[i].last), .role = str_of(people[i].role),
                          .password_hash = x->d->hash, .default_group = i == 1};
    struct user made;
    struct buf *b = buf_in(cx->arena, 256);

    for (const char *p = people[i].first; *p; p++) {
        if (*p != '-')
            buf_char(b, (char)(*p | 32));
    }
    buf_cstr(b, "@recount.example");
    s.email = buf_view(b);
    TRY(user_create(cx, &s, &made));
    made.cuid = arena_str(x->d->app->arena, made.cuid);
    made.email = arena_str(x->d->app->arena, made.email);
    made.email_folded = arena_str(x->d->app->arena, made.email_folded);
    made.first = s.first;
    made.last = s.last;
    made.tenant_cuid = x->d->tenant.cuid;
    x->d->user[i] = made;
    return OK;
}

static enum err
do_tenant(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct tenant_ref t;

    TRY(tenant_create(cx, S("Ridgeline Security (demonstration)"), true, &t));
    t.cuid = arena_str(x->d->app->arena, t.cuid);
    x->d->tenant = t;
    cx->tenant = t;
    return OK;
}

static enum err
do_role(struct cx *cx, void *arg)
{
    struct permission_set rights = {{0, 0}};
    struct role made;

    (void)arg;
    permission_add(&rights, PERM_CLIENT_VIEW);
    permission_add(&rights, PERM_CLIENT_CREATE);
    permission_add(&rights, PERM_CLIENT_EDIT);
    permission_add(&rights, PERM_CLIENT_USERS);
    permission_add(&rights, PERM_USERS_VIEW);
    permission_add(&rights, PERM_TAGS_VIEW);
    permission_add(&rights, PERM_TAGS_MANAGE);
    TRY(role_create(cx, S("Lead tester"), S("Runs engagements and staffs them"), &rights, &made));
    return role_create(cx, S("Dormant"), S("Holds nothing; for people on leave"), NULL, &made);
}

static enum err
do_client(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct client_spec s = {.name = str_of(clients[x->whom].name), .description = str_of(clients[x->whom].about),
                            .poc = str_of(clients[x->whom].poc), .poc_email = str_of(clients[x->whom].email)};

    return client_create_simple(cx, &s, &x->d->client[x->whom]);
}

static enum err
do_assign(struct cx *cx, void *arg)
{
    struct act *x = arg; /* whom = client * 16 + person */

    return clientuser_assign_simple(cx, x->d->client[x->whom / 16], x->d->user[x->whom % 16].user_id,
                                    S(people_role_key(x->whom % 16)));
}

static enum err
do_disable(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct user u;

    TRY(user_get(cx, x->d->user[x->whom].user_id, &u));
    return user_set_disabled(cx, &u, x->event == EV_USER_DISABLED);
}
