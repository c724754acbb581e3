/* What happens in the demonstration: people, clients and 160 days, from a seed, so that two
 * demonstrations differ in ids and passwords but not in shape. Everything goes through the ordinary
 * code; only the clock is simulated. */
#include "cmd/demo.h"

#include <stdlib.h>

#include "audit/audit.h"
#include "base/log.h"
#include "base/rand.h"
#include "core/access.h"
#include "core/client.h"
#include "core/clientuser.h"
#include "core/role.h"
#include "core/tag.h"
#include "core/session.h"
#include "core/settings.h"
#include "core/tenant.h"
#include "core/trail.h"
#include "core/user.h"
#include "run/keys.h"


static const struct {
    const char *first, *last, *role;
    int joined; /* days after the beginning */
    int signs;  /* per cent of working days with a sign-in */
} people[] = {
    {"Ada", "Keller", "ADMIN", 0, 92},         {"Ben", "Okafor", "STD_USER", 1, 88},
    {"Carla", "Mendes", "STD_USER", 1, 84},    {"Dmitri", "Volkov", "Lead tester", 3, 80},
    {"Eun-ji", "Park", "ANALYST", 12, 40},     {"Farid", "Haddad", "AUDITOR", 20, 18},
    {"Grace", "Lindqvist", "ANALYST", 33, 30}, {"Hugo", "Moreau", "STD_USER", 47, 35},
};
#define PEOPLE (sizeof people / sizeof people[0])

static const struct {
    const char *name, *poc, *email, *about;
    int since;
} clients[] = {
    {"Northwind Energy", "Sofia Berg", "sofia.berg@northwind.example",
     "Grid operator; yearly external test", 2},
    {"Halden Bank", "Jonas Frey", "j.frey@halden.example", "Retail bank; web, mobile and red team",
     4},
    {"Mirador Health", "Lucia Romero", "lromero@mirador.example",
     "Hospital group; segmentation review", 21},
    {"Orchard Retail", "Tom Whitaker", "tom@orchard.example", "Shops and an online store", 48},
    {"Kestrel Aerospace", "Nadia Iqbal", "nadia.iqbal@kestrel.example",
     "Supplier portal and build chain", 76},
    {"City of Ostrava", "Petr Novak", "petr.novak@ostrava.example",
     "Public services; phishing exercise", 118},
};
#define CLIENTS (sizeof clients / sizeof clients[0])

static const char *const addresses[] = {"192.0.2.14",    "192.0.2.77",     "198.51.100.23",
                                        "203.0.113.9",   "198.51.100.140", "2001:db8:4::17",
                                        "203.0.113.200", "192.0.2.201"};
static const char *const strangers[] = {"203.0.113.66", "198.51.100.201", "2001:db8:ffff::bad"};
static const char agent[] =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/128.0 Safari/537.36";

static const char *const news[] = {"scope agreed",     "window moved by a week",
                                   "kick-off held",    "second tester joins",
                                   "retest asked for", "report read together"};
static const char *const tags[] = {"external", "internal", "web", "mobile", "red team"};

#define PLAN_MAX 256
#define STRANGER (-10)  /* who, and below: somebody from outside */
#define FUMBLE   (-100) /* who, and below: a person who has yet to sign in */

struct demo;
struct act {
    struct demo *d;
    int who;  /* index of the acting person; below 0: nobody signed in */
    int whom; /* person or client acted on */
    const char *text;
    enum event event;
};

struct planned {
    int64_t when;
    int who;
    cx_body body;
    int order;
    struct act act;
};

struct demo {
    int days; /* before today */
    struct app *app;
    struct tenant_ref tenant;
    struct str hash; /* of the one password */
    struct user user[PEOPLE];
    bool made[PEOPLE];
    int64_t client[CLIENTS];
    int64_t begin, end;
    uint64_t dice; /* xorshift: the story is the same each time */
    bool failed;
    struct session_view rights;
    struct planned plan[PLAN_MAX];
    int n_plan;
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

/* A context at a moment: the simulated clock is what app_now() answers everywhere below. */
static struct cx
at(struct demo *d, struct arena *a, int64_t when, int who)
{
    struct cx cx;

    d->app->simulated_now = when;
    cx = cx_system(d->app, a, "demonstration", &d->tenant);
    if (who >= 0 && (size_t)who < PEOPLE) {
        if (d->made[who])
            user_act_as(&cx, &d->user[who]);
        cx.grants = &d->rights.grants; /* the story keeps within each one's rights */
        cx.address = str_of(addresses[(size_t)who % 8]);
        cx.user_agent = str_of(agent);
    } else if (who <= FUMBLE) {
        cx.actor = (struct actor){.kind = ACTOR_ANONYMOUS, .name = S("Someone not signed in")};
        cx.address = str_of(addresses[(FUMBLE - who) % 8]);
        cx.user_agent = str_of(agent);
    } else if (who <= STRANGER) {
        cx.actor = (struct actor){.kind = ACTOR_ANONYMOUS, .name = S("Someone not signed in")};
        cx.address = str_of(strangers[STRANGER - who]);
        cx.user_agent = S("curl/7.88.1");
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

static const struct sql LAST_LOGIN =
    SQL_WRITE("user_account",
              "UPDATE user_account SET last_login = $3 WHERE tenant_id = $1 AND user_id = $2");
static const struct sql SECOND_FACTOR = SQL_WRITE(
    "user_account",
    "UPDATE user_account SET mfa_enabled = 1, mfa_secret = $3 WHERE tenant_id = $1 AND user_id = $2");

/* A second factor whose secret nobody knows: its owner is a figure, not an account to sign in with. */
static enum err
do_second_factor(struct cx *cx, void *arg)
{
    struct act *x = arg;
    const struct user *u = &x->d->user[x->whom];
    struct audit_entry e = user_entry(cx, u, EV_MFA_ENABLED,
                                      arena_fmt(cx->arena, "%.*s switched the second factor on",
                                                STR_ARG(user_label(cx->arena, u))));
    struct audit_change c[2] = {{S("mfa_enabled"), S("false"), S("true")},
                                {S("second_factor_mark"), STR_NULL, STR_NULL}};
    unsigned char secret[20];
    struct str sealed;

    rand_bytes(secret, sizeof secret);
    sealed = keys_seal(cx->arena, cx->app->keys, str_mem(secret, sizeof secret));
    c[1].after = trail_mark(cx, sealed);
    e.changes = c;
    e.n_changes = 2;
    TRY(audit_record(cx, &e, NULL));
    return db_exec(cx->tx, &SECOND_FACTOR,
                   ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_BYTES(sealed)), NULL);
}

static enum err
do_signin(struct cx *cx, void *arg)
{
    const struct act *x = arg;
    const struct user *u = &x->d->user[x->who];
    struct session_user who = {u->tenant_id, u->user_id, x->d->tenant.cuid, u->cuid, u->email};
    struct audit_entry e =
        user_entry(cx, u, EV_LOGIN_SUCCESS,
                   arena_fmt(cx->arena, "%.*s signed in", STR_ARG(user_label(cx->arena, u))));
    struct str cuid;
    int64_t expires;

    TRY(session_insert(cx, &who, S("browser"), 24, &cuid, &expires));
    cx->actor.session = cuid;
    TRY(audit_record(cx, &e, NULL));
    return db_exec(cx->tx, &LAST_LOGIN,
                   ARGS(V_INT(u->tenant_id), V_INT(u->user_id), V_INT(cx->now)), NULL);
}

static enum err
do_note(struct cx *cx, void *arg)
{
    const struct act *x = arg;
    const struct user *u = &x->d->user[x->whom];
    struct str label = user_label(cx->arena, u);
    struct audit_entry e = user_entry(
        cx, u, x->event,
        x->event == EV_LOGIN_FAIL
            ? arena_fmt(cx->arena, "Sign-in failed for %.*s: invalid credentials", STR_ARG(label))
            : arena_fmt(cx->arena, "%.*s %s", STR_ARG(label), x->text));

    e.outcome = x->event == EV_LOGOUT ? OUTCOME_SUCCESS : OUTCOME_FAILURE;
    return audit_record(cx, &e, NULL);
}

/* As the dispatcher records it: someone without the right follows a colleague's link to the log. */
static enum err
do_denied(struct cx *cx, void *arg)
{
    struct audit_entry e = {.event = EV_ACCESS_DENIED,
                            .outcome = OUTCOME_DENIED,
                            .target_kind = S("route"),
                            .target_id = S("GET /api/v2/auditlog")};

    (void)arg;
    e.text = arena_fmt(cx->arena, "%.*s was denied GET /api/v2/auditlog: Not permitted: %s",
                       STR_ARG(cx->actor.name), permission_info(PERM_AUDIT_VIEW)->title);
    return audit_record(cx, &e, NULL);
}

static enum err
do_view(struct cx *cx, void *arg)
{
    struct audit_entry e = {.event = EV_AUDIT_VIEWED, .target_kind = S("audit")};

    (void)arg;
    e.text = arena_fmt(cx->arena, "%.*s viewed the audit log", STR_ARG(cx->actor.name));
    return audit_record(cx, &e, NULL);
}

static enum err
do_password(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct user u;

    TRY(user_get(cx, x->d->user[x->whom].user_id, &u));
    return user_set_password(cx, &u, x->d->hash, x->who != x->whom, STR_NULL,
                             x->who == x->whom ? "changed their own password"
                                               : "changed the password of");
}

static enum err
do_create_user(struct cx *cx, void *arg)
{
    struct act *x = arg;
    const int i = x->whom;
    struct user_spec s = {.first = str_of(people[i].first),
                          .last = str_of(people[i].last),
                          .role = str_of(people[i].role),
                          .password_hash = x->d->hash,
                          .default_group = i == 1};
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

/* More days than the usual window holds: a year of the log is kept. */
static enum err
keep_a_year(struct cx *cx)
{
    struct settings_change *c = arena_new(cx->arena, struct settings_change);

    TRY(settings_set(cx, c, SET_AUDIT_MONTHS, S("12"), S("/months_kept")));
    return settings_commit(cx, c, "audit log settings");
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
    return x->d->days > DEMO_DAYS ? keep_a_year(cx) : OK;
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
do_role_grows(struct cx *cx, void *arg)
{
    struct permission_set rights;
    struct role role;

    (void)arg;
    TRY(role_find(cx, S("Lead tester"), &role));
    rights = role.rights;
    permission_add(&rights, PERM_CLIENT_DELETE);
    return role_set_rights(cx, &role, &rights);
}

static enum err
do_tags(struct cx *cx, void *arg)
{
    struct tag made;

    (void)arg;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        TRY(tag_create(cx, str_of(tags[i]), &made));
    return OK;
}

static enum err
do_client(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct client c = {.name = str_of(clients[x->whom].name),
                       .description = str_of(clients[x->whom].about),
                       .poc = str_of(clients[x->whom].poc),
                       .poc_email = str_of(clients[x->whom].email)};
    struct granted g;

    TRY(client_insert(cx, &c));
    x->d->client[x->whom] = c.id;
    return client_grant_default_group(cx, &c, &g);
}

/* whom = client * 16 + person; text = role, NULL: taken off the client. */
static enum err
do_assign(struct cx *cx, void *arg)
{
    struct act *x = arg;
    const struct user *u = &x->d->user[x->whom % 16];
    struct client_grant g = {.user = u, .how = ""};
    struct client c;
    struct role role;

    TRY(client_get(cx, x->d->client[x->whom / 16], &c));
    if (!x->text) {
        enum err e = client_user_drop(cx, &c, u);

        return e == ERR_NOT_FOUND ? OK : e;
    }
    TRY(role_find(cx, str_of(x->text), &role));
    g.client = &c;
    g.role = &role;
    return client_user_put(cx, &g);
}

static enum err
do_client_text(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct client c, wanted;

    TRY(client_get(cx, x->d->client[x->whom], &c));
    wanted = c;
    wanted.description = arena_fmt(cx->arena, "%s; %s", clients[x->whom].about, x->text);
    return client_update(cx, &c, &wanted);
}

static enum err
do_disable(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct user u;

    TRY(user_get(cx, x->d->user[x->whom].user_id, &u));
    return user_set_disabled(cx, &u, x->event == EV_USER_DISABLED);
}

static const struct sql LOCK_USER = SQL_WRITE(
    "user_account",
    "UPDATE user_account SET locked_until = $3, failed_logins = 5, last_failed_login = $4 "
    "WHERE tenant_id = $1 AND user_id = $2");

static enum err
do_lockout(struct cx *cx, void *arg)
{
    struct act *x = arg;
    const struct user *u = &x->d->user[x->whom];
    struct audit_entry e =
        user_entry(cx, u, EV_LOGIN_LOCKOUT,
                   arena_fmt(cx->arena, "%.*s was locked after 5 failed sign-ins",
                             STR_ARG(user_label(cx->arena, u))));

    int64_t until = cx->now + (x->text ? 3650 * USEC_PER_DAY : 30 * USEC_PER_MIN);
    struct audit_change c = {S("locked until"), STR_NULL, time_iso(cx->arena, until)};

    e.outcome = OUTCOME_FAILURE;
    e.changes = &c;
    e.n_changes = x->text ? 0 : 1; /* who stays locked waits for an administrator */
    TRY(audit_record(cx, &e, NULL));
    return db_exec(cx->tx, &LOCK_USER,
                   ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_INT(until), V_INT(cx->now)),
                   NULL);
}

static enum err
do_unlock(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct user u;

    TRY(user_get(cx, x->d->user[x->whom].user_id, &u));
    return user_unlock(cx, &u);
}

/* ---- the story ---- */

/* The day's plan; performed in the order of time, as a day happens. Nobody acts on the full minute. */
static void
act(struct demo *d, int64_t when, int who, cx_body body, int whom, enum event event,
    const char *text)
{
    if (d->n_plan == PLAN_MAX)
        BUG("a day of the demonstration has more than %d acts", PLAN_MAX);
    if (when % USEC_PER_MIN == 0)
        when += roll(d, 60 * 1000) * USEC_PER_MS;
    d->plan[d->n_plan] =
        (struct planned){when, who, body, d->n_plan, {.whom = whom, .event = event, .text = text}};
    d->n_plan++;
}

static void
stranger(struct demo *d, int64_t when, int whom)
{
    act(d, when, STRANGER - (int)roll(d, 3), do_note, whom, EV_LOGIN_FAIL, NULL);
}

/* Passwords are guessed from one address until the account is locked. */
static void
attack(struct demo *d, int64_t when, int whom, const char *stays)
{
    int who = STRANGER - (int)roll(d, 3);

    for (int i = 0; i < 5; i++) {
        when += 4 * USEC_PER_SEC + roll(d, 5000) * USEC_PER_MS + 1;
        act(d, when, who, do_note, whom, EV_LOGIN_FAIL, NULL);
    }
    act(d, when + 1, who, do_lockout, whom, EVENT_NONE, stays);
}

static int
by_time(const void *a, const void *b)
{
    const struct planned *x = a, *y = b;

    if (x->when != y->when)
        return x->when < y->when ? -1 : 1;
    return x->order - y->order;
}

static void
perform_day(struct demo *d)
{
    qsort(d->plan, (size_t)d->n_plan, sizeof d->plan[0], by_time);
    for (int i = 0; i < d->n_plan && d->plan[i].when <= d->end; i++)
        perform(d, d->plan[i].when, d->plan[i].who, d->plan[i].body, &d->plan[i].act);
    d->n_plan = 0;
}

static void
arrivals(struct demo *d, int day, int64_t t)
{
    for (int i = 0; i < (int)PEOPLE; i++) {
        if (people[i].joined != day)
            continue;
        act(d, t + 9 * USEC_PER_HOUR + i * 7 * USEC_PER_MIN, i == 0 ? -2 : 0, do_create_user, i,
            EVENT_NONE, NULL);
        d->made[i] = !d->failed;
        if (i > 0)
            act(d, t + 10 * USEC_PER_HOUR + i * 5 * USEC_PER_MIN, i, do_password, i, EVENT_NONE,
                NULL);
    }
    for (int c = 0; c < (int)CLIENTS; c++) {
        int lead = day < 10 ? 0 : 3;

        if (clients[c].since != day)
            continue;
        act(d, t + 11 * USEC_PER_HOUR, 0, do_client, c, EVENT_NONE, NULL);
        act(d, t + 11 * USEC_PER_HOUR + 3 * USEC_PER_MIN, 0, do_assign, c * 16 + 2, EVENT_NONE,
            "STD_USER");
        if (d->made[3])
            act(d, t + 11 * USEC_PER_HOUR + 4 * USEC_PER_MIN, 0, do_assign, c * 16 + 3, EVENT_NONE,
                "Lead tester");
        if (d->made[4 + 2 * (c % 2)])
            act(d, t + 14 * USEC_PER_HOUR, lead, do_assign, c * 16 + 4 + 2 * (c % 2), EVENT_NONE,
                "ANALYST");
    }
}

static unsigned
clients_by(int day)
{
    unsigned n = 0;

    while (n < CLIENTS && clients[n].since < day)
        n++;
    return n;
}

static void
working_day(struct demo *d, int day, int64_t t)
{
    int tester = -1; /* someone who is signed in today, and when he is at work */
    int64_t at_work = 0;

    for (int i = 0; i < (int)PEOPLE; i++) {
        int64_t when = t + 7 * USEC_PER_HOUR + (int64_t)roll(d, 170) * USEC_PER_MIN;

        if (!d->made[i] || people[i].joined == day || (i == 7 && day > 130) ||
            (int)roll(d, 100) >= people[i].signs)
            continue;
        if (roll(d, 100) < 9)
            act(d, when - USEC_PER_MIN, FUMBLE - i, do_note, i, EV_LOGIN_FAIL, NULL);
        act(d, when, i, do_signin, i, EVENT_NONE, NULL);
        if (i >= 1 && i <= 3 && (tester < 0 || roll(d, 2))) {
            tester = i;
            at_work = when + (int64_t)(30 + roll(d, 300)) * USEC_PER_MIN;
        }
        if (roll(d, 100) < 60)
            act(d, when + (int64_t)(7 + roll(d, 3)) * USEC_PER_HOUR, i, do_note, i, EV_LOGOUT,
                "signed out");
        if (i == 5) /* the auditor does what auditors do */
            act(d, when + 4 * USEC_PER_MIN, i, do_view, i, EVENT_NONE, NULL);
        else if (i >= 4 && roll(d, 100) < 6)
            act(d, when + 20 * USEC_PER_MIN, i, do_denied, i, EVENT_NONE, NULL);
    }
    if (tester < 0)
        return;
    if (day % 3 == 1 && clients_by(day) > 0)
        act(d, at_work, tester, do_client_text, (int)roll(d, clients_by(day)), EVENT_NONE,
            news[roll(d, sizeof news / sizeof news[0])]);
    if (day % 9 == 4)
        act(d, at_work + 20 * USEC_PER_MIN, tester, do_password, tester, EVENT_NONE, NULL);
}

static void
incidents(struct demo *d, int day, int64_t t)
{
    if (day == 61 || day == 127) {
        attack(d, t + 3 * USEC_PER_HOUR, 2, NULL);
        act(d, t + 8 * USEC_PER_HOUR, 0, do_unlock, 2, EVENT_NONE, NULL);
        act(d, t + 8 * USEC_PER_HOUR + 5 * USEC_PER_MIN, 0, do_password, 2, EVENT_NONE, NULL);
    }
    if (day == 5)
        act(d, t + 13 * USEC_PER_HOUR, 0, do_tags, 0, EVENT_NONE, NULL);
    if (day == 88)
        act(d, t + 13 * USEC_PER_HOUR, 0, do_role_grows, 0, EVENT_NONE, NULL);
    if (day == 104 || day == d->days - 9)
        act(d, t + 11 * USEC_PER_HOUR, 3, do_assign, 4 * 16 + 4, EVENT_NONE,
            day == 104 ? "STD_USER" : "ANALYST");
    if (day == 8 || day == 40)
        act(d, t + 12 * USEC_PER_HOUR, day == 8 ? 3 : 6, do_second_factor, day == 8 ? 3 : 6,
            EVENT_NONE, NULL);
    if (day == 70)
        act(d, t + 13 * USEC_PER_HOUR, 0, do_assign, 16 + 4, EVENT_NONE, NULL);
    if (day == 131)
        act(d, t + 17 * USEC_PER_HOUR, 0, do_disable, 7, EV_USER_DISABLED, NULL);
    if (day == d->days - 18)
        act(d, t + 10 * USEC_PER_HOUR, 0, do_password, 1, EVENT_NONE, NULL);
    if (day == d->days - 1)
        attack(d, t + 2 * USEC_PER_HOUR, 6, "stays locked");
}

/* What the server does by itself on the first of a month, and finds nothing to do on other days. */
static void
night(struct demo *d, int64_t when)
{
    struct arena *a = arena_create("demonstration", (size_t)64 << 20);
    struct cx cx;

    d->app->simulated_now = when;
    audit_expire_now(d->app);
    cx = cx_system(d->app, a, "access baseline", NULL);
    if (access_keep_baselines(&cx) != OK) {
        log_error("demo.failed", LOG_STR("why", cx.failure.message));
        d->failed = true;
    }
    arena_free(a);
}

bool
demo_tell(struct app *app, int days, struct str password_hash)
{
    struct demo *d = arena_new(app->arena, struct demo);
    int64_t now = clock_now(), today = now - now % USEC_PER_DAY;

    *d =
        (struct demo){.app = app, .days = days, .hash = password_hash, .dice = 0x9E3779B97F4A7C15u};
    if (days > DEMO_DAYS)
        audit_set_months_kept(app, 12);
    d->rights.grants.is_admin = true;
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
        permission_add(&d->rights.grants.tenant, p);
    d->begin = today - days * USEC_PER_DAY;
    d->end = now - USEC_PER_MIN;
    act(d, d->begin + 8 * USEC_PER_HOUR, -2, do_tenant, 0, EVENT_NONE, NULL);
    perform_day(d); /* the workspace exists before anything in it is planned */
    act(d, d->begin + 8 * USEC_PER_HOUR + USEC_PER_MIN, -2, do_role, 0, EVENT_NONE, NULL);
    for (int day = 0; day <= days && !d->failed; day++) {
        int64_t t = d->begin + day * USEC_PER_DAY;
        int weekday = (int)((t / USEC_PER_DAY + 3) % 7); /* 0 = Monday */

        if (day > 0 && t < d->end)
            night(d, t + USEC_PER_SEC);
        arrivals(d, day, t);
        if (weekday < 5)
            working_day(d, day, t);
        if (roll(d, 100) < 12)
            stranger(d, t + (int64_t)roll(d, 1400) * USEC_PER_MIN, (int)roll(d, 2));
        incidents(d, day, t);
        perform_day(d);
        app->simulated_now = t + USEC_PER_DAY < now ? t + USEC_PER_DAY - USEC_PER_SEC : now;
        if (!d->failed && audit_move_now(app) != OK)
            d->failed = true;
    }
    app->simulated_now = 0;
    return !d->failed;
}
