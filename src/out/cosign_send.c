/* One thread a witness: looks every second for heads that it has not cosigned, sends them with a proof
 * from what it last cosigned, checks what it answers with the key of the policy, and has it stored, with
 * how the witness stands to the log. Nothing is open in the store while a witness is spoken to. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "out/cosign_priv.h"
#include "out/http.h"

#define LOOK_MS     1000
#define BATCH       64 /* heads read at a time: at most 64 KB each */
#define ROUND_ARENA ((size_t)64 << 20)
#define REFRESH_US                                                                                 \
    (12 * USEC_PER_HOUR)             /* a log at rest is cosigned again: the seal asks for 24 h */
#define CLOCK_US       USEC_PER_HOUR /* how far a witness's clock may be from ours */
#define PAUSE_US       (2 * USEC_PER_SEC)  /* after a first failure; doubled with each */
#define PAUSE_DOWN_MAX (60 * USEC_PER_SEC) /* it does not answer */
#define PAUSE_LOG_MAX  (10 * USEC_PER_MIN) /* it refuses a log */
#define WHY_MAX        200                 /* bytes of a failure that is kept */

static bool
is_stopped(const struct cosign_sender *s)
{
    return atomic_load(&s->set->stop) || atomic_load(&s->set->all->app->stopping);
}

/* ---- pauses ---- */

static struct cosign_pause *
slot(struct cosign_sender *s, struct log_id log)
{
    uint64_t h = (uint64_t)log.tenant_id * 31 + (uint64_t)log.epoch;

    return &s->refused[h % COSIGN_SLOTS];
}

static bool
is_of(const struct cosign_pause *k, struct log_id log)
{
    return k->next != 0 && k->log.tenant_id == log.tenant_id && k->log.epoch == log.epoch;
}

static bool
is_paused(struct cosign_sender *s, struct log_id log)
{
    const struct cosign_pause *k = slot(s, log);

    return is_of(k, log) && k->next > clock_monotonic();
}

static void
pause_for(struct cosign_pause *k, struct log_id log, int64_t max)
{
    int64_t pause;

    k->n = is_of(k, log) ? k->n + 1 : 1;
    pause = PAUSE_US << (k->n < 12 ? k->n - 1 : 11);
    k->log = log;
    k->next = clock_monotonic() + (pause < max ? pause : max);
}

static void
forget(struct cosign_pause *k)
{
    k->next = 0;
    k->n = 0;
}

/* ---- one head ---- */

/* What a witness answered, made fit for a line of text. */
static struct str
shown(struct arena *a, struct str body)
{
    struct buf *b = buf_in(a, 2048);
    struct str s = utf8_cut(str_trim(body), 120);

    if (!utf8_is_valid(s))
        return S("(not UTF-8)");
    text_visible(b, s);
    return buf_view(b);
}

static enum err
ask(struct cosign_sender *s, struct cx *cx, const struct audit_head *h, int64_t from,
    struct out_http_answer *x, struct str *why)
{
    struct tree_source tree = audit_tree(cx, h->log);
    struct tree_proof p = {0};
    enum err e = tree_consistency(&tree, from, h->size, &p);

    if (e == OK && p.n <= WITNESS_PROOF_MAX)
        return out_http_post(s->http, cx->arena, s->url, S("text/plain; charset=utf-8"),
                             witness_request_text(cx->arena, from, &p, h->note), x, why);
    if (e != ERR_NOT_FOUND)
        return ERR_UNAVAILABLE;
    *why = arena_fmt(cx->arena, "it last cosigned size %lld, and the events around it have expired",
                     (long long)from);
    return ERR_CONFLICT;
}

/* The cosignature in the answer, checked: its line and time. Lines of other keys are left out. */
static enum err
check(struct cosign_sender *s, struct cx *cx, const struct audit_head *h, struct str body,
      struct str *line, int64_t *at, struct str *why)
{
    struct arena *a = cx->arena;
    struct note head, n;
    struct str whole, rest, one;

    *why = S("its answer is no signature of its key");
    TRY(note_parse(a, h->note, &head));
    whole = arena_fmt(a, "%.*s\n%.*s", STR_ARG(head.text), STR_ARG(body));
    TRY(note_parse(a, whole, &n));
    if (note_check(&n, &s->w.key, at) != NOTE_GOOD)
        return ERR_INVALID;
    rest = body;
    *line = STR_NULL;
    for (size_t i = 0; i < n.n_sigs && str_cut(&rest, '\n', &one); i++) {
        if (n.sigs[i].id != s->w.key.id || !str_eq(n.sigs[i].name, s->w.key.name))
            continue;
        if (!str_is_null(*line))
            return ERR_INVALID; /* which of several would be the newest one? */
        *line = arena_fmt(a, "%.*s\n", STR_ARG(one));
    }
    *why = S("its clock and this server's are more than an hour apart");
    if (*at > app_now(cx->app) + CLOCK_US || *at < app_now(cx->app) - CLOCK_US)
        return ERR_INVALID;
    return OK;
}

static enum err
refusal(struct cx *cx, const struct audit_head *h, const struct out_http_answer *x, struct str *why)
{
    struct str said = shown(cx->arena, x->body);

    *why = x->status == 404   ? S("it does not know this log (404)")
           : x->status == 403 ? S("it does not accept the log's signature (403)")
           : x->status == 422
               ? S("it refuses the proof (422)")
               : arena_fmt(cx->arena, "it answered %d: %.*s", x->status, STR_ARG(said));
    return x->status == 422 ? ERR_FORBIDDEN : ERR_CONFLICT;
}

/* 409: it remembers another size than we do. ERR_FORBIDDEN: one that this log can not have had. */
static enum err
elsewhere(struct cx *cx, const struct audit_head *h, int64_t asked, const struct out_http_answer *x,
          int64_t *from, struct str *why)
{
    struct str body = x->body;
    struct audit_head now;

    if (str_has_suffix(body, S("\n")))
        body.n--;
    if (str_int64(body, from) != OK || *from < 0) {
        *why = S("it answered 409 without a size");
        return ERR_CONFLICT;
    }
    if (*from <= h->size && *from != asked)
        return OK;
    if (*from > h->size && audit_head_get(cx, h->log.tenant_id, h->log.epoch, &now) == OK &&
        now.size >= *from)
        return ERR_UNAVAILABLE; /* another server was faster */
    if (*from < h->size) {
        *why = S("it answered 409 with the size it was asked from");
        return ERR_CONFLICT;
    }
    *why = *from > h->size
               ? arena_fmt(cx->arena,
                           "it has cosigned %lld events of this log, more than the checkpoint's "
                           "%lld: the store is older than what was signed",
                           (long long)*from, (long long)h->size)
               : S("it has cosigned another log of the same size");
    return ERR_FORBIDDEN;
}

/* OK; ERR_IO: no answer, or one of a witness in trouble; ERR_CONFLICT, ERR_INVALID: it refuses this log, or
 * its answer is of no use; ERR_FORBIDDEN: it knows of another log than ours; ERR_UNAVAILABLE: nothing of
 * it is the witness's fault. */
static enum err
send_head(struct cosign_sender *s, struct cx *cx, const struct audit_uncosigned *u, struct str *why)
{
    const struct audit_head *h = &u->head;
    struct out_http_answer x;
    int64_t from = u->from, at = 0;
    struct str line;

    TRY(ask(s, cx, h, from, &x, why));
    if (x.status == 409) {
        TRY(elsewhere(cx, h, u->from, &x, &from, why));
        TRY(ask(s, cx, h, from, &x, why));
    }
    if (x.status == 409)
        TRY(elsewhere(cx, h, from, &x, &from, why)); /* another sender was faster: the next round */
    if (x.status >= 500 || x.status == 429) {
        *why = arena_fmt(cx->arena, "it answered %d", x.status);
        return ERR_IO;
    }
    if (x.status != 200)
        return refusal(cx, h, &x, why);
    TRY(check(s, cx, h, x.body, &line, &at, why));
    return audit_cosigned_put(cx, h, &s->w.key, line, at) == OK ? OK : ERR_UNAVAILABLE;
}

/* ---- what is kept of it ---- */

static void
note(struct cosign_sender *s, struct cx *cx, const struct audit_witness_asked *v, size_t n)
{
    cx->now = app_now(cx->app);
    if (audit_witness_note(cx, &s->w.key, v, n, s->set->all->tell) != OK)
        log_warn("cosign.unnoted", LOG_STR("witness", s->w.name),
                 LOG_STR("why", cx->failure.message), LOG_STR("store", db_last_error()));
    fail_clear(cx);
}

static void
note_one(struct cosign_sender *s, struct cx *cx, const struct audit_uncosigned *u,
         enum audit_witness_state came, struct str why)
{
    struct audit_witness_asked x = {u->head.log, u->was, came,
                                    came == WITNESS_COSIGNS ? STR_NULL : utf8_cut(why, WHY_MAX)};

    note(s, cx, &x, 1);
}

/* ---- rounds ---- */

static bool
is_wanted(const struct cosign_set *c, struct str origin)
{
    for (size_t i = 0; i < c->n_logs; i++)
        if (str_eq(c->logs[i].name, origin))
            return true;
    return c->n_logs == 0;
}

static bool
have_turn(struct cosign *c, struct cx *cx)
{
    int64_t now = clock_monotonic();
    bool mine;

    pthread_mutex_lock(&c->turn_lock);
    if (now >= c->turn_until) {
        cx->now = app_now(cx->app);
        /* Asked for again at its half, so that it never ends while a call is under way. */
        if (audit_cosign_turn(cx, c->process, false) == OK)
            c->turn_until = now + AUDIT_TURN_US / 2;
    }
    mine = now < c->turn_until;
    pthread_mutex_unlock(&c->turn_lock);
    return mine;
}

/* What the witness said of this log, or did not. */
static void
settle(struct cosign_sender *s, struct cx *cx, const struct audit_uncosigned *u, enum err e,
       struct str why)
{
    struct cosign_pause *k = slot(s, u->head.log);

    if (e == OK && is_of(k, u->head.log))
        forget(k);
    if (e != OK)
        pause_for(k, u->head.log, PAUSE_LOG_MAX);
    if (e == ERR_UNAVAILABLE)
        return;
    if (s->down.next != 0)
        log_info("cosign.up", LOG_STR("witness", s->w.name));
    forget(&s->down); /* it did answer */
    if (e == ERR_FORBIDDEN)
        log_error("cosign.contradiction", LOG_STR("witness", s->w.name),
                  LOG_STR("origin", u->head.origin), LOG_INT("size", u->head.size));
    note_one(s, cx, u,
             e == OK              ? WITNESS_COSIGNS
             : e == ERR_FORBIDDEN ? WITNESS_CONTRADICTS
                                  : WITNESS_FAILS,
             why);
}

/* ERR_END: nothing more in this round. ERR_IO: nor for any other log, for this reason. */
static enum err
one_head(struct cosign_sender *s, struct cx *cx, const struct audit_uncosigned *u, struct str *why)
{
    enum err e;

    if (!is_wanted(s->set, u->head.origin) || is_paused(s, u->head.log))
        return OK;
    if (!have_turn(s->set->all, cx))
        return ERR_END;
    *why = S("");
    e = send_head(s, cx, u, why);
    if (is_stopped(s))
        return ERR_END;
    if (e != OK)
        log_warn("cosign.failed", LOG_STR("witness", s->w.name), LOG_STR("origin", u->head.origin),
                 LOG_STR("why", *why));
    if (e == ERR_IO) {
        pause_for(&s->down, (struct log_id){0}, PAUSE_DOWN_MAX);
        return ERR_IO;
    }
    settle(s, cx, u, e, *why);
    return OK;
}

/* It does not answer: that concerns every log that waits for it. */
static void
all_wait(struct cosign_sender *s, struct cx *cx, const struct audit_uncosigned *v, size_t n,
         struct str why)
{
    struct audit_witness_asked *x = arena_array(cx->arena, struct audit_witness_asked, n + 1);
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        if (is_wanted(s->set, v[i].head.origin))
            x[m++] = (struct audit_witness_asked){v[i].head.log, v[i].was, WITNESS_FAILS,
                                                  utf8_cut(why, WHY_MAX)};
    note(s, cx, x, m);
}

/* One batch; the reason of ERR_IO outlives its arena in `down`. */
static enum err
batch(struct cosign_sender *s, struct cx *cx, const struct audit_uncosigned *v, size_t n,
      char down[WHY_MAX + 1])
{
    struct str why = str_of(down);
    enum err e = why.n > 0 ? ERR_IO : OK;
    size_t i = 0;

    for (; i < n && e == OK; i++)
        e = one_head(s, cx, &v[i], &why);
    if (e != ERR_IO)
        return e;
    (void)snprintf(down, WHY_MAX + 1, "%.*s", STR_ARG(utf8_cut(why, WHY_MAX)));
    i -= i > 0; /* the one that met it as well */
    all_wait(s, cx, v + i, n - i, str_of(down));
    return OK;
}

static void
look(struct cosign_sender *s)
{
    int64_t after = INT64_MIN;
    size_t n = BATCH;
    bool on = s->down.next <= clock_monotonic();
    char down[WHY_MAX + 1] = "";

    while (on && n == BATCH && !is_stopped(s)) {
        struct arena *a = arena_create("cosign", ROUND_ARENA);
        struct cx cx = cx_system(s->set->all->app, a, "Witnesses", NULL);
        struct audit_uncosigned *v = NULL;

        if (audit_uncosigned(&cx, s->vkey, cx.now - REFRESH_US, after, BATCH, &v, &n) != OK) {
            log_warn("cosign.store", LOG_STR("store", db_last_error()));
            n = 0;
        }
        if (n > 0) {
            after = v[n - 1].head.log.tenant_id;
            on = batch(s, &cx, v, n, down) == OK;
        }
        arena_free(a);
    }
}

static void *
sender_main(void *arg)
{
    struct cosign_sender *s = arg;

    s->http = out_http_open(&s->set->stop);
    while (!is_stopped(s)) {
        look(s);
        for (int i = 0; i < LOOK_MS / 50 && !is_stopped(s); i++)
            usleep(50000);
    }
    out_http_close(s->http);
    return NULL;
}

void
cosign_set_start(struct cosign_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        struct cosign_sender *s = &set->sender[i];

        if (str_is_null(s->url))
            continue;
        if (pthread_create(&s->thread, NULL, sender_main, s) != 0)
            BUG("no thread for a witness");
        s->runs = true;
    }
}

void
cosign_set_stop(struct cosign_set *set)
{
    atomic_store(&set->stop, true);
    for (size_t i = 0; i < set->n; i++) {
        if (set->sender[i].runs)
            pthread_join(set->sender[i].thread, NULL);
        set->sender[i].runs = false;
    }
}
