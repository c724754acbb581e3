/* What people do in the demonstration: the ordinary code of core/, at a moment of the simulated clock. */
#include "cmd/demo_priv.h"

#include "core/client.h"
#include "core/clientuser.h"
#include "core/password.h"
#include "core/role.h"
#include "core/settings.h"
#include "core/signin.h"
#include "core/tag.h"
#include "core/tenant.h"

static const char *const addresses[] = {"192.0.2.14",    "192.0.2.77",     "198.51.100.23",
                                        "203.0.113.9",   "198.51.100.140", "2001:db8:4::17",
                                        "203.0.113.200", "192.0.2.201"};
static const char *const strangers[] = {"203.0.113.66", "198.51.100.201", "2001:db8:ffff::bad"};
static const char agent[] =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/128.0 Safari/537.36";

static const char *const tags[] = {"external", "internal", "web", "mobile", "red team"};

struct str
demo_address(int who)
{
    if (who >= 0)
        return str_of(addresses[who % 8]);
    if (who <= FUMBLE)
        return str_of(addresses[(FUMBLE - who) % 8]);
    return who <= STRANGER ? str_of(strangers[(STRANGER - who) % 3]) : STR_NULL;
}

struct str
demo_agent(int who)
{
    return who <= STRANGER && who > FUMBLE ? S("curl/7.88.1") : str_of(agent);
}

struct str
demo_keep(struct demo *d, struct str s)
{
    return str_is_null(s) ? s : arena_str(d->app->arena, s);
}

struct cx
demo_cx(struct demo *d, struct arena *a, int64_t when, int who)
{
    struct cx cx;

    d->app->simulated_now = when;
    cx = cx_system(d->app, a, "demonstration", &d->tenant);
    if (who < 0 || who >= PEOPLE)
        return cx;
    if (d->made[who])
        user_act_as(&cx, &d->user[who]);
    cx.actor.session = d->session[who];
    cx.grants = &d->rights.grants; /* the story keeps within each one's rights */
    cx.address = demo_address(who);
    cx.user_agent = demo_agent(who);
    return cx;
}

/* ---- people ---- */

struct making {
    struct act *x;
    struct str hash;
};

static enum err
create_body(struct cx *cx, void *arg)
{
    struct making *m = arg;
    struct act *x = m->x;
    const struct demo_person *p = &demo_people[x->whom];
    struct user_spec s = {.first = str_of(p->first),
                          .last = str_of(p->last),
                          .role = str_of(p->role),
                          .password_hash = m->hash,
                          .default_group = x->whom == 1};
    struct user made;
    struct buf *b = buf_in(cx->arena, 256);

    for (const char *c = p->first; *c; c++) {
        if (*c != '-')
            buf_char(b, (char)(*c | 32));
    }
    buf_cstr(b, "@recount.example");
    s.email = buf_view(b);
    TRY(user_create(cx, &s, &made));
    made.cuid = demo_keep(x->d, made.cuid);
    made.email = demo_keep(x->d, made.email);
    made.email_folded = demo_keep(x->d, made.email_folded);
    made.first = s.first;
    made.last = s.last;
    made.tenant_cuid = x->d->tenant.cuid;
    x->d->user[x->whom] = made;
    return OK;
}

static enum err
new_password(struct cx *cx, struct act *x, struct str *hash)
{
    x->d->password[x->whom] = demo_keep(x->d, password_random(cx->arena));
    return password_hash(cx, x->d->password[x->whom], hash);
}

enum err
do_create_user(struct cx *cx, void *arg)
{
    struct making m = {.x = arg};

    TRY(new_password(cx, m.x, &m.hash));
    return cx_write(cx, create_body, &m);
}

static enum err
password_body(struct cx *cx, void *arg)
{
    struct making *m = arg;
    struct act *x = m->x;
    bool own = x->who == x->whom;
    struct user u;

    TRY(user_get(cx, x->d->user[x->whom].user_id, &u));
    return user_set_password(cx, &u, m->hash, !own, own ? cx->actor.session : STR_NULL,
                             own ? "changed their own password" : "changed the password of");
}

enum err
do_password(struct cx *cx, void *arg)
{
    struct making m = {.x = arg};

    TRY(new_password(cx, m.x, &m.hash));
    return cx_write(cx, password_body, &m);
}

/* Hours after the last request, while the page that stayed open has kept the session alive; such touches
 * are no events, so the story leaves them out. */
enum err
do_sign_out(struct cx *cx, void *arg)
{
    struct act *x = arg;
    enum err e = signin_logout(cx);

    x->d->cookie[x->who] = x->d->session[x->who] = STR_NULL;
    if (e != ERR_NOT_FOUND)
        return e;
    fail_clear(cx); /* it was ended meanwhile: by a new password, or by being disabled */
    return OK;
}

/* ---- the workspace ---- */

/* More days than the usual window holds: a year of the log is kept. */
static enum err
keep_a_year(struct cx *cx)
{
    struct settings_change *c = arena_new(cx->arena, struct settings_change);

    TRY(settings_set(cx, c, SET_AUDIT_MONTHS, S("12"), S("/months_kept")));
    return settings_commit(cx, c, "audit log settings");
}

/* So that somebody is still locked when the demonstration is looked at. */
static enum err
lock_for_a_day(struct cx *cx)
{
    struct settings_change *c = arena_new(cx->arena, struct settings_change);

    TRY(settings_set(cx, c, SET_LOCKOUT_RELEASE, S("1440"), S("/lockout_release_minutes")));
    return settings_commit(cx, c, "authentication settings");
}

enum err
do_tenant(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct tenant_ref t;

    TRY(tenant_create(cx, S("Ridgeline Security (demonstration)"), true, &t));
    t.cuid = arena_str(x->d->app->arena, t.cuid);
    x->d->tenant = t;
    cx->tenant = t;
    TRY(lock_for_a_day(cx));
    return x->d->days > DEMO_DAYS ? keep_a_year(cx) : OK;
}

enum err
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

enum err
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

enum err
do_tags(struct cx *cx, void *arg)
{
    struct tag made;

    (void)arg;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        TRY(tag_create(cx, str_of(tags[i]), &made));
    return OK;
}

enum err
do_client(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct client c = {.name = str_of(demo_clients[x->whom].name),
                       .description = str_of(demo_clients[x->whom].about),
                       .poc = str_of(demo_clients[x->whom].poc),
                       .poc_email = str_of(demo_clients[x->whom].email)};
    struct granted g;

    TRY(client_insert(cx, &c));
    x->d->client[x->whom] = c.id;
    return client_grant_default_group(cx, &c, &g);
}

/* whom = client * 16 + person; text = role, NULL: taken off the client. */
enum err
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

enum err
do_client_text(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct client c, wanted;

    TRY(client_get(cx, x->d->client[x->whom], &c));
    wanted = c;
    wanted.description = arena_fmt(cx->arena, "%s; %s", demo_clients[x->whom].about, x->text);
    return client_update(cx, &c, &wanted);
}

enum err
do_disable(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct user u;

    TRY(user_get(cx, x->d->user[x->whom].user_id, &u));
    return user_set_disabled(cx, &u, true);
}

enum err
do_unlock(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct signin_locks l;
    struct user u;

    TRY(user_get(cx, x->d->user[x->whom].user_id, &u));
    TRY(signin_locks_of(cx, &u, &l));
    signin_forget(cx, &l); /* as the interface does */
    return user_unlock(cx, &u, true);
}
