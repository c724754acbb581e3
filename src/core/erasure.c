/* Requests to erase a person: asking, approving, cancelling, reading. Owns the table
 * audit_erasure_request; running them is erasure_run.c. */
#include "core/erasure.h"

#include "base/text.h"
#include "codec/json.h"
#include "core/hold.h"
#include "core/permission.h"
#include "core/trail.h"
#include "core/user.h"
#include "run/app.h"
#include "run/keys.h"

#define FIND_EVENTS    200 /* read to learn whom a word means */
#define DUE_MAX        100 /* looked at in one tick */
#define FIND_BUDGET_MS 2000
#define SEALED_MAX     ((size_t)256 << 10) /* four lists of words, each bounded */

/* ---- whom a word means ---- */

static void
learn(struct cx *cx, struct erase_subject *s, struct str id, struct str name, struct str email)
{
    struct arena *a = cx->arena;
    struct erase_words one = {0};

    (void)erase_words_add_folded(a, &one, email);
    for (size_t i = 0; i < s->cuids.n; i++)
        if (str_eq(s->cuids.v[i], id)) {
            (void)erase_words_add_folded(a, &s->emails, email);
            if (str_index(str_trim(name), ' ') != SIZE_MAX && name.n >= ERASE_NAME_MIN)
                (void)erase_words_add_folded(a, &s->names, name);
            return;
        }
    for (size_t i = 0; i < s->emails.n && one.n; i++)
        if (str_eq(s->emails.v[i], one.v[0])) {
            (void)erase_words_add(a, &s->cuids, id);
            if (str_index(str_trim(name), ' ') != SIZE_MAX && name.n >= ERASE_NAME_MIN)
                (void)erase_words_add_folded(a, &s->names, name);
        }
}

/* The newest events of whoever has the cuid or the address; *n: how many there are of them. */
static enum err
look_up(struct cx *cx, struct erase_subject *s, struct str word, size_t *n)
{
    struct audit_query q = {.tenant_id = cx->tenant.id,
                            .user = word,
                            .outcome = -1,
                            .after = -1,
                            .before = -1,
                            .limit = FIND_EVENTS,
                            .budget_ms = FIND_BUDGET_MS};
    struct audit_page page = {0};

    TRY(audit_list(cx, &q, &page));
    for (size_t i = 0; i < page.n; i++) {
        const struct audit_event *e = &page.events[i];
        bool user = str_eq(e->target_kind, S("user"));

        if (e->erased)
            continue;
        learn(cx, s, e->actor_id, e->actor_name, e->actor_email);
        learn(cx, s, user ? e->target_id : STR_NULL, e->target_name, e->target_email);
    }
    *n = page.n;
    return OK;
}

enum err
erasure_find(struct cx *cx, struct str subject, const struct str *texts, size_t n_texts,
             struct erase_subject *out)
{
    struct erase_subject s = {.tenant_id = cx->tenant.id};
    struct str word = str_trim(subject);
    bool address = str_contains(word, S("@"));
    size_t n = 0;

    if (!(address ? email_is_valid(word) : cuid_is(word)))
        return fail_field(cx, S("/subject"),
                          "must be an e-mail address or the id (cuid) of a deleted account");
    if (address)
        (void)erase_words_add_folded(cx->arena, &s.emails, word);
    else
        (void)erase_words_add(cx->arena, &s.cuids, word);
    for (size_t i = 0; i < n_texts; i++)
        (void)erase_words_add_folded(cx->arena, &s.texts, texts[i]);
    TRY(look_up(cx, &s, word, &n));
    if (n == 0 && !address)
        return fail(cx, ERR_NOT_FOUND, "The log of this workspace holds nothing of this account");
    s.person = erase_person(cx, s.cuids.n ? s.cuids.v[0] : s.emails.v[0]);
    *out = s;
    return OK;
}

/* ---- sealing ---- */

static void
put_words(struct json_writer *w, const char *name, const struct erase_words *words)
{
    json_key(w, str_of(name));
    json_begin_array(w);
    for (size_t i = 0; i < words->n; i++)
        json_str(w, words->v[i]);
    json_end_array(w);
}

struct str
erasure_seal(struct cx *cx, const struct erase_subject *who)
{
    struct buf *b = buf_in(cx->arena, SEALED_MAX);
    struct json_writer w;

    json_writer_init(&w, b);
    json_begin_object(&w);
    put_words(&w, "cuids", &who->cuids);
    put_words(&w, "emails", &who->emails);
    put_words(&w, "names", &who->names);
    put_words(&w, "texts", &who->texts);
    json_kv_str(&w, "request", who->request); /* no other request's row opens it */
    json_end_object(&w);
    return base64url_in(cx->arena, keys_seal(cx->arena, cx->app->keys, buf_view(b)));
}

static void
get_words(struct cx *cx, const struct json *o, const char *name, struct erase_words *out)
{
    const struct json *list = json_get(o, str_of(name));

    for (const struct json *v = list ? list->first : NULL; v; v = v->next)
        if (json_is(v, JSON_STRING))
            (void)erase_words_add(cx->arena, out, v->text);
}

enum err
erasure_subject(struct cx *cx, const struct erasure *e, struct erase_subject *out)
{
    struct erase_subject s = {.tenant_id = cx->tenant.id, .person = e->person, .request = e->cuid};
    struct buf *b = buf_in(cx->arena, SEALED_MAX * 2);
    struct json *o;
    struct str plain;
    size_t where;
    const char *why;

    if (str_is_empty(e->subject))
        return ERR_NOT_FOUND;
    if (base64url_get(e->subject, b) != OK ||
        keys_unseal(cx->arena, cx->app->keys, buf_view(b), &plain) != OK ||
        json_parse(cx->arena, plain, &o, &where, &why) != OK)
        return fail(cx, ERR_CONFLICT,
                    "The request can not be opened: it was made with other keys. Cancel it and ask "
                    "again");
    if (!json_is(json_get(o, S("request")), JSON_STRING) ||
        !str_eq(json_get(o, S("request"))->text, e->cuid))
        return fail(cx, ERR_CONFLICT, "The request holds the person of another one");
    get_words(cx, o, "cuids", &s.cuids);
    get_words(cx, o, "emails", &s.emails);
    get_words(cx, o, "names", &s.names);
    get_words(cx, o, "texts", &s.texts);
    *out = s;
    return OK;
}

/* ---- the rules ---- */

static enum err
account_is_gone(struct cx *cx, const struct erase_subject *who)
{
    static const struct sql by_cuid =
        SQL_READ("SELECT count(*) FROM user_account WHERE tenant_id = $1 AND cuid = $2");
    static const struct sql by_email =
        SQL_READ("SELECT count(*) FROM user_account WHERE tenant_id = $1 AND email_folded = $2");
    int64_t n = 0, found = 0;

    for (size_t i = 0; i < who->cuids.n; i++, found += n)
        TRY(db_query_int(cx->tx, &by_cuid, ARGS(V_INT(cx->tenant.id), V_STR(who->cuids.v[i])), &n));
    for (size_t i = 0; i < who->emails.n; i++, found += n)
        TRY(db_query_int(cx->tx, &by_email,
                         ARGS(V_INT(cx->tenant.id), V_STR(email_fold(cx->arena, who->emails.v[i]))),
                         &n));
    return found == 0
               ? OK
               : fail_word(cx, ERR_CONFLICT, S("account_exists"),
                           "The person still has an account here: delete it first (Users), then "
                           "ask for the erasure");
}

static bool
is_subject(struct cx *cx, const struct erase_subject *who)
{
    struct erase_words me = {0};

    (void)erase_words_add_folded(cx->arena, &me, cx->actor.email);
    for (size_t i = 0; i < who->cuids.n; i++)
        if (str_eq(who->cuids.v[i], cx->actor.cuid))
            return true;
    for (size_t i = 0; i < who->emails.n && me.n; i++)
        if (str_eq(who->emails.v[i], me.v[0]))
            return true;
    return false;
}

static enum err
no_hold(struct cx *cx)
{
    int64_t n;

    TRY(hold_count(cx, &n));
    return n == 0 ? OK
                  : fail_word(cx, ERR_CONFLICT, S("legal_hold"),
                              "A legal hold stands on the audit log: nobody is erased from it "
                              "until it is released");
}

/* Who could approve beside the caller: enabled, with the permission. */
enum err
erasure_approvers(struct cx *cx, int64_t but, int64_t *n)
{
    static const struct sql q = SQL_READ(
        "SELECT count(DISTINCT u.user_id) FROM user_account u"
        " JOIN user_role ur ON ur.tenant_id = u.tenant_id AND ur.user_id = u.user_id"
        " JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid AND r.enabled = 1"
        " JOIN role_permission p ON p.tenant_id = r.tenant_id AND p.role_cuid = r.cuid"
        " WHERE u.tenant_id = $1 AND u.disabled = 0 AND u.user_id <> $2 AND p.permission = $3");

    return db_query_int(cx->tx, &q,
                        ARGS(V_INT(cx->tenant.id), V_INT(but),
                             V_STR(str_of(permission_info(PERM_AUDIT_ERASE)->key))),
                        n);
}

/* ---- reading ---- */

#define ERASURE_COLS                                                                               \
    "SELECT e.cuid, e.state, e.person, e.subject, e.reason, e.legal_ground, e.asked_by,"           \
    " e.asked_at, e.due_at, e.approved_by, e.approved_at, e.ended_by, e.ended_at, e.step,"         \
    " e.looked_at, e.total, e.events, e.cursor, e.result, a.first, a.last, p.first, p.last,"       \
    " x.first, x.last FROM audit_erasure_request e"                                                \
    " LEFT JOIN user_account a ON a.tenant_id = e.tenant_id AND a.user_id = e.asked_by"            \
    " LEFT JOIN user_account p ON p.tenant_id = e.tenant_id AND p.user_id = e.approved_by"         \
    " LEFT JOIN user_account x ON x.tenant_id = e.tenant_id AND x.user_id = e.ended_by"            \
    " WHERE e.tenant_id = $1 "

static struct str
name_at(struct cx *cx, const struct db_rows *r, int user, int col)
{
    if (!db_is_null(r, user) && db_int(r, user) == OPERATOR)
        return S(OPERATOR_NAME);
    return db_is_null(r, col) ? STR_NULL
                              : user_full_name(cx->arena, db_text(r, col), db_text(r, col + 1));
}

static void
read_erasure(struct cx *cx, const struct db_rows *r, struct erasure *e)
{
    struct arena *a = cx->arena;

    *e = (struct erasure){
        .cuid = arena_str(a, db_text(r, 0)),
        .state = arena_str(a, db_text(r, 1)),
        .person = arena_str(a, db_text(r, 2)),
        .subject = arena_str(a, db_text(r, 3)),
        .reason = arena_str(a, db_text(r, 4)),
        .legal_ground = arena_str(a, db_text(r, 5)),
        .asked_by = db_int(r, 6),
        .asked_at = db_int(r, 7),
        .due_at = db_int(r, 8),
        .approved_by = db_int(r, 9),
        .approved_at = db_int(r, 10),
        .ended_by = db_int(r, 11),
        .ended_at = db_int(r, 12),
        .step = db_int(r, 13),
        .looked_at = db_int(r, 14),
        .total = db_int(r, 15),
        .events = db_int(r, 16),
        .cursor = arena_str(a, db_text(r, 17)),
        .result = arena_str(a, db_text(r, 18)),
        .asked_by_name = name_at(cx, r, 6, 19),
        .approved_by_name = name_at(cx, r, 9, 21),
        .ended_by_name = name_at(cx, r, 11, 23),
    };
}

enum err
erasure_list(struct cx *cx, struct erasures *out)
{
    static const struct sql q =
        SQL_READ(ERASURE_COLS "ORDER BY e.asked_at DESC, e.cuid DESC LIMIT $2");
    struct erasures all = {.v = arena_array(cx->arena, struct erasure, ERASURE_LIST_MAX)};
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(ERASURE_LIST_MAX)), &r));
    while ((e = db_next(r)) == OK)
        read_erasure(cx, r, &all.v[all.n++]);
    if (e != ERR_END)
        return e;
    for (size_t i = 0; i < all.n; i++)
        if (i == 0)
            TRY(erasure_wal_read(cx, &all.v[0].wal));
        else
            all.v[i].wal = all.v[0].wal;
    *out = all;
    return OK;
}

enum err
erasure_get(struct cx *cx, struct str cuid, struct erasure *out)
{
    static const struct sql q = SQL_READ(ERASURE_COLS "AND e.cuid = $2");
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(cuid)), &r);

    if (e == ERR_NOT_FOUND)
        return fail(cx, ERR_NOT_FOUND, "There is no such request");
    TRY(e);
    read_erasure(cx, r, out);
    db_rows_end(r);
    return erasure_wal_read(cx, &out->wal);
}

/* ---- asking ---- */

static enum err
record(struct cx *cx, enum event ev, const struct erasure *e, const char *what)
{
    struct str label = erased_label(cx->arena, e->person);
    struct trail changes = {0};
    struct audit_entry entry = {
        .event = ev, .target_kind = S("person"), .target_id = e->person, .target_name = label};

    trail_note(cx, &changes, S("reason"), STR_NULL, e->reason);
    trail_note(cx, &changes, S("legal ground"), STR_NULL, e->legal_ground);
    trail_note(cx, &changes, S("request"), STR_NULL, e->cuid);
    if (e->due_at && ev == EV_ERASURE_REQUESTED)
        trail_note(cx, &changes, S("runs by itself on"), STR_NULL, time_iso(cx->arena, e->due_at));
    entry.text = arena_fmt(cx->arena, "%.*s %s that a person is erased from the audit log: %.*s",
                           STR_ARG(trail_actor(cx)), what, STR_ARG(label));
    entry.changes = changes.v;
    entry.n_changes = changes.n;
    return audit_record(cx, &entry, NULL);
}

/* What is given as a reason stays in the log. */
static enum err
check_text(struct cx *cx, const struct erase_subject *who, struct str text, const char *pointer)
{
    if (str_is_empty(text))
        return fail_field(cx, str_of(pointer), "is required");
    if (erase_is_named(cx->arena, who, text))
        return fail_field(cx, str_of(pointer), "must not name the person: it stays in the log");
    return OK;
}

static enum err
none_open(struct cx *cx, struct str person)
{
    static const struct sql q =
        SQL_READ("SELECT count(*) FROM audit_erasure_request WHERE tenant_id = $1 AND person = $2"
                 " AND state IN ('asked', 'delayed', 'running')");
    int64_t n;

    TRY(db_query_int(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(person)), &n));
    return n == 0 ? OK : fail(cx, ERR_CONFLICT, "The erasure of this person is asked for already");
}

static enum err
insert(struct cx *cx, const struct erasure *e)
{
    static const struct sql q =
        SQL_WRITE("audit_erasure_request",
                  "INSERT INTO audit_erasure_request (tenant_id, cuid, state, person, subject,"
                  " reason, legal_ground, asked_by, asked_at, due_at)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");

    return db_exec(cx->tx, &q,
                   ARGS(V_INT(cx->tenant.id), V_STR(e->cuid), V_STR(e->state), V_STR(e->person),
                        V_STR(e->subject), V_STR(e->reason), V_STR(e->legal_ground),
                        V_INT(e->asked_by), V_INT(e->asked_at),
                        V_INT_OR_NULL(e->due_at != 0, e->due_at)),
                   NULL);
}

enum err
erasure_ask(struct cx *cx, struct erase_subject *who, struct str reason, struct str legal_ground,
            struct erasure *out)
{
    struct erasure e = {.cuid = cuid_in(cx->arena, cx->now),
                        .person = who->person,
                        .reason = str_trim(reason),
                        .legal_ground = str_trim(legal_ground),
                        .asked_by = cx->actor.user_id,
                        .asked_at = cx->now};
    bool operated = cx->actor.kind == ACTOR_COMMAND;
    int64_t others;
    enum err bad = check_text(cx, who, e.reason, "/reason");

    if (check_text(cx, who, e.legal_ground, "/legal_ground") != OK)
        bad = ERR_INVALID;
    TRY(bad);
    if (is_subject(cx, who))
        return fail(cx, ERR_FORBIDDEN, "Nobody asks for the erasure of himself");
    TRY(account_is_gone(cx, who));
    TRY(no_hold(cx));
    TRY(none_open(cx, e.person));
    TRY(erasure_approvers(cx, e.asked_by, &others));
    if (operated && others == 0)
        return fail(cx, ERR_CONFLICT,
                    "Nobody in this workspace may decide on an erasure: give somebody the "
                    "permission %s first",
                    permission_info(PERM_AUDIT_ERASE)->key);
    e.state = others > 0 ? S("asked") : S("delayed");
    e.due_at = others > 0 ? 0 : cx->now + ERASURE_DELAY_US;
    who->request = e.cuid;
    e.subject = erasure_seal(cx, who);
    TRY(insert(cx, &e));
    TRY(record(cx, EV_ERASURE_REQUESTED, &e, "asked"));
    return erasure_get(cx, e.cuid, out);
}

/* ---- deciding ---- */

bool
erasure_is_open(const struct erasure *e)
{
    return str_eq(e->state, S("asked")) || str_eq(e->state, S("delayed"));
}

/* Whoever has a shell may be an administrator, too, so the operator is not one of the two who decide. */
static enum err
take_on(struct cx *cx, struct erasure *e, struct erasure *out)
{
    static const struct sql q = SQL_WRITE(
        "audit_erasure_request",
        "UPDATE audit_erasure_request SET state = $3, due_at = $4, asked_by = $5, asked_at = $6"
        " WHERE tenant_id = $1 AND cuid = $2 AND state = 'asked' AND asked_by = $7");
    int64_t others;

    TRY(erasure_approvers(cx, cx->actor.user_id, &others));
    e->state = others > 0 ? S("asked") : S("delayed");
    e->due_at = others > 0 ? 0 : cx->now + ERASURE_DELAY_US;
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_STR(e->cuid), V_STR(e->state),
                     V_INT_OR_NULL(e->due_at != 0, e->due_at), V_INT(cx->actor.user_id),
                     V_INT(cx->now), V_INT(OPERATOR)),
                NULL));
    TRY(record(cx, EV_ERASURE_REQUESTED, e, "took on the operator's request"));
    return erasure_get(cx, e->cuid, out);
}

enum err
erasure_approve(struct cx *cx, struct str cuid, struct erasure *out)
{
    static const struct sql q = SQL_WRITE(
        "audit_erasure_request",
        "UPDATE audit_erasure_request SET state = 'running', approved_by = $3, approved_at = $4"
        " WHERE tenant_id = $1 AND cuid = $2 AND state IN ('asked', 'delayed')");
    struct erase_subject who;
    struct erasure e = {0};
    bool process = cx_is_process(cx);

    TRY(erasure_get(cx, cuid, &e));
    if (!erasure_is_open(&e))
        return fail(cx, ERR_CONFLICT, "The request is decided already");
    if (cx->actor.kind == ACTOR_COMMAND)
        return fail(cx, ERR_FORBIDDEN,
                    "The operator does not approve: two administrators of the workspace decide, on "
                    "its page Retention, holds and erasure");
    if (!process && e.asked_by == cx->actor.user_id)
        return fail(cx, ERR_FORBIDDEN, "Who asked does not approve: another administrator does");
    TRY(erasure_subject(cx, &e, &who));
    if (is_subject(cx, &who))
        return fail(cx, ERR_FORBIDDEN, "Nobody approves the erasure of himself");
    TRY(account_is_gone(cx, &who));
    TRY(no_hold(cx));
    if (e.asked_by == OPERATOR && !process)
        return take_on(cx, &e, out);
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_STR(cuid), V_INT_OR_NULL(!process, cx->actor.user_id),
                     V_INT(cx->now)),
                NULL));
    TRY(record(cx, EV_ERASURE_APPROVED, &e,
               process ? "began, seven days after it was asked," : "approved"));
    TRY(job_queue(cx, "erasure", e.cuid, cx->now));
    return erasure_get(cx, cuid, out);
}

enum err
erasure_cancel(struct cx *cx, struct str cuid, struct erasure *out)
{
    static const struct sql q = SQL_WRITE(
        "audit_erasure_request",
        "UPDATE audit_erasure_request SET state = 'cancelled', subject = '', ended_by = $3,"
        " ended_at = $4 WHERE tenant_id = $1 AND cuid = $2 AND state IN ('asked', 'delayed')");
    struct erasure e = {0};

    TRY(erasure_get(cx, cuid, &e));
    if (!erasure_is_open(&e))
        return fail(cx, ERR_CONFLICT, "The request is decided already: it can not be cancelled");
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_STR(cuid), V_INT(cx->actor.user_id), V_INT(cx->now)),
                NULL));
    TRY(record(cx, EV_ERASURE_CANCELLED, &e, "cancelled"));
    return erasure_get(cx, cuid, out);
}

/* ---- what was delayed ---- */

struct due {
    struct str cuid, person;
    int64_t asked_by, asked_at;
    int64_t skip; /* in: so many that are due were refused */
    bool found;
};

static enum err
read_due(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ("SELECT e.tenant_id, t.cuid, e.cuid, e.asked_by, e.person, e.asked_at"
                 " FROM audit_erasure_request e"
                 " JOIN tenant t ON t.tenant_id = e.tenant_id WHERE e.state = 'delayed'"
                 " AND e.due_at <= $1 AND NOT EXISTS (SELECT 1 FROM audit_hold h"
                 " WHERE h.tenant_id = e.tenant_id AND h.ended_at IS NULL) ORDER BY e.due_at,"
                 " e.tenant_id, e.cuid LIMIT 1 OFFSET $2");
    struct due *d = arg;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &q, ARGS(V_INT(cx->now), V_INT(d->skip)), &r);

    d->found = e == OK;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    cx->tenant = (struct tenant_ref){true, db_int(r, 0), db_text_keep(r, 1)};
    d->cuid = db_text_keep(r, 2);
    d->asked_by = db_int(r, 3);
    d->person = db_text_keep(r, 4);
    d->asked_at = db_int(r, 5);
    db_rows_end(r);
    return OK;
}

/* Seven days after it was asked for by the log, not by the row. */
static enum err
days_have_passed(struct cx *cx, const struct due *d)
{
    const struct custody_request *q;
    struct custody c;

    TRY(custody_read(cx, cx->tenant.id, &c));
    q = custody_request_of(&c, d->cuid, d->person, d->asked_at);
    if (q && q->asked_by.kind == ACTOR_USER && q->closed_logged == 0 && !custody_standing(&c) &&
        q->asked_at + ERASURE_DELAY_US <= cx->now)
        return OK;
    custody_refuse(cx, arena_fmt(cx->arena,
                                 "The erasure %.*s does not begin: the log does not say that it "
                                 "was asked for seven days ago, and that no legal hold stands",
                                 STR_ARG(d->cuid)));
    return ERR_CONFLICT;
}

/* Somebody who could approve has come meanwhile: then he decides. */
static enum err
begin_due(struct cx *cx, void *arg)
{
    static const struct sql wait = SQL_WRITE(
        "audit_erasure_request", "UPDATE audit_erasure_request SET state = 'asked', due_at = NULL"
                                 " WHERE tenant_id = $1 AND cuid = $2 AND state = 'delayed'");
    struct due *d = arg;
    struct erasure e = {0};
    int64_t others;

    TRY(erasure_approvers(cx, d->asked_by, &others));
    if (others == 0)
        return erasure_approve(cx, d->cuid, &e);
    audit_cover(cx, REASON_ERASURE_STEP);
    return db_exec(cx->tx, &wait, ARGS(V_INT(cx->tenant.id), V_STR(d->cuid)), NULL);
}

static const struct sql LOST =
    SQL_READ("SELECT e.tenant_id, t.cuid, e.cuid FROM audit_erasure_request e"
             " JOIN tenant t ON t.tenant_id = e.tenant_id WHERE e.state = 'running'"
             " AND NOT EXISTS (SELECT 1 FROM job j WHERE j.kind = 'erasure' AND j.state = 'ready'"
             " AND j.args = e.cuid) LIMIT 1");

static enum err
take_up_lost(struct cx *cx, void *arg)
{
    struct db_rows *r;
    struct str cuid;
    enum err e = db_query_one(cx->tx, &LOST, NO_ARGS, &r);

    (void)arg;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    cx->tenant = (struct tenant_ref){true, db_int(r, 0), db_text_keep(r, 1)};
    cuid = db_text_keep(r, 2);
    db_rows_end(r);
    return job_queue(cx, "erasure", cuid, cx->now);
}

static enum err
any_lost(struct cx *cx, void *arg)
{
    bool *any = arg;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &LOST, NO_ARGS, &r);

    *any = e == OK;
    if (e == OK)
        db_rows_end(r);
    return e == ERR_NOT_FOUND ? OK : e;
}

/* The first that the log allows: rows that it does not know of hold up no other. */
static enum err
begin_first_due(struct cx *cx)
{
    struct due d = {0};

    for (; d.skip < DUE_MAX; d.skip++) {
        TRY(cx_read(cx, read_due, &d));
        if (!d.found)
            return OK;
        if (days_have_passed(cx, &d) == OK)
            return cx_write(cx, begin_due, &d);
    }
    return OK;
}

enum err
erasure_tick(struct cx *cx)
{
    struct tenant_ref before = cx->tenant;
    bool lost = false;
    enum err e = OK;

    if (!audit_drops_held(cx->app)) /* after a step of the clock seven days may not have passed */
        e = begin_first_due(cx);
    if (e == OK)
        e = cx_read(cx, any_lost, &lost);
    if (e == OK && lost)
        e = cx_write(cx, take_up_lost, NULL);
    cx->tenant = before;
    return e;
}
