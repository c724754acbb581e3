/* recount user: people managed on the machine itself; each change is recorded with the operating
 * system's user and host as its actor. */
#include <stdio.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "core/limits.h"
#include "core/password.h"
#include "core/settings.h"
#include "core/signin.h"
#include "core/tenant.h"
#include "core/user.h"

struct user_args {
    struct str email, first, last, role, tenant, tenant_name;
    bool password_stdin;
    struct str hash;
    bool make_tenant;
};

/* The first line of standard input. */
static bool
read_password(struct arena *a, struct str *out)
{
    struct buf *b = buf_in(a, PASSWORD_MAX + 2);
    char ch;

    while (read(STDIN_FILENO, &ch, 1) == 1 && ch != '\n')
        buf_char(b, ch);
    if (buf_failed(b) || b->n == 0 || b->n > PASSWORD_MAX || !utf8_is_valid(buf_view(b)))
        return false;
    *out = buf_view(b);
    return true;
}

struct policy {
    struct password_policy p;
};

static enum err
policy_body(struct cx *cx, void *arg)
{
    struct policy *p = arg;
    int64_t min;
    struct str kind;

    TRY(settings_get_int(cx, SET_PASSWORD_MIN, &min));
    TRY(settings_get_str(cx, SET_PASSWORD_POLICY, &kind));
    p->p = (struct password_policy){.classes = str_eq(kind, S("classes")), .min = (int)min};
    return OK;
}

static enum err
create_body(struct cx *cx, void *arg)
{
    const struct user_args *u = arg;
    struct user_spec spec = {.email = u->email,
                             .first = u->first,
                             .last = u->last,
                             .role = u->role,
                             .password_hash = u->hash};
    struct user made;

    if (u->make_tenant) {
        struct tenant_ref t;
        struct str name = str_is_null(u->tenant_name) ? S("Recount") : u->tenant_name;

        TRY(tenant_create(cx, name, false, &t));
        cx->tenant = t;
    }
    return user_create(cx, &spec, &made);
}

/* Reads the password, holds it against the workspace's policy and hashes it into u. */
static bool
take_password(struct cx *cx, struct user_args *u)
{
    struct policy p = {{.classes = true, .min = PASSWORD_MIN_DEFAULT}};
    struct str plain;

    if (!read_password(cx->arena, &plain)) {
        refuse("no password on standard input");
        return false;
    }
    if ((cx->tenant.known && cx_read(cx, policy_body, &p) != OK) ||
        password_check(cx, &p.p, plain, u->email, S("password")) != OK ||
        password_hash(cx, plain, &u->hash) != OK) {
        refuse("%.*s", STR_ARG(cx->failure.message));
        return false;
    }
    return true;
}

static int
user_create_cmd(struct cx *cx, struct user_args *u)
{
    if (str_is_null(u->email) || str_is_null(u->first) || str_is_null(u->last) ||
        str_is_null(u->role) || !u->password_stdin)
        return usage(
            "user create --email E --first F --last L --role ADMIN [--tenant N | --new-tenant --tenant-name W]\n"
            "                           --password-stdin");
    if (!take_password(cx, u))
        return 1;
    u->make_tenant |= !cx->tenant.known;
    if (cx_write(cx, create_body, u) != OK)
        return refuse("%.*s", STR_ARG(cx->failure.message));
    printf("%.*s can sign in.\n", STR_ARG(u->email));
    return 0;
}

static enum err
unlock_body(struct cx *cx, void *arg)
{
    const struct user_args *u = arg;
    struct user found;

    TRY(user_get_by_email(cx, u->email, &found));
    return user_unlock(cx, &found, true);
}

static enum err
reset_mfa_body(struct cx *cx, void *arg)
{
    const struct user_args *u = arg;
    struct user found;

    TRY(user_get_by_email(cx, u->email, &found));
    return user_mfa_reset(cx, &found, true);
}

static enum err
set_password_body(struct cx *cx, void *arg)
{
    const struct user_args *u = arg;
    struct user found;

    TRY(user_get_by_email(cx, u->email, &found));
    return user_set_password(cx, &found, u->hash, true, STR_NULL, "changed the password of");
}

/* For who can not be sent a link. The account's sessions end; its second factor stays. */
static int
set_password_cmd(struct cx *cx, struct user_args *u)
{
    if (str_is_null(u->email) || !u->password_stdin)
        return usage("user set-password --email E --password-stdin");
    if (!take_password(cx, u))
        return 1;
    if (cx_write(cx, set_password_body, u) != OK)
        return refuse("%.*s", STR_ARG(cx->failure.message));
    printf("%.*s can sign in with the new password; sessions of before have ended.\n",
           STR_ARG(u->email));
    return 0;
}

static const struct sql LIST_USERS = SQL_READ(
    "SELECT email, first, last, disabled, locked_until, mfa_enabled FROM user_account WHERE tenant_id = $1 "
    "ORDER BY email_folded");

static enum err
list_body(struct cx *cx, void *arg)
{
    struct db_rows *r;
    enum err e;

    (void)arg;
    TRY(db_query(cx->tx, &LIST_USERS, ARGS(V_INT(cx->tenant.id)), &r));
    while ((e = db_next(r)) == OK) {
        struct buf *line = buf_in(cx->arena, 4096);

        text_visible(line, db_text(r, 0));
        buf_char(line, '\t');
        text_visible(line, db_text(r, 1));
        buf_char(line, ' ');
        text_visible(line, db_text(r, 2));
        printf("%.*s\t%s%s%s\n", STR_ARG(buf_view(line)), db_int(r, 3) ? "disabled" : "enabled",
               db_int(r, 4) > cx->now ? ", locked" : "", db_int(r, 5) ? ", second factor" : "");
    }
    return e == ERR_END ? OK : e;
}

int
cmd_user(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    struct user_args u = {0};
    const struct option_def defs[] = {CONFIG_OPTIONS(&c),
                                      {"email", &u.email, NULL},
                                      {"first", &u.first, NULL},
                                      {"last", &u.last, NULL},
                                      {"role", &u.role, NULL},
                                      {"tenant", &u.tenant, NULL},
                                      {"tenant-name", &u.tenant_name, NULL},
                                      {"new-tenant", NULL, &u.make_tenant},
                                      {"password-stdin", NULL, &u.password_stdin},
                                      {0}};
    struct app *app;
    struct cx cx;
    int64_t tenant = 0;
    int status = 1;

    if (!options_read(a, defs, &argc, argv) || argc != 1)
        return usage("user create|list|unlock|reset-mfa|set-password …");
    if (!str_is_null(u.tenant) && str_int64(u.tenant, &tenant) != OK)
        return usage("user: --tenant wants a number");
    if (!config_finish(a, &c, STR_NULL) ||
        !app_open(a, &c, (struct open_want){.migrate = true, .create = true}, &app))
        return 1;
    app->limits = limits_create(a);
    cx = command_cx(app, a, "user");
    cx.actor.name = command_cx(app, a, arena_cstr(a, arena_fmt(a, "user %s", argv[0]))).actor.name;
    if (!u.make_tenant && command_tenant(&cx, tenant) != OK) {
        if (!str_eq(str_of(argv[0]), S("create")) || !str_is_null(u.tenant)) {
            status = refuse("%.*s", STR_ARG(cx.failure.message));
            goto out;
        }
        fail_clear(&cx);
    }
    if (str_eq(str_of(argv[0]), S("create")))
        status = user_create_cmd(&cx, &u);
    else if (str_eq(str_of(argv[0]), S("set-password")))
        status = set_password_cmd(&cx, &u);
    else if (str_eq(str_of(argv[0]), S("list")))
        status =
            cx_read(&cx, list_body, NULL) == OK ? 0 : refuse("%.*s", STR_ARG(cx.failure.message));
    else if (str_eq(str_of(argv[0]), S("unlock")) && !str_is_null(u.email))
        status =
            cx_write(&cx, unlock_body, &u) == OK ? 0 : refuse("%.*s", STR_ARG(cx.failure.message));
    else if (str_eq(str_of(argv[0]), S("reset-mfa")) && !str_is_null(u.email))
        status = cx_write(&cx, reset_mfa_body, &u) == OK
                     ? 0
                     : refuse("%.*s", STR_ARG(cx.failure.message));
    else
        status =
            usage("user create|list|unlock --email E|reset-mfa --email E|set-password --email E");
    if (status == 0 && audit_move_now(app) != OK)
        refuse("the event is recorded but not yet placed; the server will do it");
out:
    app_close(app);
    return status;
}
