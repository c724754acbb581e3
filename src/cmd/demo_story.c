/* What happens in the demonstration: people, clients and 160 days, from a seed, so that two
 * demonstrations differ in ids and passwords but not in shape. Everything goes through the ordinary
 * code; only the clock is simulated. */
#include "cmd/demo_priv.h"

#include <stdlib.h>

#include "base/log.h"
#include "core/access.h"

const struct demo_person demo_people[PEOPLE] = {
    {"Ada", "Keller", "ADMIN", 0, 92},         {"Ben", "Okafor", "STD_USER", 1, 88},
    {"Carla", "Mendes", "STD_USER", 1, 84},    {"Dmitri", "Volkov", "Lead tester", 3, 80},
    {"Eun-ji", "Park", "ANALYST", 12, 40},     {"Farid", "Haddad", "AUDITOR", 20, 18},
    {"Grace", "Lindqvist", "ANALYST", 33, 30}, {"Hugo", "Moreau", "STD_USER", 47, 35},
};

const struct demo_client demo_clients[CLIENTS] = {
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

static const char *const news[] = {"scope agreed",     "window moved by a week",
                                   "kick-off held",    "second tester joins",
                                   "retest asked for", "report read together"};

static unsigned
roll(struct demo *d, unsigned sides)
{
    d->dice ^= d->dice << 13;
    d->dice ^= d->dice >> 7;
    d->dice ^= d->dice << 17;
    return (unsigned)(d->dice % sides);
}

/* ---- performing ---- */

static void
perform_one(struct demo *d, struct planned *p)
{
    struct arena *a = arena_create("demonstration", (size_t)64 << 20);
    struct cx cx = demo_cx(d, a, p->when, p->who);

    p->act.d = d;
    p->act.who = p->who;
    if (!d->failed && (p->apart ? p->body(&cx, &p->act) : cx_write(&cx, p->body, &p->act)) != OK) {
        log_error("demo.failed", LOG_STR("why", cx.failure.message));
        d->failed = true;
    }
    if (p->apart)
        audit_flush(d->app); /* what is recorded after an answer: before the clock goes on */
    d->last = p->when;
    arena_free(a);
}

/* Nobody does anything without having signed in that day: a moment before it, where the plan does not
 * say when. */
static void
perform(struct demo *d, struct planned *p)
{
    int who = p->who;
    int64_t when = p->when - 90 * USEC_PER_SEC;

    if (who >= 0 && who < PEOPLE && d->made[who] && p->body != do_sign_in &&
        p->body != do_sign_out &&
        (str_is_null(d->session[who]) || p->when - d->signed_in[who] > 10 * USEC_PER_HOUR)) {
        struct planned first = {
            .when = when > d->last ? when : d->last, .who = who, .body = do_sign_in, .apart = true};

        perform_one(d, &first);
    }
    perform_one(d, p);
}

/* ---- the story ---- */

/* The day's plan; performed in the order of time, as a day happens. Nobody acts on the full minute. */
static struct planned *
plan(struct demo *d, int64_t when, int who, cx_body body, int whom, const char *text)
{
    struct planned *p = &d->plan[d->n_plan];

    if (d->n_plan == PLAN_MAX)
        BUG("a day of the demonstration has more than %d acts", PLAN_MAX);
    if (when % USEC_PER_MIN == 0)
        when += roll(d, 60 * 1000) * USEC_PER_MS;
    *p = (struct planned){when, who, body, d->n_plan, false, {.whom = whom, .text = text}};
    d->n_plan++;
    return p;
}

static void
act(struct demo *d, int64_t when, int who, cx_body body, int whom, const char *text)
{
    plan(d, when, who, body, whom, text);
}

/* What has transactions of its own: requests, and passwords, which are hashed before. */
static void
visit(struct demo *d, int64_t when, int who, cx_body body, int whom, const char *text)
{
    plan(d, when, who, body, whom, text)->apart = true;
}

static void
stranger(struct demo *d, int64_t when, int whom)
{
    static const char *const names[] = {"root@recount.example", "info@ridgeline.example",
                                        "sales@recount.example"};
    int who = STRANGER - (int)roll(d, 3);

    visit(d, when, who, do_wrong_password, whom, roll(d, 3) ? NULL : names[roll(d, 3)]);
}

/* Passwords are guessed from one address until the account is locked. */
static void
attack(struct demo *d, int64_t when, int whom)
{
    int who = STRANGER - (int)roll(d, 3);

    for (int i = 0; i < 5; i++) {
        when += 4 * USEC_PER_SEC + roll(d, 5000) * USEC_PER_MS + 1;
        visit(d, when, who, do_wrong_password, whom, NULL);
    }
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
        perform(d, &d->plan[i]);
    d->n_plan = 0;
}

static void
arrivals(struct demo *d, int day, int64_t t)
{
    for (int i = 0; i < (int)PEOPLE; i++) {
        if (demo_people[i].joined != day)
            continue;
        visit(d, t + 9 * USEC_PER_HOUR + i * 7 * USEC_PER_MIN, i == 0 ? -2 : 0, do_create_user, i,
              NULL);
        d->made[i] = !d->failed;
        visit(d, t + 10 * USEC_PER_HOUR + (i * 5 - 2) * USEC_PER_MIN, i, do_sign_in, i, NULL);
        if (i > 0)
            visit(d, t + 10 * USEC_PER_HOUR + i * 5 * USEC_PER_MIN, i, do_password, i, NULL);
    }
    for (int c = 0; c < (int)CLIENTS; c++) {
        int lead = day < 10 ? 0 : 3;

        if (demo_clients[c].since != day)
            continue;
        act(d, t + 11 * USEC_PER_HOUR, 0, do_client, c, NULL);
        act(d, t + 11 * USEC_PER_HOUR + 3 * USEC_PER_MIN, 0, do_assign, c * 16 + 2, "STD_USER");
        if (d->made[3])
            act(d, t + 11 * USEC_PER_HOUR + 4 * USEC_PER_MIN, 0, do_assign, c * 16 + 3,
                "Lead tester");
        if (d->made[4 + 2 * (c % 2)])
            act(d, t + 14 * USEC_PER_HOUR, lead, do_assign, c * 16 + 4 + 2 * (c % 2), "ANALYST");
    }
}

static unsigned
clients_by(int day)
{
    unsigned n = 0;

    while (n < CLIENTS && demo_clients[n].since < day)
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

        if (!d->made[i] || demo_people[i].joined == day || (i == 7 && day > 130) ||
            (int)roll(d, 100) >= demo_people[i].signs)
            continue;
        if (roll(d, 100) < 9)
            visit(d, when - USEC_PER_MIN, FUMBLE - i, do_wrong_password, i, NULL);
        visit(d, when, i, do_sign_in, i, NULL);
        if (i >= 1 && i <= 3 && (tester < 0 || roll(d, 2))) {
            tester = i;
            at_work = when + (int64_t)(30 + roll(d, 300)) * USEC_PER_MIN;
        }
        if (roll(d, 100) < 60)
            act(d, when + (int64_t)(7 + roll(d, 3)) * USEC_PER_HOUR, i, do_sign_out, i, NULL);
        if (i == 5) /* the auditor does what auditors do */
            visit(d, when + 4 * USEC_PER_MIN, i, do_view, i, NULL);
        else if (i >= 4 && roll(d, 100) < 6)
            visit(d, when + 20 * USEC_PER_MIN, i, do_denied,
                  i == 7 && clients_by(day) ? (int)roll(d, clients_by(day)) : -1, NULL);
    }
    if (tester < 0)
        return;
    if (day % 3 == 1 && clients_by(day) > 0)
        act(d, at_work, tester, do_client_text, (int)roll(d, clients_by(day)),
            news[roll(d, sizeof news / sizeof news[0])]);
    if (day % 9 == 4)
        visit(d, at_work + 20 * USEC_PER_MIN, tester, do_password, tester, NULL);
}

static void
incidents(struct demo *d, int day, int64_t t)
{
    int64_t lately = d->end - 2 * USEC_PER_HOUR; /* this account is still locked when one looks */

    if (day == 61 || day == 127) {
        attack(d, t + 3 * USEC_PER_HOUR, 2);
        act(d, t + 8 * USEC_PER_HOUR, 0, do_unlock, 2, NULL);
        visit(d, t + 8 * USEC_PER_HOUR + 5 * USEC_PER_MIN, 0, do_password, 2, NULL);
    }
    if (day == 5)
        act(d, t + 13 * USEC_PER_HOUR, 0, do_tags, 0, NULL);
    if (day == 88)
        act(d, t + 13 * USEC_PER_HOUR, 0, do_role_grows, 0, NULL);
    if (day == 104 || day == d->days - 9)
        act(d, t + 11 * USEC_PER_HOUR, 3, do_assign, 4 * 16 + 4,
            day == 104 ? "STD_USER" : "ANALYST");
    if (day == 8 || day == 40) {
        visit(d, t + 12 * USEC_PER_HOUR, day == 8 ? 3 : 6, do_sign_in, day == 8 ? 3 : 6, NULL);
        visit(d, t + 12 * USEC_PER_HOUR + 5 * USEC_PER_MIN, day == 8 ? 3 : 6, do_second_factor,
              day == 8 ? 3 : 6, NULL);
    }
    if (day == 70)
        act(d, t + 13 * USEC_PER_HOUR, 0, do_assign, 16 + 4, NULL);
    if (day == 131)
        act(d, t + 17 * USEC_PER_HOUR, 0, do_disable, 7, NULL);
    if (day == d->days - 18)
        visit(d, t + 10 * USEC_PER_HOUR, 0, do_password, 1, NULL);
    if (lately >= t && lately < t + USEC_PER_DAY)
        attack(d, lately, 6);
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
demo_tell(struct app *app, int days, struct demo_accounts *out)
{
    struct demo *d = arena_new(app->arena, struct demo);
    struct hashing *threads = app->hashing;
    int64_t now = clock_now(), today = now - now % USEC_PER_DAY;

    *d = (struct demo){.app = app, .days = days, .dice = 0x9E3779B97F4A7C15u};
    app->hashing = NULL; /* passwords are hashed here: those threads make way for everybody */
    if (days > DEMO_DAYS)
        audit_set_months_kept(app, 12);
    d->rights.grants.is_admin = true;
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
        permission_add(&d->rights.grants.tenant, p);
    d->begin = today - days * USEC_PER_DAY;
    d->end = now - USEC_PER_MIN;
    act(d, d->begin + 8 * USEC_PER_HOUR, -2, do_tenant, 0, NULL);
    perform_day(d); /* the workspace exists before anything in it is planned */
    act(d, d->begin + 8 * USEC_PER_HOUR + USEC_PER_MIN, -2, do_role, 0, NULL);
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
    app->hashing = threads;
    for (size_t i = 0; i < DEMO_ACCOUNTS; i++) {
        static const int shown[DEMO_ACCOUNTS] = {0, 1, 5}; /* administrator, tester, auditor */

        out->account[i] = (struct demo_account){d->user[shown[i]].email, d->password[shown[i]]};
    }
    return !d->failed;
}
