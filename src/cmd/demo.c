/* Fills an empty folder with a demonstration: everything goes through the ordinary code, only the
 * clock is simulated. The story is drawn from a seed, so that two demonstrations differ in ids and
 * passwords but not in shape. */
#include "cmd/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
#include "core/trail.h"
#include "core/user.h"
#include "run/keys.h"

#define DAYS 160
#define NOTE "demo.txt" /* how to sign in; in the data folder, mode 0600 */

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

#define PLAN_MAX 256
#define STRANGER (-10) /* who, and below: somebody from outside */

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
    struct app *app;
    struct tenant_ref tenant;
    struct str hash; /* of the one password */
    struct user user[PEOPLE];
    bool made[PEOPLE];
    int64_t client[CLIENTS];
    int64_t begin;
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

    e.outcome = x->event == EV_LOGOUT          ? OUTCOME_SUCCESS
                : x->event == EV_ACCESS_DENIED ? OUTCOME_DENIED
                                               : OUTCOME_FAILURE;
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

    e.outcome = OUTCOME_FAILURE;
    TRY(audit_record(cx, &e, NULL));
    return db_exec(cx->tx, &LOCK_USER,
                   ARGS(V_INT(cx->tenant.id), V_INT(u->user_id),
                        V_INT(cx->now + (x->text ? 3650 * USEC_PER_DAY : 30 * USEC_PER_MIN)),
                        V_INT(cx->now)),
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

/* The day's plan; performed in the order of time, as a day happens. */
static void
act(struct demo *d, int64_t when, int who, cx_body body, int whom, enum event event,
    const char *text)
{
    if (d->n_plan == PLAN_MAX)
        BUG("a day of the demonstration has more than %d acts", PLAN_MAX);
    d->plan[d->n_plan] =
        (struct planned){when, who, body, d->n_plan, {.whom = whom, .event = event, .text = text}};
    d->n_plan++;
}

static void
stranger(struct demo *d, int64_t when, int whom)
{
    act(d, when, STRANGER - (int)roll(d, 3), do_note, whom, EV_LOGIN_FAIL, NULL);
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
    for (int i = 0; i < d->n_plan; i++)
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

static void
working_day(struct demo *d, int day, int64_t t)
{
    for (int i = 0; i < (int)PEOPLE; i++) {
        int64_t when = t + 7 * USEC_PER_HOUR + (int64_t)roll(d, 170) * USEC_PER_MIN;

        if (!d->made[i] || people[i].joined == day || (i == 7 && day > 130) ||
            (int)roll(d, 100) >= people[i].signs)
            continue;
        if (roll(d, 100) < 9)
            act(d, when - USEC_PER_MIN, STRANGER, do_note, i, EV_LOGIN_FAIL, NULL);
        act(d, when, i, do_signin, i, EVENT_NONE, NULL);
        if (roll(d, 100) < 60)
            act(d, when + (int64_t)(7 + roll(d, 3)) * USEC_PER_HOUR, i, do_note, i, EV_LOGOUT,
                "signed out");
        if (i >= 4 && roll(d, 100) < 6)
            act(d, when + 20 * USEC_PER_MIN, i, do_note, i, EV_ACCESS_DENIED,
                "was denied a client that is not assigned");
    }
    if (day % 9 == 4 && d->client[0])
        act(d, t + 15 * USEC_PER_HOUR, 1, do_client_text,
            (int)roll(d, day > 118  ? 6
                         : day > 76 ? 5
                         : day > 48 ? 4
                         : day > 21 ? 3
                                    : 2),
            EVENT_NONE, roll(d, 2) ? "scope agreed" : "window moved by a week");
    if (day % 23 == 11)
        act(d, t + 16 * USEC_PER_HOUR, 1 + day % 3, do_password, 1 + day % 3, EVENT_NONE, NULL);
}

static void
incidents(struct demo *d, int day, int64_t t)
{
    if (day == 61 || day == 127) {
        for (int i = 0; i < 5; i++)
            stranger(d, t + 3 * USEC_PER_HOUR + i * 11 * USEC_PER_SEC, 2);
        act(d, t + 3 * USEC_PER_HOUR + USEC_PER_MIN, -1, do_lockout, 2, EVENT_NONE, NULL);
        act(d, t + 8 * USEC_PER_HOUR, 0, do_unlock, 2, EVENT_NONE, NULL);
        act(d, t + 8 * USEC_PER_HOUR + 5 * USEC_PER_MIN, 0, do_password, 2, EVENT_NONE, NULL);
    }
    if (day == 8 || day == 40)
        act(d, t + 12 * USEC_PER_HOUR, day == 8 ? 3 : 6, do_second_factor, day == 8 ? 3 : 6,
            EVENT_NONE, NULL);
    if (day == 70)
        act(d, t + 13 * USEC_PER_HOUR, 0, do_assign, 16 + 4, EVENT_NONE, NULL);
    if (day == 131)
        act(d, t + 17 * USEC_PER_HOUR, 0, do_disable, 7, EV_USER_DISABLED, NULL);
    if (day == DAYS - 18)
        act(d, t + 10 * USEC_PER_HOUR, 0, do_password, 1, EVENT_NONE, NULL);
    if (day == DAYS - 1) {
        for (int i = 0; i < 5; i++)
            stranger(d, t + 2 * USEC_PER_HOUR + i * 9 * USEC_PER_SEC, 6);
        act(d, t + 2 * USEC_PER_HOUR + USEC_PER_MIN, -1, do_lockout, 6, EVENT_NONE, "stays locked");
    }
}

static bool
tell_story(struct demo *d)
{
    int64_t now = clock_now(), today = now - now % USEC_PER_DAY;

    d->begin = today - DAYS * USEC_PER_DAY;
    act(d, d->begin + 8 * USEC_PER_HOUR, -2, do_tenant, 0, EVENT_NONE, NULL);
    perform_day(d); /* the workspace exists before anything in it is planned */
    act(d, d->begin + 8 * USEC_PER_HOUR + USEC_PER_MIN, -2, do_role, 0, EVENT_NONE, NULL);
    for (int day = 0; day < DAYS && !d->failed; day++) {
        int64_t t = d->begin + day * USEC_PER_DAY;
        int weekday = (int)((t / USEC_PER_DAY + 3) % 7); /* 0 = Monday */

        arrivals(d, day, t);
        if (weekday < 5)
            working_day(d, day, t);
        if (roll(d, 100) < 12)
            stranger(d, t + (int64_t)roll(d, 1400) * USEC_PER_MIN, (int)roll(d, 2));
        incidents(d, day, t);
        perform_day(d);
        d->app->simulated_now = t + USEC_PER_DAY - USEC_PER_SEC;
        if (!d->failed && audit_move_now(d->app) != OK)
            d->failed = true;
    }
    d->app->simulated_now = 0;
    return !d->failed;
}

/* ---- sign-in note ---- */

static struct str
note_path(struct app *app)
{
    return arena_fmt(app->arena, "%.*s/" NOTE, STR_ARG(app->config.data_dir));
}

static bool
note_write(struct app *app, struct str password)
{
    int fd =
        open(arena_cstr(app->arena, note_path(app)), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, password.p, password.n) == (ssize_t)password.n && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static bool
note_read(struct app *app, struct str *password)
{
    char text[128];
    int fd = open(arena_cstr(app->arena, note_path(app)), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    *password = arena_str(app->arena, str_trim(str_mem(text, (size_t)n)));
    return true;
}

static const struct sql COUNT_TENANTS = SQL_READ("SELECT COUNT(*) FROM tenant");

static enum err
count_body(struct cx *cx, void *arg)
{
    return db_query_int(cx->tx, &COUNT_TENANTS, NO_ARGS, arg);
}

static struct demo_people *
people_of(struct app *app, struct str password)
{
    struct demo_people *p = arena_new(app->arena, struct demo_people);

    *p = (struct demo_people){S("ada@recount.example"), S("farid@recount.example"),
                              S("ben@recount.example"), password};
    return p;
}

bool
demo_fill(struct app *app, struct demo_people **out)
{
    struct cx cx = cx_system(app, app->arena, "demonstration", NULL);
    struct demo *d = arena_new(app->arena, struct demo);
    struct str password;
    int64_t n = 0;

    if (cx_read(&cx, count_body, &n) != OK)
        return refuse("%.*s", STR_ARG(cx.failure.message)), false;
    if (n > 0) {
        if (!note_read(app, &password))
            return refuse("--demo fills an empty folder only; this one holds a workspace"), false;
        *out = people_of(app, password);
        return true;
    }
    printf("Recording 160 days of demonstration …\n");
    fflush(stdout);
    password = arena_str(app->arena, password_random(app->arena));
    *d = (struct demo){.app = app, .dice = 0x9E3779B97F4A7C15u};
    d->rights.grants.is_admin = true;
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
        permission_add(&d->rights.grants.tenant, p);
    if (password_hash(&cx, password, &d->hash) != OK || !tell_story(d) ||
        !note_write(app, password))
        return refuse("the demonstration could not be recorded; empty the folder and try again"),
               false;
    *out = people_of(app, password);
    return true;
}

void
demo_print(FILE *to, struct str url, const struct demo_people *p)
{
    fprintf(
        to,
        "\nRecount runs at  %.*s   (demonstration: this machine only)\n\n"
        "  administrator  %.*s\n  tester         %.*s\n  auditor        %.*s\n  password       %.*s   (for all three)\n\n"
        "Three steps:\n"
        "  1. Sign in as the administrator, open Account Admin > Audit log. In a private window fail a\n"
        "     sign-in as the tester, and watch it appear.\n"
        "  2. Click Start date, choose Past 30 days, type: password. Who changed one last month?\n"
        "  3. Open an event: who, what, when, from where, before and after.\n\n",
        STR_ARG(url), STR_ARG(p->admin_email), STR_ARG(p->tester_email), STR_ARG(p->auditor_email),
        STR_ARG(p->password));
}
