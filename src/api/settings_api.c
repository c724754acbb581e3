/* Settings of the workspace: pages of fields over core/settings.h, the mail test, mail templates. */
#include "api/api.h"
#include "api/checkpoint_mail.h"
#include "api/mailer.h"
#include "api/retention_api.h"

#include "audit/audit.h"
#include "base/text.h"
#include "core/settings.h"
#include "core/tenant.h"

/* ---- pages ---- */

struct field {
    const char *member;
    enum setting setting;
};
struct page {
    const char *name, *what;
    struct field fields[16];
    size_t n;
};

static const struct page pages[] = {
    {"general",
     "general settings",
     {{"visibility", SET_VISIBILITY}, {"rapidTemplating", SET_RAPID_TEMPLATING}},
     2},
    {"authentication",
     "authentication settings",
     {{"mfa_required", SET_MFA_REQUIRED},
      {"password_policy", SET_PASSWORD_POLICY},
      {"password_min", SET_PASSWORD_MIN},
      {"lockout_failures", SET_LOCKOUT_FAILURES},
      {"lockout_minutes", SET_LOCKOUT_MINUTES},
      {"lockout_release_minutes", SET_LOCKOUT_RELEASE},
      {"idle_minutes", SET_IDLE_MINUTES},
      {"absolute_hours", SET_ABSOLUTE_HOURS},
      {"auth_per_minute", SET_AUTH_PER_MINUTE}},
     9},
    {"email",
     "email settings",
     {{"host", SET_EMAIL_HOST},
      {"port", SET_EMAIL_PORT},
      {"security", SET_EMAIL_SECURITY},
      {"username", SET_EMAIL_USERNAME},
      {"password", SET_EMAIL_PASSWORD},
      {"sender", SET_EMAIL_SENDER}},
     6},
    {"audit", "audit log settings", {{"months_kept", SET_AUDIT_MONTHS}}, 1},
    {"proofs",
     "settings of the audit log's proofs",
     {{"public", SET_PROOFS_PUBLIC}, {"checkpoint_mail", SET_CHECKPOINT_MAIL}},
     2},
    {"tiers", "classification settings", {{"enabled", SET_TIERS_ENABLED}}, 1},
};

/* The page a route is about: the last part of its path. */
static const struct page *
page_of(const struct api_request *rq)
{
    struct str path = str_of(rq->route->path);

    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (str_has_suffix(path, arena_fmt(rq->cx->arena, "/%s", pages[i].name)))
            return &pages[i];
    }
    BUG("no page of settings for %s", rq->route->path);
}

static void
write_value(struct cx *cx, struct json_writer *w, const struct field *f, const struct settings *all)
{
    const struct setting_info *i = setting_info(f->setting);

    if (i->kind == SETTING_SECRET) {
        json_key(w, arena_fmt(cx->arena, "%s_set", f->member));
        json_bool(w, !str_is_empty(all->value[f->setting]));
        return;
    }
    json_key(w, str_of(f->member));
    if (i->kind == SETTING_INT)
        json_i64(w, settings_int(all, f->setting));
    else if (i->kind == SETTING_BOOL)
        json_bool(w, settings_bool(all, f->setting));
    else
        json_str(w, all->value[f->setting]);
}

static enum err
get_page(struct api_request *rq)
{
    const struct page *p = page_of(rq);
    struct json_writer *w = &rq->out;
    struct settings all;
    struct tenant t;

    /* The log is kept for the installation: its first workspace holds the setting. */
    TRY(settings_load(rq->cx, p->fields[0].setting == SET_AUDIT_MONTHS ? 0 : rq->cx->tenant.id,
                      &all));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_object(w);
    if (p == &pages[0]) {
        TRY(tenant_get(rq->cx, &t));
        json_kv_str(w, "name", t.name);
        json_kv_str(w, "address", t.address);
    }
    for (size_t i = 0; i < p->n; i++)
        write_value(rq->cx, w, &p->fields[i], &all);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

/* The member as the text a setting is stored as; null: absent. */
static enum err
member_text(struct api_request *rq, const char *name, struct str *out)
{
    const struct json *v = json_get(rq->body, str_of(name));

    *out = STR_NULL;
    if (!v || v->type == JSON_NULL)
        return OK;
    switch (v->type) {
    case JSON_BOOL:
        *out = v->boolean ? S("true") : S("false");
        return OK;
    case JSON_NUMBER:
    case JSON_STRING:
        *out = v->text.p ? v->text : S("");
        return OK;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return fail_field(rq->cx, arena_fmt(rq->cx->arena, "/%s", name), "must be a single value");
}

static enum err
set_fields(struct api_request *rq, const struct page *p)
{
    struct settings_change *c = arena_new(rq->cx->arena, struct settings_change);
    enum err bad = OK;

    for (size_t i = 0; i < p->n; i++) {
        struct str value, at = arena_fmt(rq->cx->arena, "/%s", p->fields[i].member);
        enum err e = member_text(rq, p->fields[i].member, &value);

        if (e == OK && !str_is_null(value)) {
            bool secret = setting_info(p->fields[i].setting)->kind == SETTING_SECRET;

            e = settings_set(rq->cx, c, p->fields[i].setting, secret ? value : str_trim(value), at);
        }
        if (e != OK && e != ERR_INVALID)
            return e;
        if (e != OK)
            bad = e;
    }
    TRY(bad);
    return settings_commit(rq->cx, c, p->what);
}

static enum err
put_page(struct api_request *rq)
{
    const struct page *p = page_of(rq);

    if (p == &pages[0]) {
        struct str name, address;

        TRY(body_str(rq, rq->body, "name", false, TENANT_NAME_MAX, &name));
        TRY(body_str(rq, rq->body, "address", false, TENANT_ADDRESS_MAX, &address));
        if (!str_is_null(name) && text_is_blank(name))
            return fail_field(rq->cx, S("/name"), "must not be empty");
        if (!str_is_null(name) || !str_is_null(address))
            TRY(tenant_update(rq->cx, name, address));
    }
    TRY(set_fields(rq, p));
    return api_ok(rq, S("Saved"));
}

/* The stored password was typed for one server: whoever may change the settings without knowing it
 * must not have it sent to another one, or in the open. */
static enum err
keep_password_here(struct api_request *rq)
{
    static const struct field bound[] = {
        {"host", SET_EMAIL_HOST}, {"port", SET_EMAIL_PORT}, {"security", SET_EMAIL_SECURITY}};
    const struct json *typed = json_get(rq->body, S("password"));
    struct settings all;
    bool moves = false;

    if (typed && typed->type != JSON_NULL)
        return OK;
    TRY(settings_load(rq->cx, rq->cx->tenant.id, &all));
    if (str_is_empty(all.value[SET_EMAIL_PASSWORD]))
        return OK;
    for (size_t i = 0; i < sizeof bound / sizeof bound[0]; i++) {
        struct str value;

        TRY(member_text(rq, bound[i].member, &value));
        moves =
            moves || (!str_is_null(value) && !str_eq(str_trim(value), all.value[bound[i].setting]));
    }
    return moves ? fail_field(rq->cx, S("/password"),
                              "has to be typed again for another server, port or security")
                 : OK;
}

/* The sender must be an address, and a server needs a sender. */
static enum err
put_email(struct api_request *rq)
{
    struct str sender, host;

    TRY(body_str(rq, rq->body, "sender", false, 320, &sender));
    TRY(body_str(rq, rq->body, "host", false, 255, &host));
    if (!str_is_empty(sender) && !email_is_valid(str_trim(sender)))
        return fail_field(rq->cx, S("/sender"), "must be an e-mail address");
    for (size_t i = 0; i < host.n; i++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]",
                    host.p[i]))
            return fail_field(rq->cx, S("/host"), "must be a host name or address");
    }
    TRY(keep_password_here(rq));
    return put_page(rq);
}

/* Whoever gets checkpoints gets the first at once. */
static enum err
put_proofs(struct api_request *rq)
{
    struct str addresses;

    TRY(body_str(rq, rq->body, "checkpoint_mail", false, 1000, &addresses));
    if (!str_is_null(addresses))
        TRY(checkpoint_mail_check(rq->cx, addresses, S("/checkpoint_mail")));
    TRY(put_page(rq));
    return checkpoint_mail_due(rq->cx);
}

/* ---- the documented forms ---- */

static enum err
put_settings(struct api_request *rq)
{
    struct settings_change *c = arena_new(rq->cx->arena, struct settings_change);
    struct str visibility, sender, rapid;

    TRY(body_str(rq, rq->body, "visibility", false, 32, &visibility));
    TRY(body_str(rq, rq->body, "senderEmailAddress", false, 320, &sender));
    TRY(member_text(rq, "rapidTemplating", &rapid));
    if (!str_is_null(visibility))
        TRY(settings_set(rq->cx, c, SET_VISIBILITY, visibility, S("/visibility")));
    if (!str_is_null(rapid))
        TRY(settings_set(rq->cx, c, SET_RAPID_TEMPLATING, rapid, S("/rapidTemplating")));
    if (!str_is_null(sender)) {
        if (!str_is_empty(sender) && !email_is_valid(str_trim(sender)))
            return fail_field(rq->cx, S("/senderEmailAddress"), "must be an e-mail address");
        TRY(settings_set(rq->cx, c, SET_EMAIL_SENDER, str_trim(sender), S("/senderEmailAddress")));
    }
    TRY(settings_commit(rq->cx, c, "general settings"));
    return api_ok(rq, S("Saved"));
}

static enum err
get_notifications(struct api_request *rq)
{
    int64_t days;

    TRY(settings_get_int(rq->cx, SET_REMINDER_DAYS, &days));
    json_begin_object(&rq->out);
    json_kv_i64(&rq->out, "reminderDays", days);
    json_end_object(&rq->out);
    return OK;
}

static enum err
put_notifications(struct api_request *rq)
{
    struct settings_change *c = arena_new(rq->cx->arena, struct settings_change);
    struct str days = query_str(rq, "reminderDays");

    if (str_is_empty(days))
        return fail_field(rq->cx, S("reminderDays"), "is required");
    TRY(settings_set(rq->cx, c, SET_REMINDER_DAYS, days, S("reminderDays")));
    TRY(settings_commit(rq->cx, c, "notification settings"));
    return api_ok(rq, S("Saved"));
}

/* ---- mail ---- */

static enum err
read_server(struct cx *cx, void *arg)
{
    return mailer_server(cx, arg);
}

static enum err
prepare_test(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct mail_server s;
    struct mail_message m = {
        .subject = S("Recount: test mail"),
        .text = S("This mail shows that Recount can send mail through this server.\n")};
    struct str why = STR_NULL;

    TRY(body_str(rq, rq->body, "to", true, USER_EMAIL_MAX, &m.to));
    m.to = str_trim(m.to);
    if (!email_is_valid(m.to))
        return fail_field(cx, S("/to"), "must be an e-mail address");
    TRY(cx_read(cx, read_server, &s));
    if (mail_send(cx, &s, &m, &why) != OK)
        return fail(cx, ERR_CONFLICT, "The mail could not be sent: %.*s", STR_ARG(why));
    return OK;
}

static enum err
answer_test(struct api_request *rq)
{
    return api_ok(rq, S("The mail server took the mail"));
}

#define FORGOTTEN "FORGOTTEN_PASSWORD"

static enum err
write_template(struct api_request *rq)
{
    struct str subject, body;

    TRY(settings_get_str(rq->cx, SET_FORGOTTEN_SUBJECT, &subject));
    TRY(settings_get_str(rq->cx, SET_FORGOTTEN_BODY, &body));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "name", S(FORGOTTEN));
    json_kv_str(&rq->out, "subject", subject);
    json_kv_str(&rq->out, "body", body);
    json_end_object(&rq->out);
    return OK;
}

static enum err
list_templates(struct api_request *rq)
{
    json_begin_object(&rq->out);
    json_key(&rq->out, S("data"));
    json_begin_array(&rq->out);
    TRY(write_template(rq));
    json_end_array(&rq->out);
    json_end_object(&rq->out);
    return OK;
}

static enum err
check_template(struct api_request *rq)
{
    return str_eq(rq->param[1], S(FORGOTTEN)) ? OK
                                              : fail(rq->cx, ERR_NOT_FOUND, "Template not found");
}

static enum err
get_template(struct api_request *rq)
{
    TRY(check_template(rq));
    return write_template(rq);
}

static enum err
put_template(struct api_request *rq)
{
    struct settings_change *c = arena_new(rq->cx->arena, struct settings_change);
    struct str subject, body;

    TRY(check_template(rq));
    TRY(body_str(rq, rq->body, "subject", false, 200, &subject));
    TRY(body_str(rq, rq->body, "body", false, 8000, &body));
    if (!str_is_null(body) && !str_contains(body, S("%%LINK%%")))
        return fail_field(rq->cx, S("/body"), "must contain %%%%LINK%%%%");
    if (!str_is_null(subject))
        TRY(settings_set(rq->cx, c, SET_FORGOTTEN_SUBJECT, subject, S("/subject")));
    if (!str_is_null(body))
        TRY(settings_set(rq->cx, c, SET_FORGOTTEN_BODY, body, S("/body")));
    TRY(settings_commit(rq->cx, c, "mail template " FORGOTTEN));
    return api_ok(rq, S("Saved"));
}

#define SETTINGS   "/api/v2/tenants/{t}/settings"
#define READ(perm) .who = WHO_PERMISSION, .permission = perm, .tx = TX_READ
#define WRITE(perm)                                                                                \
    .who = WHO_PERMISSION, .permission = perm, .tx = TX_WRITE, .body = BODY_JSON,                  \
    .events = "SettingChanged"

const struct route settings_routes[] = {
    {.method = HTTP_PUT,
     .path = SETTINGS,
     WRITE(PERM_GENERAL_SETTINGS),
     .fields = "visibility:string senderEmailAddress:string rapidTemplating:boolean",
     .summary = "Change general settings",
     .apply = put_settings},
    {.method = HTTP_GET,
     .path = SETTINGS "/general",
     READ(PERM_GENERAL_SETTINGS),
     .summary = "General settings",
     .apply = get_page},
    {.method = HTTP_PUT,
     .path = SETTINGS "/general",
     WRITE(PERM_GENERAL_SETTINGS),
     .fields = "name:string address:string visibility:string rapidTemplating:boolean",
     .summary = "Change general settings",
     .apply = put_page},
    {.method = HTTP_GET,
     .path = SETTINGS "/authentication",
     READ(PERM_AUTH_SETTINGS),
     .summary = "Authentication settings",
     .apply = get_page},
    {.method = HTTP_PUT,
     .path = SETTINGS "/authentication",
     WRITE(PERM_AUTH_SETTINGS),
     .fields =
         "mfa_required:boolean password_policy:string password_min:integer lockout_failures:integer "
         "lockout_minutes:integer lockout_release_minutes:integer idle_minutes:integer absolute_hours:integer "
         "auth_per_minute:integer",
     .summary = "Change authentication settings",
     .apply = put_page},
    {.method = HTTP_GET,
     .path = SETTINGS "/email",
     READ(PERM_EMAIL_SETTINGS),
     .summary = "Email settings",
     .apply = get_page},
    {.method = HTTP_PUT,
     .path = SETTINGS "/email",
     WRITE(PERM_EMAIL_SETTINGS),
     .fields =
         "host:string port:integer security:string username:string password:string sender:string",
     .summary = "Change email settings",
     .apply = put_email},
    {.method = HTTP_POST,
     .path = SETTINGS "/email/test",
     .who = WHO_PERMISSION,
     .permission = PERM_EMAIL_SETTINGS,
     .tx = TX_NONE,
     .body = BODY_JSON,
     .rate = RATE_HEAVY,
     .fields = "to:string*",
     .summary = "Send a test mail",
     .prepare = prepare_test,
     .apply = answer_test},
    {.method = HTTP_GET,
     .path = SETTINGS "/proofs",
     READ(PERM_AUDIT_RETENTION),
     .summary =
         "Whether checkpoints and tiles of the log are public, and who gets a checkpoint by mail",
     .apply = get_page},
    {.method = HTTP_PUT,
     .path = SETTINGS "/proofs",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_RETENTION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .events = "SettingChanged AuditCheckpointMailed",
     .fields = "public:boolean checkpoint_mail:string",
     .summary =
         "Make checkpoints and tiles of the log public, or not; who gets a checkpoint by mail each day",
     .apply = put_proofs},
    {.method = HTTP_GET,
     .path = SETTINGS "/audit",
     READ(PERM_AUDIT_RETENTION),
     .summary = "Retention of the log",
     .apply = get_page},
    {.method = HTTP_PUT,
     .path = SETTINGS "/audit",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_RETENTION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "months_kept:integer*",
     .events = "SettingChanged AuditRetentionLoweringAnnounced AuditRetentionLoweringCancelled",
     .summary = "Keep the log longer at once, or shorter in 30 days",
     .apply = retention_apply,
     .after = retention_after},
    {.method = HTTP_GET,
     .path = SETTINGS "/tiers",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "Whether classification tiers are on",
     .apply = get_page},
    {.method = HTTP_PUT,
     .path = SETTINGS "/tiers",
     WRITE(PERM_TIERS_MANAGE),
     .fields = "enabled:boolean*",
     .summary = "Switch classification tiers on or off",
     .apply = put_page},
    {.method = HTTP_GET,
     .path = "/api/v1/tenant/{t}/notificationsettings",
     READ(PERM_GENERAL_SETTINGS),
     .summary = "Reminders",
     .apply = get_notifications},
    {.method = HTTP_PUT,
     .path = "/api/v1/tenant/{t}/notificationsettings",
     .who = WHO_PERMISSION,
     .permission = PERM_GENERAL_SETTINGS,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .events = "SettingChanged",
     .summary = "Change reminders",
     .apply = put_notifications},
    {.method = HTTP_GET,
     .path = "/api/v2/tenants/{t}/mailer/templates",
     READ(PERM_EMAIL_SETTINGS),
     .summary = "Mail templates",
     .apply = list_templates},
    {.method = HTTP_GET,
     .path = "/api/v2/tenants/{t}/mailer/templates/{name}",
     READ(PERM_EMAIL_SETTINGS),
     .summary = "One mail template",
     .apply = get_template},
    {.method = HTTP_PUT,
     .path = "/api/v2/tenants/{t}/mailer/templates/{name}",
     WRITE(PERM_EMAIL_SETTINGS),
     .fields = "subject:string body:string",
     .summary = "Change a mail template",
     .apply = put_template},
    {0},
};
