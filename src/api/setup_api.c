/* The first minutes of an installation: its workspace and its first administrator, allowed once,
 * by whoever holds the link the server printed. */
#include "api/auth.h"

#include "audit/audit.h"
#include "core/link.h"
#include "core/settings.h"
#include "core/tenant.h"

struct setup {
    struct str token, tenant_name, email, first, last, password, hash;
    int64_t months;
    bool known; /* the token is good */
};

static enum err
get_setup(struct api_request *rq)
{
    bool needed;

    TRY(link_setup_needed(rq->cx, &needed));
    json_begin_object(&rq->out);
    json_kv_bool(&rq->out, "needed", needed);
    json_end_object(&rq->out);
    return OK;
}

static enum err
check_token(struct cx *cx, void *arg)
{
    struct setup *s = arg;
    struct link link;
    bool needed;
    enum err e;

    TRY(link_setup_needed(cx, &needed));
    if (!needed)
        return fail(cx, ERR_CONFLICT, "This installation is set up already");
    e = link_get(cx, s->token, S("setup"), &link);
    s->known = e == OK;
    return e == ERR_NOT_FOUND ? OK : e;
}

static enum err
decode(struct api_request *rq, struct setup *s)
{
    enum err e[] = {body_str(rq, rq->body, "token", true, 128, &s->token),
                    body_str(rq, rq->body, "tenant_name", true, TENANT_NAME_MAX, &s->tenant_name),
                    body_str(rq, rq->body, "email", true, USER_EMAIL_MAX, &s->email),
                    body_str(rq, rq->body, "first", true, USER_NAME_MAX, &s->first),
                    body_str(rq, rq->body, "last", true, USER_NAME_MAX, &s->last),
                    body_str(rq, rq->body, "password", true, PASSWORD_MAX, &s->password),
                    body_int(rq, rq->body, "retention_months", false, 4, 120, &s->months)};

    for (size_t i = 0; i < sizeof e / sizeof e[0]; i++)
        TRY(e[i]);
    if (!email_is_unmistakable(rq->cx->arena, str_trim(s->email)))
        return fail_field(rq->cx, S("/email"), "must be " EMAIL_WANTED);
    return OK;
}

static enum err
prepare_setup(struct api_request *rq)
{
    struct setup *s = arena_new(rq->cx->arena, struct setup);
    struct password_policy p = {.classes = true, .min = PASSWORD_MIN_DEFAULT};

    s->months = 4;
    TRY(auth_same_site(rq));
    TRY(signin_address_allowed(rq->cx));
    TRY(decode(rq, s));
    TRY(cx_read(rq->cx, check_token, s));
    if (!s->known) {
        signin_address_failed(rq->cx);
        return fail(rq->cx, ERR_FORBIDDEN,
                    "The set-up link is not valid any more: start the server again for a new one");
    }
    TRY(password_check(rq->cx, &p, s->password, s->email, S("/password")));
    TRY(password_hash(rq->cx, s->password, &s->hash));
    rq->state = s;
    return OK;
}

static enum err
set_months(struct cx *cx, int64_t months)
{
    struct settings_change *c = arena_new(cx->arena, struct settings_change);

    TRY(settings_set(cx, c, SET_AUDIT_MONTHS, arena_fmt(cx->arena, "%lld", (long long)months),
                     S("/retention_months")));
    return settings_commit(cx, c, "audit log settings");
}

static enum err
apply_setup(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct setup *s = rq->state;
    struct user_spec spec = {.email = s->email,
                             .first = str_trim(s->first),
                             .last = str_trim(s->last),
                             .role = S("ADMIN"),
                             .password_hash = s->hash,
                             .pointer = S("")};
    struct audit_entry e = {.event = EV_PASSWORD_CHANGED};
    struct user u;

    cx->actor = (struct actor){.kind = ACTOR_ANONYMOUS, .name = S("Set-up")};
    cx->tenant = (struct tenant_ref){0};
    TRY(check_token(cx, s));
    if (!s->known || link_use(cx, s->token) != OK)
        return fail(cx, ERR_CONFLICT, "The set-up link was used a moment ago");
    TRY(tenant_create(cx, str_trim(s->tenant_name), false, &cx->tenant));
    TRY(user_create(cx, &spec, &u));
    e = user_entry(cx, &u, EV_PASSWORD_CHANGED,
                   arena_fmt(cx->arena, "%.*s set their own password at set-up",
                             STR_ARG(user_label(cx->arena, &u))));
    TRY(audit_record(cx, &e, NULL));
    TRY(set_months(cx, s->months));
    return api_ok(rq, S("The workspace is ready"));
}

static enum err
after_setup(struct api_request *rq)
{
    const struct setup *s = rq->state;

    audit_set_months_kept(rq->cx->app, (int)s->months);
    return OK;
}

const struct route setup_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/setup",
     .who = WHO_PUBLIC,
     .tx = TX_READ,
     .summary = "Whether the installation waits for its set-up",
     .apply = get_setup},
    {.method = HTTP_POST,
     .path = "/api/v2/setup",
     .who = WHO_PUBLIC,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .rate = RATE_AUTH,
     .fields =
         "token:string* tenant_name:string* email:string* first:string* last:string* password:string* "
         "retention_months:integer",
     .events = "TenantCreated UserCreated TenantRoleAssigned PasswordChanged SettingChanged",
     .summary = "Set the installation up",
     .prepare = prepare_setup,
     .apply = apply_setup,
     .after = after_setup},
    {0},
};
