/* Which witnesses there are: the policy's file, read at the start and whenever it changes, and what is
 * known of each. Asking them is cosign_send.c.
 *
 * The keeper looks at the file itself every few seconds, not at its times: a copy keeps them, clocks step,
 * and the file is small. What it finds must be found twice, so that nobody's half-written file is taken;
 * SIGHUP says that the file is whole, and is believed at once. The change is recorded first, then taken. */
#include "out/cosign.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/log.h"
#include "base/text.h"
#include "codec/hash.h"
#include "out/cosign_priv.h"
#include "out/http.h"

#define LOOK_MS     5000 /* between two looks at the file */
#define STEP_MS     50   /* how soon a signal, or the end, is noticed */
#define SET_ARENA   ((size_t)32 << 20)
#define CHANGES_MAX 64   /* told in one event */
#define SHOWN_MAX   2400 /* bytes of each text of them: a key and an address */

/* ---- the file ---- */

static enum err
read_file(struct arena *a, struct str data_dir, struct str *text, struct str *why)
{
    struct buf *b = buf_in(a, POLICY_MAX);
    char chunk[4096];
    ssize_t n = 0;
    const char *path = arena_cstr(a, arena_fmt(a, "%.*s/" COSIGN_FILE, STR_ARG(data_dir)));
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* whatever it is, nobody waits for it */

    if (fd < 0 && errno == ENOENT)
        return ERR_NOT_FOUND;
    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0 && !buf_failed(b))
        buf_put(b, chunk, (size_t)n);
    if (fd >= 0)
        close(fd);
    if (fd < 0 || n < 0 || buf_failed(b)) {
        *why = S("it can not be read, or is larger than 1 MB");
        return ERR_INVALID;
    }
    *text = buf_view(b);
    return OK;
}

static enum err
check_witnesses(const struct policy *p, struct arena *a, struct str *why)
{
    const struct policy_witness *w;
    size_t n = policy_witnesses(p, &w);

    if (n > COSIGN_WITNESSES_MAX) {
        *why = S("more than 32 witnesses");
        return ERR_INVALID;
    }
    for (size_t i = 0; i < n; i++)
        if (!str_is_empty(w[i].url) && !out_http_url_is_valid(w[i].url)) {
            *why = arena_fmt(a, "the address of the witness %.*s is none of http or https",
                             STR_ARG(w[i].name));
            return ERR_INVALID;
        }
    return OK;
}

static enum err
understand(struct arena *a, struct str text, struct policy **out, struct str *why)
{
    enum err e = policy_parse(a, text, out, why);

    return e == OK ? check_witnesses(*out, a, why) : ERR_INVALID;
}

enum err
cosign_read(struct arena *a, struct str data_dir, struct policy **out, struct str *why)
{
    struct str text;

    TRY(read_file(a, data_dir, &text, why));
    return understand(a, text, out, why);
}

/* ---- a set of witnesses ---- */

static void
take_witness(struct cosign_set *s, const struct policy_witness *w)
{
    struct cosign_sender *x = &s->sender[s->n++];

    *x = (struct cosign_sender){.set = s, .w = *w, .vkey = note_vkey(s->arena, &w->key)};
    /* A key that is not checked here (ML-DSA-44) is for others who read the file. */
    if (!str_is_empty(w->url) && w->key.type == NOTE_COSIGNER)
        x->url = arena_fmt(s->arena, "%.*s/add-checkpoint", STR_ARG(w->url));
    x->refused = arena_array(s->arena, struct cosign_pause, COSIGN_SLOTS);
}

/* text null: no file, no witness. NULL with *why, in `a`, when it is not understood. */
static struct cosign_set *
set_new(struct cosign *c, struct arena *a, struct str text, struct str *why)
{
    struct arena *own = arena_create("witnesses", SET_ARENA);
    struct cosign_set *s = arena_new(own, struct cosign_set);
    const struct policy_witness *w;
    struct str what = STR_NULL;

    s->all = c;
    s->arena = own;
    s->text = str_is_null(text) ? STR_NULL : arena_str(own, text);
    s->loaded_at = app_now(c->app);
    atomic_init(&s->stop, false);
    if (str_is_null(text))
        return s;
    if (understand(own, s->text, &s->policy, &what) != OK) {
        *why = arena_str(a, what);
        arena_free(own);
        return NULL;
    }
    s->n_logs = policy_logs(s->policy, &s->logs);
    for (size_t i = 0, n = policy_witnesses(s->policy, &w); i < n; i++)
        take_witness(s, &w[i]);
    return s;
}

enum err
cosign_open(struct app *app, struct str *why)
{
    struct arena *a = app->arena;
    struct cosign *c = arena_new(a, struct cosign);
    struct str text = STR_NULL, what = STR_NULL;
    enum err e = read_file(a, app->config.data_dir, &text, &what);

    c->app = app;
    c->process = cuid_in(a, app_now(app));
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->turn_lock, NULL);
    app->cosign = c;
    if (e == OK || e == ERR_NOT_FOUND)
        c->now = set_new(c, a, text, &what);
    if (c->now != NULL)
        return OK;
    *why = arena_fmt(a, "%.*s/" COSIGN_FILE ": %.*s", STR_ARG(app->config.data_dir), STR_ARG(what));
    return ERR_INVALID;
}

/* ---- what a change changes ---- */

struct item {
    struct str field, value;
};
struct items {
    struct item *v;
    size_t n;
};

static struct items
items_of(struct arena *a, const struct policy *p)
{
    struct items x = {arena_array(a, struct item, 2 * POLICY_NAMES_MAX + 1), 0};
    const struct policy_witness *w;
    const struct note_key *k;

    if (p == NULL)
        return x;
    for (size_t i = 0, n = policy_witnesses(p, &w); i < n; i++)
        x.v[x.n++] = (struct item){
            arena_fmt(a, "witness %.*s", STR_ARG(w[i].name)),
            arena_fmt(a, "%.*s %.*s", STR_ARG(note_vkey(a, &w[i].key)), STR_ARG(w[i].url))};
    for (size_t i = 0, n = policy_logs(p, &k); i < n; i++) {
        struct str vkey = note_vkey(a, &k[i]);

        x.v[x.n++] = (struct item){arena_fmt(a, "log %.*s", STR_ARG(vkey)), vkey};
    }
    x.v[x.n++] = (struct item){S("quorum"), policy_quorum_text(p, a)};
    return x;
}

static struct str
value_of(const struct items *x, struct str field)
{
    for (size_t i = 0; i < x->n; i++)
        if (str_eq(x->v[i].field, field))
            return x->v[i].value;
    return STR_NULL;
}

struct change_told {
    struct str text, policy; /* policy: what is kept as told; null: nothing new */
    enum outcome outcome;
    struct audit_change *v;
    size_t n;
};

static struct str
shown(struct str value)
{
    return str_is_null(value) ? STR_NULL : utf8_cut(value, SHOWN_MAX);
}

static void
differ(const struct items *from, const struct items *to, bool gone, struct change_told *t,
       struct buf *names)
{
    for (size_t i = 0; i < from->n; i++) {
        struct str other = value_of(to, from->v[i].field);
        const struct item *x = &from->v[i];

        if (str_eq(other, x->value) || (gone && !str_is_null(other)))
            continue;
        buf_fmt(names, "%s%.*s %s", names->n > 0 ? ", " : "", STR_ARG(x->field),
                gone                 ? "removed"
                : str_is_null(other) ? "added"
                                     : "changed");
        if (t->n < CHANGES_MAX)
            t->v[t->n++] =
                (struct audit_change){utf8_cut(x->field, SHOWN_MAX), shown(gone ? x->value : other),
                                      gone ? STR_NULL : shown(x->value)};
    }
}

static struct str
host_name(struct arena *a)
{
    char host[256] = "localhost";

    (void)gethostname(host, sizeof host - 1);
    return arena_str(a, str_of(host));
}

static enum err
record_body(struct cx *cx, void *arg)
{
    const struct change_told *t = arg;
    struct audit_change *changes = arena_array(cx->arena, struct audit_change, CHANGES_MAX + 1);
    struct audit_entry e = {.event = EV_WITNESSES_CHANGED,
                            .outcome = t->outcome,
                            .target_kind = S("audit"),
                            .text = t->text,
                            .changes = changes,
                            .n_changes = t->n};

    if (t->n > 0)
        memcpy(changes, t->v, t->n * sizeof *changes);
    if (!str_is_null(t->policy))
        TRY(cosign_known_write(cx, t->policy, &changes[e.n_changes++]));
    return audit_record_everywhere(cx, &e);
}

/* Recorded in every log: whom a workspace's proofs rest on is its own business. */
static enum err
record(struct cosign *c, struct arena *a, struct change_told *t)
{
    struct cx cx = cx_system(c->app, a, "Witnesses", NULL);

    if (cx_write(&cx, record_body, t) == OK)
        return OK;
    log_warn("cosign.change_waits", LOG_STR("why", cx.failure.message),
             LOG_STR("store", db_last_error()));
    return ERR_UNAVAILABLE;
}

static enum err
record_change(struct cosign *c, struct arena *a, const struct policy *before,
              const struct cosign_set *next, const char *when)
{
    struct items was = items_of(a, before), is = items_of(a, next->policy);
    struct change_told t = {.v = arena_array(a, struct audit_change, CHANGES_MAX)};
    struct buf *names = buf_in(a, POLICY_MAX * 3);

    differ(&is, &was, false, &t, names);
    differ(&was, &is, true, &t, names);
    if (t.n == 0) /* comments, order, white space */
        return OK;
    t.text = arena_fmt(
        a, "The witnesses of the audit log were changed on %.*s%s (" COSIGN_FILE "): %.*s",
        STR_ARG(host_name(a)), when, STR_ARG(utf8_cut(buf_view(names), 1000)));
    t.policy = str_is_null(next->text) ? S("") : next->text;
    return record(c, a, &t);
}

/* What was told of last, by this server, against what it goes by now. False: it can not be told yet. */
static bool
catch_up(struct cosign *c)
{
    struct arena *a = arena_create("policy", SET_ARENA);
    struct cx cx = cx_system(c->app, a, "Witnesses", NULL);
    struct policy *was = NULL;
    struct str known = STR_NULL, why = STR_NULL;
    enum err e = cosign_known_read(&cx, &known);

    /* One that this version does not understand any more: all of the new one is told. */
    if (e == OK && !str_is_empty(known) && understand(a, known, &was, &why) != OK)
        was = NULL;
    if (e == OK)
        e = record_change(c, a, was, c->now, " while it did not run");
    else
        log_warn("cosign.change_waits", LOG_STR("store", db_last_error()));
    arena_free(a);
    return e == OK;
}

/* ---- reading it again ---- */

static void
set_refused(struct cosign *c, struct str why)
{
    pthread_mutex_lock(&c->lock);
    if (c->refused_arena != NULL)
        arena_free(c->refused_arena);
    c->refused_arena = NULL;
    c->refused = STR_NULL;
    if (!str_is_null(why)) {
        c->refused_arena = arena_create("refused policy", (size_t)1 << 16);
        c->refused = arena_str(c->refused_arena, utf8_cut(why, 1000));
        c->refused_at = app_now(c->app);
    }
    pthread_mutex_unlock(&c->lock);
}

static void
refuse_file(struct cosign *c, struct arena *a, const struct sha256 *mark, struct str why)
{
    struct change_told t = {.outcome = OUTCOME_FAILURE};

    if (memcmp(mark, &c->refused_hash, sizeof *mark) == 0)
        return; /* said already */
    t.text =
        arena_fmt(a, "The changed " COSIGN_FILE " on %.*s is refused, the one before holds: %.*s",
                  STR_ARG(host_name(a)), STR_ARG(why));
    if (record(c, a, &t) != OK)
        return;
    log_error("cosign.policy_refused", LOG_STR("why", why));
    c->refused_hash = *mark;
    set_refused(c, why);
}

static void
take(struct cosign *c, struct arena *a, struct str text, const struct sha256 *mark)
{
    struct str why = STR_NULL;
    struct cosign_set *next = set_new(c, a, text, &why), *last = c->now;

    if (next == NULL) {
        refuse_file(c, a, mark, why);
        return;
    }
    if (record_change(c, a, c->now->policy, next, "") != OK) {
        arena_free(next->arena);
        return; /* at the next look */
    }
    cosign_set_stop(last);
    pthread_mutex_lock(&c->lock);
    c->now = next;
    pthread_mutex_unlock(&c->lock);
    arena_free(last->arena);
    c->refused_hash = (struct sha256){0};
    set_refused(c, STR_NULL);
    cosign_set_start(next);
    log_info("cosign.policy_read", LOG_INT("witnesses", (int64_t)next->n));
}

/* Of the file as it is found: its bytes, that there is none, that it can not be read. */
static struct sha256
mark_of(enum err e, struct str text)
{
    struct str kind = e == OK ? S("file") : e == ERR_NOT_FOUND ? S("none") : S("unreadable");
    struct str parts[] = {kind, text};

    return sha256_parts(parts, 2);
}

static void
look(struct cosign *c, bool now)
{
    if (c->behind && !catch_up(c))
        return;
    c->behind = false;
    struct arena *a = arena_create("policy", SET_ARENA);
    struct str text = STR_NULL, why = STR_NULL;
    enum err e = read_file(a, c->app->config.data_dir, &text, &why);
    struct sha256 mark = mark_of(e, text);
    struct sha256 held = mark_of(str_is_null(c->now->text) ? ERR_NOT_FOUND : OK, c->now->text);
    bool twice = memcmp(&mark, &c->candidate, sizeof mark) == 0;

    c->candidate = mark;
    if (memcmp(&mark, &held, sizeof mark) == 0) {
        c->refused_hash = (struct sha256){0};
        set_refused(c, STR_NULL);
    } else if (now || twice) {
        if (e == OK || e == ERR_NOT_FOUND)
            take(c, a, text, &mark);
        else
            refuse_file(c, a, &mark, why);
    }
    arena_free(a);
}

static void *
keeper_main(void *arg)
{
    struct cosign *c = arg;
    int waited = 0;

    c->behind = !catch_up(c);
    cosign_set_start(c->now);
    while (!atomic_load(&c->app->stopping)) {
        bool hurry = atomic_exchange(&c->hurry, false);

        if (hurry || waited >= LOOK_MS) {
            look(c, hurry);
            waited = 0;
        }
        usleep(STEP_MS * 1000);
        waited += STEP_MS;
    }
    cosign_set_stop(c->now);
    return NULL;
}

void
cosign_reload(struct app *app)
{
    if (app->cosign != NULL)
        atomic_store(&app->cosign->hurry, true);
}

void
cosign_start(struct app *app, audit_witness_tell tell)
{
    struct cosign *c = app->cosign;

    c->tell = tell;
    if (pthread_create(&c->keeper, NULL, keeper_main, c) != 0)
        BUG("no thread for the witnesses");
    c->runs = true;
}

void
cosign_stop(struct app *app)
{
    struct cosign *c = app->cosign;

    if (c->runs)
        pthread_join(c->keeper, NULL);
    c->runs = false;
    if (c->turn_until != 0) {
        struct arena *a = arena_create("cosign.end", (size_t)1 << 20);
        struct cx cx = cx_system(app, a, "Witnesses", NULL);

        if (audit_cosign_turn(&cx, c->process, true) != OK)
            log_debug("cosign.turn", LOG_STR("store", db_last_error()));
        arena_free(a);
    }
}

void
cosign_close(struct app *app)
{
    struct cosign *c = app->cosign;

    if (c == NULL)
        return;
    if (c->now != NULL)
        arena_free(c->now->arena);
    if (c->refused_arena != NULL)
        arena_free(c->refused_arena);
    app->cosign = NULL;
}

/* ---- what is known ---- */

/* The text is copied and read again: so no request holds on to a set that is being replaced. */
void
cosign_view(struct cx *cx, struct cosign_view *out)
{
    struct cosign *c = cx->app->cosign;
    struct cosign_view x = {0};
    struct str why = STR_NULL;

    if (c != NULL) {
        pthread_mutex_lock(&c->lock);
        x.text = str_is_null(c->now->text) ? STR_NULL : arena_str(cx->arena, c->now->text);
        x.loaded_at = c->now->loaded_at;
        x.refused = str_is_null(c->refused) ? STR_NULL : arena_str(cx->arena, c->refused);
        x.refused_at = c->refused_at;
        pthread_mutex_unlock(&c->lock);
    }
    if (!str_is_null(x.text) && understand(cx->arena, x.text, &x.policy, &why) != OK)
        BUG("a policy that was understood is not any more");
    if (x.policy != NULL)
        x.n = policy_witnesses(x.policy, &x.v);
    *out = x;
}

bool
cosign_sends(const struct cosign_view *v, struct str origin)
{
    const struct note_key *k;
    size_t n = v->policy != NULL ? policy_logs(v->policy, &k) : 0;

    for (size_t i = 0; i < n; i++)
        if (str_eq(k[i].name, origin))
            return true;
    return n == 0;
}

enum err
cosign_status(struct cx *cx, const struct policy_witness *w, int64_t tenant_id,
              struct cosign_status *out)
{
    struct cosign_status st = {.name = w->name,
                               .key = note_vkey(cx->arena, &w->key),
                               .url = w->url,
                               .asked = !str_is_empty(w->url) && w->key.type == NOTE_COSIGNER};
    struct audit_head h;
    enum err e = audit_head_get(cx, tenant_id, -1, &h);

    if (e == OK)
        e = audit_witness_get(cx, h.log, st.key, &st.known);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    e = audit_cosigned_get(cx, tenant_id, st.key, &st.got);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    *out = st;
    return OK;
}

/* ---- the quorum ---- */

/* When the witness cosigned this log last, by its own signature, whatever the store says of it; 0: it has
 * not. */
static int64_t
cosigned_when(struct arena *a, const struct policy_witness *w, const struct cosign_status *s,
              const struct audit_head *h)
{
    struct checkpoint c;
    struct note n;
    int64_t when = 0;

    if (s->got.size <= 0 || note_parse(a, s->got.note, &n) != OK ||
        checkpoint_parse(n.text, &c) != OK || !str_eq(c.origin, h->origin) || c.size > h->size ||
        note_check(&n, &w->key, &when) != NOTE_GOOD)
        return 0;
    return when;
}

void
cosign_judge(struct cx *cx, const struct cosign_view *v, const struct cosign_status *s,
             const struct audit_head *h, int64_t oldest, struct cosign_quorum *out)
{
    struct cosign_quorum q = {.counts = arena_array(cx->arena, bool, v->n + 1),
                              .named = arena_array(cx->arena, bool, v->n + 1)};
    struct buf *missing = buf_in(cx->arena, (size_t)1 << 16);

    for (size_t i = 0; i < v->n; i++) {
        int64_t when = h != NULL ? cosigned_when(cx->arena, &v->v[i], &s[i], h) : 0;

        q.newest = when > q.newest ? when : q.newest;
        q.counts[i] = when > 0 && when >= oldest;
        q.named[i] = policy_quorum_names(v->policy, i);
        if (!q.named[i] || q.counts[i])
            continue;
        buf_cstr(missing, missing->n > 0 ? "; " : "");
        text_visible(missing, utf8_cut(v->v[i].name, 80));
        if (when == 0)
            buf_cstr(missing, " has not cosigned");
        else
            buf_fmt(missing, " has not cosigned since %.*s", STR_ARG(time_iso(cx->arena, when)));
    }
    if (v->policy != NULL) {
        q.text = policy_quorum_text(v->policy, cx->arena);
        q.none = str_eq(q.text, S("none"));
        q.met = policy_quorum_is_met(v->policy, cx->arena, q.counts);
    }
    q.missing = q.met ? S("") : buf_view(missing);
    *out = q;
}
