/* One thread a witness: looks every second for heads that it has not cosigned, sends them with a proof
 * from what it last cosigned, checks what it answers with the key of the policy, and has it stored.
 * Nothing is open in the store while a witness is spoken to. */
#include "out/cosign.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "out/http.h"
#include "run/app.h"

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
#define SLOTS          512 /* logs whose refusal is remembered; more overwrite each other */

struct failure_kept {
    struct log_id log; /* of a refusal */
    int64_t next;      /* monotonic µs: not before; 0: nothing is kept */
    int64_t at;        /* µs */
    int n;
    bool contradicts;
    char why[WHY_MAX];
};

struct sender {
    struct cosign *all;
    struct policy_witness w;
    struct str vkey, url; /* url: with the call's name; null: it is not asked */
    pthread_t thread;
    bool runs;
    struct out_http *http;
    pthread_mutex_t lock; /* what follows is also read by requests */
    struct failure_kept down;
    struct failure_kept *refused; /* SLOTS */
};

struct cosign {
    struct app *app;
    struct str process; /* a name of this one among the servers of a store */
    struct sender sender[COSIGN_WITNESSES_MAX];
    size_t n;
    const struct note_key *logs; /* none: all */
    size_t n_logs;
    pthread_mutex_t lock;
    int64_t turn_until; /* monotonic µs */
};

/* ---- the policy ---- */

static enum err
read_policy(struct arena *a, struct str path, struct str *text, struct str *why)
{
    struct buf *b = buf_in(a, POLICY_MAX);
    char chunk[4096];
    ssize_t n = 0;
    int fd = open(arena_cstr(a, path), O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return ERR_NOT_FOUND;
    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0)
        buf_put(b, chunk, (size_t)n);
    if (fd >= 0)
        close(fd);
    if (fd < 0 || n < 0 || buf_failed(b)) {
        *why = arena_fmt(a, "%.*s can not be read, or is larger than 1 MB", STR_ARG(path));
        return ERR_INVALID;
    }
    *text = buf_view(b);
    return OK;
}

static enum err
take_witness(struct cosign *c, const struct policy_witness *w, struct str *why)
{
    struct arena *a = c->app->arena;
    struct sender *s = &c->sender[c->n];

    if (c->n == COSIGN_WITNESSES_MAX) {
        *why = S("more than 32 witnesses");
        return ERR_INVALID;
    }
    if (!str_is_empty(w->url) && !out_http_url_is_valid(w->url)) {
        *why = arena_fmt(a, "the address of the witness %.*s is none of http or https",
                         STR_ARG(w->name));
        return ERR_INVALID;
    }
    *s = (struct sender){.all = c, .w = *w, .vkey = note_vkey(a, &w->key)};
    /* A key that is not checked here (ML-DSA-44) is for others who read the file. */
    if (!str_is_empty(w->url) && w->key.type == NOTE_COSIGNER)
        s->url = arena_fmt(a, "%.*s/add-checkpoint", STR_ARG(w->url));
    s->refused = arena_array(a, struct failure_kept, SLOTS);
    pthread_mutex_init(&s->lock, NULL);
    c->n++;
    return OK;
}

enum err
cosign_open(struct app *app, struct str *why)
{
    struct arena *a = app->arena;
    struct cosign *c = arena_new(a, struct cosign);
    struct str path = arena_fmt(a, "%.*s/witnesses.policy", STR_ARG(app->config.data_dir));
    struct str text, what = STR_NULL;
    const struct policy_witness *w;
    struct policy *p;
    enum err e = read_policy(a, path, &text, why);

    c->app = app;
    c->process = cuid_in(a, app_now(app));
    pthread_mutex_init(&c->lock, NULL);
    app->cosign = c;
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    e = policy_parse(a, text, &p, &what);
    if (e == OK) {
        size_t n = policy_witnesses(p, &w);

        c->n_logs = policy_logs(p, &c->logs);
        for (size_t i = 0; i < n && e == OK; i++)
            e = take_witness(c, &w[i], &what);
    }
    if (e == OK)
        return OK;
    *why = arena_fmt(a, "%.*s: %.*s", STR_ARG(path), STR_ARG(what));
    return ERR_INVALID;
}

/* ---- failures ---- */

static struct failure_kept *
slot(struct sender *s, struct log_id log)
{
    uint64_t h = (uint64_t)log.tenant_id * 31 + (uint64_t)log.epoch;

    return &s->refused[h % SLOTS];
}

static bool
is_of(const struct failure_kept *k, struct log_id log)
{
    return k->next != 0 && k->log.tenant_id == log.tenant_id && k->log.epoch == log.epoch;
}

static void
keep(struct sender *s, struct failure_kept *k, struct log_id log, struct str why, enum err e)
{
    int64_t pause, max = e == ERR_IO ? PAUSE_DOWN_MAX : PAUSE_LOG_MAX;

    pthread_mutex_lock(&s->lock);
    k->n = is_of(k, log) ? k->n + 1 : 1;
    pause = PAUSE_US << (k->n < 12 ? k->n - 1 : 11);
    k->log = log;
    k->next = clock_monotonic() + (pause < max ? pause : max);
    k->at = app_now(s->all->app);
    k->contradicts = e == ERR_FORBIDDEN;
    (void)snprintf(k->why, sizeof k->why, "%.*s", STR_ARG(utf8_cut(why, WHY_MAX - 1)));
    pthread_mutex_unlock(&s->lock);
}

static void
forget(struct sender *s, struct failure_kept *k)
{
    pthread_mutex_lock(&s->lock);
    k->next = 0;
    k->n = 0;
    pthread_mutex_unlock(&s->lock);
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
ask(struct sender *s, struct cx *cx, const struct audit_head *h, int64_t from,
    struct out_http_answer *x, struct str *why)
{
    struct tree_source tree = audit_tree(cx, h->log);
    struct tree_proof p = {0};
    enum err e = tree_consistency(&tree, from, h->size, &p);

    if (e == OK && p.n <= WITNESS_PROOF_MAX)
        return out_http_post(s->http, cx->arena, s->url, S("text/plain; charset=utf-8"),
                             witness_request_text(cx->arena, from, &p, h->note), x, why);
    *why = e == ERR_NOT_FOUND
               ? arena_fmt(cx->arena,
                           "it last cosigned size %lld, and the events around it have expired",
                           (long long)from)
               : S("the proof could not be made");
    return ERR_CONFLICT;
}

/* The cosignature in the answer, checked: its line and time. Lines of other keys are left out. */
static enum err
check(struct sender *s, struct cx *cx, const struct audit_head *h, struct str body,
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
        now.size >= *from) {
        *why = S("another server was faster");
        return ERR_CONFLICT;
    }
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
 * its answer is of no use; ERR_FORBIDDEN: it knows of another log than ours. */
static enum err
send_head(struct sender *s, struct cx *cx, const struct audit_uncosigned *u, struct str *why)
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
    *why = S("its cosignature could not be stored");
    return audit_cosigned_put(cx, h, &s->w.key, line, at) == OK ? OK : ERR_IO;
}

/* ---- rounds ---- */

static bool
is_wanted(const struct cosign *c, struct str origin)
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

    pthread_mutex_lock(&c->lock);
    if (now >= c->turn_until) {
        cx->now = app_now(cx->app);
        /* Asked for again at its half, so that it never ends while a call is under way. */
        if (audit_cosign_turn(cx, c->process, false) == OK)
            c->turn_until = now + AUDIT_TURN_US / 2;
    }
    mine = now < c->turn_until;
    pthread_mutex_unlock(&c->lock);
    return mine;
}

static bool
is_paused(struct sender *s, struct log_id log)
{
    const struct failure_kept *k = slot(s, log);

    return is_of(k, log) && k->next > clock_monotonic();
}

/* False: nothing more in this round. */
static bool
one_head(struct sender *s, struct cx *cx, const struct audit_uncosigned *u)
{
    struct failure_kept *k = slot(s, u->head.log);
    struct str why = S("");
    enum err e;

    if (!is_wanted(s->all, u->head.origin) || is_paused(s, u->head.log))
        return true;
    if (!have_turn(s->all, cx))
        return false;
    e = send_head(s, cx, u, &why);
    if (atomic_load(&cx->app->stopping))
        return false;
    if (e == OK) {
        if (is_of(k, u->head.log))
            forget(s, k);
        if (s->down.next != 0)
            log_info("cosign.up", LOG_STR("witness", s->w.name));
        forget(s, &s->down);
        return true;
    }
    log_warn("cosign.failed", LOG_STR("witness", s->w.name), LOG_STR("origin", u->head.origin),
             LOG_STR("why", why));
    if (e == ERR_FORBIDDEN)
        log_error("cosign.contradiction", LOG_STR("witness", s->w.name),
                  LOG_STR("origin", u->head.origin), LOG_INT("size", u->head.size));
    if (e != ERR_IO) {
        keep(s, k, u->head.log, why, e);
        forget(s, &s->down); /* it did answer */
        return true;
    }
    keep(s, &s->down, (struct log_id){0}, why, e);
    return false;
}

static void
look(struct sender *s)
{
    int64_t after = INT64_MIN;
    size_t n = BATCH;
    bool on = s->down.next <= clock_monotonic();

    while (on && n == BATCH && !atomic_load(&s->all->app->stopping)) {
        struct arena *a = arena_create("cosign", ROUND_ARENA);
        struct cx cx = cx_system(s->all->app, a, "Witnesses", NULL);
        struct audit_uncosigned *v;

        if (audit_uncosigned(&cx, s->vkey, cx.now - REFRESH_US, after, BATCH, &v, &n) != OK) {
            log_warn("cosign.store", LOG_STR("store", db_last_error()));
            n = 0;
        }
        for (size_t i = 0; i < n && on; i++) {
            after = v[i].head.log.tenant_id;
            on = one_head(s, &cx, &v[i]);
        }
        arena_free(a);
    }
}

static void *
sender_main(void *arg)
{
    struct sender *s = arg;

    s->http = out_http_open(&s->all->app->stopping);
    while (!atomic_load(&s->all->app->stopping)) {
        look(s);
        for (int i = 0; i < LOOK_MS / 50 && !atomic_load(&s->all->app->stopping); i++)
            usleep(50000);
    }
    out_http_close(s->http);
    return NULL;
}

void
cosign_start(struct app *app)
{
    struct cosign *c = app->cosign;

    for (size_t i = 0; i < c->n; i++) {
        struct sender *s = &c->sender[i];

        if (str_is_null(s->url))
            continue;
        if (pthread_create(&s->thread, NULL, sender_main, s) != 0)
            BUG("no thread for a witness");
        s->runs = true;
    }
}

void
cosign_stop(struct app *app)
{
    struct cosign *c = app->cosign;

    for (size_t i = 0; i < c->n; i++) {
        if (c->sender[i].runs)
            pthread_join(c->sender[i].thread, NULL);
        c->sender[i].runs = false;
    }
    if (c->turn_until != 0) {
        struct arena *a = arena_create("cosign.end", (size_t)1 << 20);
        struct cx cx = cx_system(app, a, "Witnesses", NULL);

        if (audit_cosign_turn(&cx, c->process, true) != OK)
            log_debug("cosign.turn", LOG_STR("store", db_last_error()));
        arena_free(a);
    }
}

/* ---- what is known ---- */

size_t
cosign_configured(const struct app *app)
{
    return app->cosign ? app->cosign->n : 0;
}

struct str
cosign_names(const struct app *app, struct arena *a)
{
    struct buf *b = buf_in(a, COSIGN_WITNESSES_MAX * (NOTE_NAME_MAX + 512));

    for (size_t i = 0; i < cosign_configured(app); i++) {
        buf_cstr(b, i > 0 ? ", " : "");
        buf_str(b, app->cosign->sender[i].vkey);
    }
    return buf_view(b);
}

enum err
cosign_status(struct cx *cx, size_t i, int64_t tenant_id, struct cosign_status *out)
{
    struct sender *s = &cx->app->cosign->sender[i];
    struct cosign_status st = {.name = s->w.name, .key = s->vkey, .url = s->w.url};
    const struct failure_kept *k;
    struct audit_head h;
    enum err e = audit_head_get(cx, tenant_id, -1, &h);
    bool has_head = e == OK;

    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    e = audit_cosigned_get(cx, tenant_id, s->vkey, &st.got);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    pthread_mutex_lock(&s->lock);
    k = &s->down;
    if (k->next == 0 && has_head)
        k = slot(s, h.log);
    if (k->next != 0 && (k == &s->down || is_of(k, h.log))) {
        st.error = arena_str(cx->arena, str_of(k->why));
        st.error_at = k->at;
        st.contradicts = k->contradicts;
    }
    pthread_mutex_unlock(&s->lock);
    *out = st;
    return OK;
}
