/* What ends by itself, tried with a clock that is moved to the microsecond before and to the one at
 * which it ends: sessions by idle and absolute limit, tokens, links, challenges, lockouts. */
#include "serving.h"

#include "codec/json.h"
#include "core/accesstoken.h"
#include "core/link.h"
#include "core/mfa.h"
#include "core/password.h"
#include "core/session.h"
#include "core/settings.h"
#include "core/signin.h"

static struct user ann;

static int
begin_times(enum db_kind kind)
{
    if (begin_serving(kind) != 0)
        return -1;
    ann = new_user_with_password("ann@example.org", "Ann", "ADMIN");
    return 0;
}

BOTH_STORES(begin_times)

static struct cx
visitor(void)
{
    struct cx cx = {.app = &t.app, .arena = t.a, .now = t.app.simulated_now};

    cx.address = S("10.9.0.1");
    cx.actor.name = S("Someone not signed in");
    cx.request_id = cuid_in(t.a, cx.now);
    return cx;
}

/* From an address of its own each time: how often one address may fail is not what is tried here. */
static enum err
sign_in(struct str password, bool browser, struct signin_result *r)
{
    static int serial;
    struct cx cx = visitor();
    struct signin_input in = {.username = ann.email, .password = password, .browser = browser};
    struct signin *s = NULL;
    enum err e;

    serial++;
    cx.address = arena_fmt(t.a, "10.8.%d.%d", serial / 250, serial % 250);
    e = signin_start(&cx, &in, &s);
    if (e != OK)
        return e;
    hashing_run(t.app.hashing, signin_job(s));
    return signin_finish(&cx, s, r);
}

/* ---- opening a session at a time ---- */

struct opening {
    struct str credential;
    enum session_source src;
    enum session_refusal why;
    struct session_view view;
    struct session_tokens renewed;
    struct str session;
};

static enum err
open_body(struct cx *cx, void *arg)
{
    struct opening *o = arg;
    enum err e = session_open(cx, o->credential, o->src);

    o->why = session_last_refusal(cx);
    if (e != OK)
        return e;
    o->view = *session_view(cx);
    o->renewed = session_renew(cx);
    o->session = cx->actor.session;
    return OK;
}

/* Whether the credential opens a session now; a use, when it is due, is noted as dispatch does. */
static struct opening
open_now(struct str credential, enum session_source src, enum session_refusal want)
{
    struct opening o = {.credential = credential, .src = src};
    struct cx cx = visitor();
    enum err e = cx_read(&cx, open_body, &o);

    assert_int_equal(o.why, want);
    assert_int_equal(e, want == SESSION_REFUSAL_NONE ? OK : ERR_UNAUTHORIZED);
    if (e == OK && session_touch_due(&cx))
        session_touch(&cx);
    return o;
}

static enum err
recheck_body(struct cx *cx, void *arg)
{
    return session_recheck(cx);
}

/* A stream that the credential opens at `end` - 1 s is over at `end`. */
static void
stream_ends(struct str credential, enum session_source src, int64_t end)
{
    struct opening o = {.credential = credential, .src = src};
    struct cx cx = visitor();

    cx.now = end - USEC_PER_SEC;
    assert_int_equal(cx_read(&cx, open_body, &o), OK);
    cx.now = end - 1;
    assert_int_equal(cx_read(&cx, recheck_body, NULL), OK);
    cx.now = end;
    assert_int_equal(cx_read(&cx, recheck_body, NULL), ERR_UNAUTHORIZED);
}

static int64_t
fallback(enum setting s)
{
    int64_t v;

    assert_int_equal(str_int64(str_of(setting_info(s)->fallback), &v), OK);
    return v;
}

struct set {
    const char *name, *value;
};

static enum err
set_body(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES ($1, $2, $3)"
                             " ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value");
    const struct set *s = arg;
    struct audit_entry e = {.event = EV_SETTING_CHANGED, .text = S("changed")};

    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_STR(str_of(s->name)), V_STR(str_of(s->value))), NULL));
    return audit_record(cx, &e, NULL);
}

static void
idle_limit_ends_a_session(void **state)
{
    int64_t idle = fallback(SET_IDLE_MINUTES) * USEC_PER_MIN;
    struct set shorter = {"auth.idle_minutes", "10"};
    struct signin_result r;
    struct cx cx;

    assert_int_equal(sign_in(RIGHT, true, &r), OK);
    t.app.simulated_now += idle; /* not longer than allowed: it is a use, and counts from here */
    open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_NONE);
    t.app.simulated_now += idle;
    open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_NONE);
    t.app.simulated_now += idle + 1;
    open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_EXPIRED);
    open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_EXPIRED); /* refusal is no use */
    open_now(r.tokens.upload, SESSION_UPLOAD_COOKIE, SESSION_REFUSAL_EXPIRED);

    /* A shorter limit holds from the next request on, for sessions that are there, too. */
    assert_int_equal(sign_in(RIGHT, true, &r), OK);
    t.app.simulated_now += 10 * USEC_PER_MIN + 1;
    cx = as_process();
    RUN(&cx, set_body, &shorter, OK);
    open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_EXPIRED);
    assert_int_equal(events(EV_TOKEN_REFUSED), 0); /* ordinary: no event */
}

static void
absolute_limit_ends_a_session_in_use(void **state)
{
    int64_t hours = fallback(SET_ABSOLUTE_HOURS), end;
    struct signin_result r;
    struct opening o;

    assert_int_equal(sign_in(RIGHT, true, &r), OK);
    end = t.app.simulated_now + hours * USEC_PER_HOUR;
    o = open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_NONE);
    assert_int_equal(o.view.expires_at, end);
    while (t.app.simulated_now + 50 * USEC_PER_MIN < end) {
        t.app.simulated_now += 50 * USEC_PER_MIN;
        open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_NONE);
    }
    t.app.simulated_now = end - USEC_PER_SEC; /* the cookie's own end is of whole seconds */
    o = open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_NONE);
    stream_ends(r.tokens.browser, SESSION_COOKIE, end);
    t.app.simulated_now = end;
    open_now(r.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_EXPIRED);
    open_now(o.renewed.access, SESSION_HEADER,
             SESSION_REFUSAL_EXPIRED); /* renewing does not lengthen it */
}

static void
header_token_lasts_a_quarter_of_an_hour(void **state)
{
    struct signin_result r;
    struct opening o;
    int64_t from = t.app.simulated_now / USEC_PER_SEC * USEC_PER_SEC;

    assert_int_equal(sign_in(RIGHT, false, &r), OK);
    t.app.simulated_now = from + 900 * USEC_PER_SEC - 1;
    o = open_now(r.tokens.access, SESSION_HEADER, SESSION_REFUSAL_NONE);
    t.app.simulated_now = from + 900 * USEC_PER_SEC;
    open_now(r.tokens.access, SESSION_HEADER, SESSION_REFUSAL_EXPIRED);
    open_now(o.renewed.access, SESSION_HEADER, SESSION_REFUSAL_NONE);
    t.app.simulated_now += 900 * USEC_PER_SEC;
    open_now(o.renewed.access, SESSION_HEADER, SESSION_REFUSAL_EXPIRED);
}

/* ---- ending one ---- */

struct ending {
    int64_t user_id;
    struct str cuid;
    struct buf *list;
};

static enum err
end_body(struct cx *cx, void *arg)
{
    struct ending *x = arg;
    struct audit_entry e = {.event = EV_SESSION_ENDED, .text = S("ended")};

    TRY(session_end_one(cx, x->user_id, x->cuid));
    return audit_record(cx, &e, NULL);
}

static enum err
list_body(struct cx *cx, void *arg)
{
    struct ending *x = arg;
    struct json_writer w;

    json_writer_init(&w, x->list);
    return session_list(cx, x->user_id, &w);
}

static enum err
sweep_body(struct cx *cx, void *arg)
{
    return session_sweep(cx);
}

/* Whether the session is among those that are open now. */
static bool
is_listed(struct str cuid)
{
    struct ending x = {.user_id = ann.user_id, .list = buf_in(t.a, 1 << 16)};
    struct cx cx = as_process();

    assert_int_equal(cx_read(&cx, list_body, &x), OK);
    return str_contains(buf_view(x.list), cuid);
}

/* What is over, by an end or by its limit, is ended by nobody once more: no answer, no event says so. */
static void
what_is_over_is_not_ended(void **state)
{
    struct user bob = new_user("bob@example.org", "Bob", "STD_USER");
    struct signin_result first, second;
    struct ending x = {.user_id = bob.user_id};
    struct opening o;
    struct cx cx;
    int64_t end;

    assert_int_equal(sign_in(RIGHT, true, &first), OK);
    assert_int_equal(sign_in(RIGHT, true, &second), OK);
    x.cuid = open_now(first.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_NONE).session;
    cx = as_process();
    RUN(&cx, end_body, &x, ERR_NOT_FOUND); /* not his */
    x.user_id = ann.user_id;
    RUN(&cx, end_body, &x, OK);
    assert_false(is_listed(x.cuid));
    cx = as_process();
    RUN(&cx, end_body, &x, ERR_NOT_FOUND);
    open_now(first.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_ENDED);

    o = open_now(second.tokens.browser, SESSION_COOKIE, SESSION_REFUSAL_NONE);
    x.cuid = o.session;
    end = o.view.expires_at;
    t.app.simulated_now = end - 1;
    assert_true(is_listed(x.cuid));
    t.app.simulated_now = end;
    assert_false(is_listed(x.cuid));
    cx = as_process();
    RUN(&cx, end_body, &x, ERR_NOT_FOUND);
    assert_int_equal(events(EV_SESSION_ENDED), 1);

    t.app.simulated_now = end + 90 * USEC_PER_DAY;
    cx = as_process();
    RUN(&cx, sweep_body, NULL, OK);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM session"), 2);
    t.app.simulated_now++;
    cx = as_process();
    RUN(&cx, sweep_body, NULL, OK);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM session"), 0);
}

/* ---- access tokens ---- */

struct made {
    struct access_token_spec spec;
    struct str cuid, token;
};

static enum err
make_token(struct cx *cx, void *arg)
{
    struct made *m = arg;

    return access_token_new(cx, &m->spec, &m->cuid, &m->token);
}

static void
access_token_ends_on_its_day(void **state)
{
    struct made m = {.spec = {.name = S("nightly"), .days = 30}};
    struct json *scopes;
    struct cx cx = as_user(&ann, "ADMIN");
    int64_t end = t.app.simulated_now + 30 * USEC_PER_DAY;
    const char *why;
    size_t at;

    assert_int_equal(json_parse(t.a, S("[\"CLIENTS.VIEW\"]"), &scopes, &at, &why), OK);
    m.spec.scopes = scopes;
    RUN(&cx, make_token, &m, OK);
    t.app.simulated_now = end - 1; /* idle for a month: a token has no idle limit */
    open_now(m.token, SESSION_HEADER, SESSION_REFUSAL_NONE);
    stream_ends(m.token, SESSION_HEADER, end);
    t.app.simulated_now = end;
    open_now(m.token, SESSION_HEADER, SESSION_REFUSAL_EXPIRED);
}

/* ---- one-time links ---- */

struct linking {
    int64_t hours;
    struct str token;
    struct link l;
};

static enum err
make_link(struct cx *cx, void *arg)
{
    struct linking *k = arg;
    struct audit_entry e = user_entry(cx, &ann, EV_LINK_COPIED, S("a link"));

    TRY(link_new(cx, ann.tenant_id, ann.user_id, S("password"), k->hours, &k->token));
    return audit_record(cx, &e, NULL);
}

static enum err
get_link(struct cx *cx, void *arg)
{
    struct linking *k = arg;

    return link_get(cx, k->token, S("password"), &k->l);
}

static enum err
use_link(struct cx *cx, void *arg)
{
    struct linking *k = arg;
    struct audit_entry e = user_entry(cx, &ann, EV_PASSWORD_CHANGED, S("by a link"));

    TRY(link_get(cx, k->token, S("password"), &k->l));
    TRY(link_use(cx, k->token));
    return audit_record(cx, &e, NULL);
}

static enum err
link_at(int64_t now, enum err (*body)(struct cx *cx, void *arg), struct linking *k)
{
    struct cx cx;

    t.app.simulated_now = now;
    cx = as_process();
    return cx_write(&cx, body, k);
}

static void
links_end_and_work_once(void **state)
{
    static const int64_t hours[] = {LINK_FORGOTTEN_HOURS, LINK_INVITE_HOURS, LINK_SETUP_HOURS};
    struct linking k, later;
    int64_t from;

    for (size_t i = 0; i < sizeof hours / sizeof *hours; i++) {
        from = t.app.simulated_now;
        k = (struct linking){.hours = hours[i]};
        assert_int_equal(link_at(from, make_link, &k), OK);
        assert_int_equal(link_at(from + hours[i] * USEC_PER_HOUR - 1, get_link, &k), OK);
        assert_int_equal(link_at(from + hours[i] * USEC_PER_HOUR, get_link, &k), ERR_NOT_FOUND);
        assert_int_equal(link_at(from + hours[i] * USEC_PER_HOUR, use_link, &k), ERR_NOT_FOUND);
    }
    from = t.app.simulated_now;
    k = later = (struct linking){.hours = 2};
    assert_int_equal(link_at(from, make_link, &k), OK);
    assert_int_equal(link_at(from + 1, make_link, &later), OK);
    assert_int_equal(link_at(from + 2, use_link, &k),
                     ERR_NOT_FOUND); /* the later one took its place */
    assert_int_equal(link_at(from + 2, use_link, &later), OK);
    assert_int_equal(link_at(from + 3, use_link, &later), ERR_NOT_FOUND);
}

/* ---- challenges between password and code ---- */

static enum err
make_challenge(struct cx *cx, void *arg)
{
    return mfa_challenge_new(cx, ann.tenant_id, ann.user_id, S("api"), arg);
}

static enum err
get_challenge(struct cx *cx, void *arg)
{
    struct challenge c;

    return mfa_challenge_get(cx, *(const struct str *)arg, &c);
}

static enum err
try_challenge(struct cx *cx, void *arg)
{
    return mfa_challenge_try(cx, *(const struct str *)arg);
}

static enum err
challenge_at(int64_t now, enum err (*body)(struct cx *cx, void *arg), struct str *id)
{
    struct cx cx = visitor();

    cx.now = now;
    return cx_write(&cx, body, id);
}

static void
challenge_ends_after_five_minutes_or_five_tries(void **state)
{
    int64_t from = t.app.simulated_now;
    struct str id;

    assert_int_equal(challenge_at(from, make_challenge, &id), OK);
    assert_int_equal(challenge_at(from + 5 * USEC_PER_MIN - 1, get_challenge, &id), OK);
    assert_int_equal(challenge_at(from + 5 * USEC_PER_MIN - 1, try_challenge, &id), OK);
    assert_int_equal(challenge_at(from + 5 * USEC_PER_MIN, get_challenge, &id), ERR_NOT_FOUND);
    assert_int_equal(challenge_at(from + 5 * USEC_PER_MIN, try_challenge, &id), ERR_NOT_FOUND);

    assert_int_equal(challenge_at(from, make_challenge, &id), OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(challenge_at(from + i, try_challenge, &id), OK);
    assert_int_equal(challenge_at(from + 6, try_challenge, &id), ERR_NOT_FOUND);
    assert_int_equal(challenge_at(from + 6, get_challenge, &id), ERR_NOT_FOUND);
}

/* ---- lockout ---- */

static void
release(void)
{
    struct cx cx = as_process();

    assert_int_equal(signin_release_locks(&cx), OK);
}

static void
lockout_ends_by_itself_with_an_event(void **state)
{
    int64_t length = fallback(SET_LOCKOUT_RELEASE) * USEC_PER_MIN, locked;
    struct signin_result r;
    struct audit_event e;

    for (int64_t i = 0; i < fallback(SET_LOCKOUT_FAILURES); i++)
        assert_int_equal(sign_in(WRONG, false, &r), ERR_UNAUTHORIZED);
    locked = t.app.simulated_now;
    assert_int_equal(events(EV_LOGIN_LOCKOUT), 1);
    t.app.simulated_now = locked + length - 1;
    assert_int_equal(sign_in(RIGHT, false, &r), ERR_UNAUTHORIZED);
    release();
    assert_int_equal(events(EV_USER_UNLOCKED), 0);
    t.app.simulated_now = locked + length;
    release();
    release(); /* again: nobody is locked any more */
    assert_int_equal(events(EV_USER_UNLOCKED), 1);
    e = newest(EV_USER_UNLOCKED);
    assert_int_equal(e.actor_kind, ACTOR_SYSTEM);
    assert_true(str_eq(e.target_email, ann.email));
    assert_int_equal(e.at, locked + length);
    assert_int_equal(sign_in(RIGHT, false, &r), OK);
}

/* Failures count for a while only: four and one after the window are not five. */
static void
old_failures_do_not_lock(void **state)
{
    int64_t window = fallback(SET_LOCKOUT_MINUTES) * USEC_PER_MIN;
    struct signin_result r;

    for (int64_t i = 0; i < fallback(SET_LOCKOUT_FAILURES) - 1; i++)
        assert_int_equal(sign_in(WRONG, false, &r), ERR_UNAUTHORIZED);
    t.app.simulated_now += window + USEC_PER_SEC;
    assert_int_equal(sign_in(WRONG, false, &r), ERR_UNAUTHORIZED);
    assert_int_equal(events(EV_LOGIN_LOCKOUT), 0);
    assert_int_equal(sign_in(RIGHT, false, &r), OK);
}

#define ON(f)                                                                                      \
    {                                                                                              \
        "sqlite " #f, f, begin_times_sqlite, end, NULL                                             \
    }
#define PG(f)                                                                                      \
    {                                                                                              \
        "postgres " #f, f, begin_times_postgres, end, NULL                                         \
    }
#define TESTS(X)                                                                                   \
    X(what_is_over_is_not_ended), X(idle_limit_ends_a_session),                                    \
        X(absolute_limit_ends_a_session_in_use), X(header_token_lasts_a_quarter_of_an_hour),       \
        X(access_token_ends_on_its_day), X(links_end_and_work_once),                               \
        X(challenge_ends_after_five_minutes_or_five_tries),                                        \
        X(lockout_ends_by_itself_with_an_event), X(old_failures_do_not_lock)

int
main(void)
{
    const struct CMUnitTest lite[] = {TESTS(ON)};
    const struct CMUnitTest pg[] = {TESTS(PG)};
    int failed = cmocka_run_group_tests_name("ends by time: sqlite", lite, NULL, NULL);

    if (getenv("RECOUNT_TEST_PG"))
        failed += cmocka_run_group_tests_name("ends by time: postgres", pg, NULL, NULL);
    return failed;
}
