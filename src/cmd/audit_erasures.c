/* recount audit erasures: requests to erase a person from the log listed, made and cancelled on the
 * machine itself, by the rules of core/erasure.h. The operator never decides: `approve` says who does.
 * doc/decisions/0010. */
#include <stdio.h>

#include "api/erasure_api.h"
#include "audit/audit.h"
#include "base/text.h"
#include "cmd/audit_cmd.h"

#define USAGE                                                                                      \
    "audit erasures list [--json] | cancel ID\n"                                                   \
    "                     | request --subject EMAIL|ID --reason TEXT --legal-ground TEXT [--text " \
    "T…]\n"                                                                                      \
    "                     [--unseen] [--tenant N] [--data DIR] [--database URL]"
#define SUBJECT_MAX 254 /* bytes of an e-mail address */
#define LISTED_MAX  ((size_t)64 << 20)

struct asking {
    struct str subject, legal_ground, texts[ERASURE_TEXTS_MAX];
    size_t n_texts;
    struct str reason, id;
    bool unseen;
    struct erase_subject who;
    struct erasure e;
};

/* ---- listing ---- */

static void
put_name(struct buf *b, const char *what, struct str name, struct str at)
{
    buf_fmt(b, "; %s %.*s by ", what, STR_ARG(at));
    text_visible(b, str_is_null(name) ? S("a deleted account") : name);
}

static void
print_erasure(struct arena *a, const struct erasure *e)
{
    struct buf *b = buf_in(a, 65536);

    buf_fmt(b, "%.*s\t%.*s\t%.*s", STR_ARG(e->cuid), STR_ARG(e->state),
            STR_ARG(erased_label(a, e->person)));
    put_name(b, "asked", e->asked_by_name, time_iso(a, e->asked_at));
    if (e->approved_at != 0 && e->approved_by == 0)
        buf_fmt(b, "; began by itself %.*s", STR_ARG(time_iso(a, e->approved_at)));
    else if (e->approved_at != 0)
        put_name(b, "approved", e->approved_by_name, time_iso(a, e->approved_at));
    if (str_eq(e->state, S("cancelled")))
        put_name(b, "cancelled", e->ended_by_name, time_iso(a, e->ended_at));
    if (str_eq(e->state, S("delayed")))
        buf_fmt(b, "; runs by itself on %.*s", STR_ARG(time_iso(a, e->due_at)));
    if (e->row != ERASURE_ROW_LOGGED)
        buf_cstr(b, "; not in the log: an administrator dismisses it");
    if (!str_is_empty(e->result))
        buf_fmt(b, "; %lld events", (long long)e->events);
    buf_cstr(b, ": ");
    text_visible(b, e->reason);
    buf_cstr(b, "; ");
    text_visible(b, e->legal_ground);
    printf("%.*s\n", STR_ARG(buf_view(b)));
}

struct listing {
    bool json;
    struct erasure_doubt doubt;
};

static enum err
list_body(struct cx *cx, void *arg)
{
    const struct listing *l = arg;
    struct buf *b = buf_in(cx->arena, LISTED_MAX);
    struct json_writer w;
    struct erasures all;

    TRY(erasure_list(cx, &all));
    for (size_t i = 0; i < all.n; i++)
        all.v[i].row = erasure_doubt(cx, &l->doubt, &all.v[i]);
    if (!l->json) {
        for (size_t i = 0; i < all.n; i++)
            print_erasure(cx->arena, &all.v[i]);
        return OK;
    }
    json_writer_init(&w, b);
    json_begin_array(&w);
    for (size_t i = 0; i < all.n; i++)
        erasure_json(cx, &w, &all.v[i]);
    json_end_array(&w);
    printf("%.*s\n", STR_ARG(buf_view(b)));
    return OK;
}

/* ---- acting ---- */

static enum err
request_body(struct cx *cx, void *arg)
{
    struct asking *x = arg;

    TRY(erasure_ask(cx, &x->who, x->reason, x->legal_ground, &x->e));
    return erasure_tell_asked(cx, &x->e);
}

static enum err
approve_body(struct cx *cx, void *arg)
{
    struct asking *x = arg;

    return erasure_approve(cx, x->id, &x->e);
}

static enum err
cancel_body(struct cx *cx, void *arg)
{
    struct asking *x = arg;

    TRY(erasure_cancel(cx, x->id, &x->e));
    return erasure_tell_decided(cx, &x->e, "cancelled");
}

/* Whom the word means is looked up in the log: all of it, so what waits is moved first. */
static int
request(struct audit_act *x, struct asking *q)
{
    int status;

    if (audit_move_now(x->app) != OK)
        return refuse("the newest events can not be moved into the log: %.*s",
                      STR_ARG(db_last_error()));
    if (erasure_find(&x->cx, q->subject, q->texts, q->n_texts, &q->who) != OK ||
        (!q->unseen && erasure_known(&x->cx, &q->who) != OK))
        return refuse("%.*s", STR_ARG(x->cx.failure.message));
    status = audit_act_write(x, request_body, q);
    if (status == 0)
        printf("%.*s\nAn administrator of the workspace takes the request on, another one approves "
               "it.\n",
               STR_ARG(q->e.cuid));
    return status;
}

static int
list(struct audit_act *x)
{
    struct listing *l = arena_new(x->cx.arena, struct listing);

    l->json = x->json;
    if (erasure_doubt_begin(&x->cx, &l->doubt) == OK && cx_read(&x->cx, list_body, l) == OK)
        return 0;
    return refuse("%.*s", STR_ARG(x->cx.failure.message));
}

static int
act(struct audit_act *x, struct asking *q)
{
    int status;

    if (strcmp(x->word, "list") == 0)
        return list(x);
    if (strcmp(x->word, "request") == 0)
        return request(x, q);
    if (strcmp(x->word, "approve") == 0)
        return audit_act_write(x, approve_body, q);
    status = audit_act_write(x, cancel_body, q);
    if (status == 0)
        printf("The request is cancelled; nothing is erased.\n");
    return status;
}

static bool
take_text(struct asking *q, struct str text)
{
    text = str_trim(text);
    if (q->n_texts == ERASURE_TEXTS_MAX || text.n < ERASURE_TEXT_MIN || text.n > ERASURE_TEXT_MAX ||
        !utf8_is_valid(text))
        return refuse("--text wants at most %d texts of %d to %d bytes: a shorter one would take "
                      "much of the log along",
                      ERASURE_TEXTS_MAX, ERASURE_TEXT_MIN, ERASURE_TEXT_MAX) == 0;
    q->texts[q->n_texts++] = text;
    return true;
}

static bool
take_request(const struct audit_act *x, struct asking *q, struct str text, int n, char **rest)
{
    if (!audit_act_text("subject", q->subject, SUBJECT_MAX) ||
        !audit_act_text("reason", x->reason, ERASURE_REASON_MAX) ||
        !audit_act_text("legal-ground", q->legal_ground, ERASURE_REASON_MAX))
        return false;
    if (!str_is_null(text) && !take_text(q, text))
        return false;
    for (int i = 0; i < n; i++)
        if (!take_text(q, str_of(rest[i])))
            return false;
    q->reason = x->reason;
    return true;
}

int
audit_erasures_command(struct arena *a, int argc, char **argv)
{
    struct audit_act x = {0};
    struct asking q = {0};
    struct str text = STR_NULL;
    const struct option_def defs[] = {ACT_OPTIONS(&x),
                                      {"subject", &q.subject, NULL},
                                      {"legal-ground", &q.legal_ground, NULL},
                                      {"text", &text, NULL},
                                      {"unseen", NULL, &q.unseen},
                                      {0}};
    bool lists, asks, one, right;
    int status;

    if (!options_read(a, defs, &argc, argv) || argc < 1)
        return usage(USAGE);
    x.word = argv[0];
    lists = strcmp(x.word, "list") == 0;
    asks = strcmp(x.word, "request") == 0;
    one = strcmp(x.word, "cancel") == 0 || strcmp(x.word, "approve") == 0;
    if (asks)
        right = !x.json && !str_is_empty(q.subject) && (argc == 1 || !str_is_null(text));
    else
        right = (lists || one) && argc == 1 + one && (lists || !x.json) && str_is_null(x.reason) &&
                str_is_null(q.subject) && str_is_null(q.legal_ground) && str_is_null(text) &&
                !q.unseen;
    if (!right)
        return usage(USAGE);
    if (asks && !take_request(&x, &q, text, argc - 1, argv + 1))
        return 1;
    if (one && !cuid_is(str_of(argv[1])))
        return refuse("that is no id of a request: \"audit erasures list\" shows them");
    q.id = one ? str_of(argv[1]) : STR_NULL;
    status = audit_act_open(a, &x, "audit erasures");
    if (status != 0)
        return status;
    status = act(&x, &q);
    app_close(x.app);
    return status;
}
