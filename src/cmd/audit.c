/* recount audit: list, tail and export of the log without a server; what was read is recorded
 * (audit_note.c). Access is audit_access.c's. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "api/export_form.h"
#include "base/text.h"
#include "cmd/audit_cmd.h"
#include "codec/hash.h"
#include "core/settings.h"

#define BATCH        500
#define TAIL_POLL_US 250000

struct audit_args {
    struct str q, from, to, limit, format, user, tenant, event_type;
    struct str on;
    bool instance, check;
};

struct batch {
    const struct audit_query *q;
    struct audit_page page;
};

static enum err
batch_body(struct cx *cx, void *arg)
{
    struct batch *b = arg;

    return audit_list(cx, b->q, &b->page);
}

/* Reads the query's events in batches and gives each to fn, until `max` or the end. */
static enum err
walk(struct app *app, const struct cx *base, struct audit_query *q, int64_t max,
     void (*fn)(void *arg, struct arena *a, const struct audit_event *e), void *arg)
{
    for (;;) {
        struct arena *a = arena_create("audit walk", (size_t)128 << 20);
        struct cx cx = *base;
        struct batch b = {.q = q};
        enum err e;

        cx.app = app;
        cx.arena = a;
        q->limit = max < BATCH ? (int)max : BATCH;
        e = cx_read(&cx, batch_body, &b);
        if (e != OK) {
            refuse("%.*s", STR_ARG(cx.failure.message));
            arena_free(a);
            return e;
        }
        for (size_t i = 0; i < b.page.n; i++)
            fn(arg, a, &b.page.events[i]);
        max -= (int64_t)b.page.n;
        q->after = b.page.n ? b.page.next : q->after;
        if (!b.page.more || max <= 0) {
            arena_free(a);
            return OK;
        }
        arena_free(a);
    }
}

static void
print_line(void *arg, struct arena *a, const struct audit_event *e)
{
    struct buf *b = buf_in(a, 65536);

    (void)arg;
    buf_fmt(b, "%8lld  %.*s  %-24.*s ", (long long)e->index, STR_ARG(time_iso(a, e->at)),
            STR_ARG(e->type_name));
    text_visible(b, audit_user_info(a, e));
    buf_cstr(b, "  ");
    text_visible(b, e->text);
    if (!str_is_empty(e->address)) {
        buf_cstr(b, "  from ");
        text_visible(b, e->address);
    }
    printf("%.*s\n", STR_ARG(buf_view(b)));
}

static bool
read_when(struct str s, int64_t now, int64_t *out)
{
    int64_t n, unit;

    *out = 0;
    if (str_is_null(s))
        return true;
    unit = s.n > 1 && s.p[s.n - 1] == 'd'   ? USEC_PER_DAY
           : s.n > 1 && s.p[s.n - 1] == 'h' ? USEC_PER_HOUR
                                            : 0;
    if (unit && str_int64(str_sub(s, 0, s.n - 1), &n) == OK && n >= 0 && n < 36500) {
        *out = now - n * unit;
        return true;
    }
    return time_parse_iso(s, out) == OK;
}

/* ---- what is asked, as the events of it say ---- */

static void
add_word(struct buf *b, const char *name, struct str value)
{
    if (!str_is_empty(value))
        buf_fmt(b, "%s%s=%.*s", b->n ? " " : "", name, STR_ARG(value));
}

static struct str
query_text(const struct cx *cx, const struct audit_args *u)
{
    struct buf *b = buf_in(cx->arena, 65536);

    add_word(b, "q", u->q);
    add_word(b, "from", u->from);
    add_word(b, "to", u->to);
    add_word(b, "user", u->user);
    add_word(b, "event_type", u->event_type);
    return b->n ? buf_view(b) : S("");
}

/* The whole answer is fixed before its event is recorded: it does not show itself. */
static void
fix_end(const struct cx *cx, struct audit_query *q)
{
    q->before = audit_newest(cx->app, q->tenant_id, q->instance) + 1;
}

static void
note_view(const struct cx *cx, const struct audit_args *u)
{
    struct audit_entry e = {
        .event = EV_AUDIT_VIEWED, .target_kind = S("audit"), .instance = u->instance};

    e.text = arena_fmt(cx->arena, "%.*s viewed the audit log", STR_ARG(cx->actor.name));
    e.private_detail = arena_fmt(cx->arena, "query: %.*s", STR_ARG(query_text(cx, u)));
    audit_note_reading(cx, &e);
}

static int
list(const struct cx *cx, struct audit_query *q, const struct audit_args *u, int64_t limit)
{
    fix_end(cx, q);
    note_view(cx, u);
    return walk(cx->app, cx, q, limit, print_line, NULL) == OK ? 0 : 1;
}

static int
tail(const struct cx *cx, struct audit_query *q, const struct audit_args *u)
{
    note_view(cx, u);
    if (audit_refresh(cx->app) != OK)
        return 1;
    q->ascending = true;
    q->after = audit_newest(cx->app, q->tenant_id, q->instance);
    for (;;) {
        if (audit_refresh(cx->app) != OK || walk(cx->app, cx, q, INT64_MAX, print_line, NULL) != OK)
            return 1;
        fflush(stdout);
        usleep(TAIL_POLL_US);
    }
}

/* ---- export: as the server's, counted and hashed first, recorded, then written ---- */

struct export
{
    enum audit_format format;
    int64_t log;
    struct export_sum sum;
    struct sha256_run *hash; /* NULL: written to standard output instead */
};

static void
export_bytes(struct export *x, const struct buf *b)
{
    if (x->hash)
        sha256_more(x->hash, b->n ? buf_view(b) : S(""));
    else
        fwrite(b->p ? b->p : "", 1, b->n, stdout);
}

static void
export_event(void *arg, struct arena *a, const struct audit_event *e)
{
    struct export *x = arg;
    struct buf *b = buf_in(a, (size_t)4 << 20);
    struct audit_event one = *e;

    if (x->hash)
        export_count(&x->sum, x->log, &(struct audit_page){.events = &one, .n = 1});
    audit_format_line(a, b, x->format, e);
    export_bytes(x, b);
}

static enum err
export_pass(const struct cx *cx, struct audit_query q, struct export *x)
{
    struct buf *head = buf_in(cx->arena, 65536);

    audit_format_head(head, x->format);
    export_bytes(x, head);
    return walk(cx->app, cx, &q, INT64_MAX, export_event, x);
}

static bool
read_format(struct str s, enum audit_format *f)
{
    *f = str_eq(s, S("csv")) ? AUDIT_CSV : str_eq(s, S("ocsf")) ? AUDIT_OCSF : AUDIT_NDJSON;
    return *f != AUDIT_NDJSON || str_is_null(s) || str_eq(s, S("ndjson"));
}

static int export(struct cx *cx, struct audit_query *q, const struct audit_args *u)
{
    struct export x = {.log = q->tenant_id, .sum = {.first = -1, .last = -1}};
    struct audit_entry e;

    if (!read_format(u->format, &x.format))
        return usage("audit export --format ndjson|csv|ocsf");
    export_range(cx, q);
    fix_end(cx, q);
    x.sum.from = q->from;
    x.sum.to = q->to;
    x.hash = sha256_begin(cx->arena);
    if (export_pass(cx, *q, &x) != OK)
        return 1;
    x.sum.digest = sha256_end_hex(cx->arena, x.hash);
    x.hash = NULL;
    e = export_entry(cx, &x.sum, query_text(cx, u));
    e.instance = u->instance;
    audit_note_reading(cx, &e);
    fprintf(stderr, "%.*s\n", STR_ARG(e.text));
    return export_pass(cx, *q, &x) == OK && fflush(stdout) == 0 ? 0 : 1;
}

static int
read_log(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    struct audit_args u = {0};
    const struct option_def defs[] = {CONFIG_OPTIONS(&c),
                                      {"query", &u.q, NULL},
                                      {"from", &u.from, NULL},
                                      {"to", &u.to, NULL},
                                      {"limit", &u.limit, NULL},
                                      {"format", &u.format, NULL},
                                      {"user", &u.user, NULL},
                                      {"tenant", &u.tenant, NULL},
                                      {"event-type", &u.event_type, NULL},
                                      {"on", &u.on, NULL},
                                      {"instance", NULL, &u.instance},
                                      {"check", NULL, &u.check},
                                      {0}};
    struct audit_query q = {.outcome = -1, .after = -1, .before = -1, .budget_ms = 60000};
    struct app *app;
    struct cx cx;
    int64_t limit = 50;
    int status;

    if (!options_read(a, defs, &argc, argv) || argc != 1)
        return usage(
            "audit list|tail|export [--query Q] [--from D] [--to D] [--limit N] [--instance]\n"
            "                     audit access [--on D] [--format csv|ndjson] [--user U] [--check]\n"
            "                     audit verify|holds|erasures …\n"
            "                     audit new-epoch --reason TEXT");
    if (!str_is_null(u.limit) && (str_int64(u.limit, &limit) != OK || limit < 1))
        return usage("audit: --limit wants a number");
    if (!str_is_null(u.tenant) && str_int64(u.tenant, &q.tenant_id) != OK)
        return usage("audit: --tenant wants a number");
    if (!str_is_null(u.event_type) && (q.event = event_by_name(u.event_type)) == EVENT_NONE)
        return usage("audit: --event-type is not in the catalogue");
    if (!read_when(u.from, clock_now(), &q.from) || !read_when(u.to, clock_now(), &q.to))
        return usage("audit: --from and --to want a date (2026-11-23), a time with zone or a span "
                     "(30d)");
    if (!config_finish(a, &c, STR_NULL) ||
        !app_open(a, &c, (struct open_want){.read_only = true}, &app))
        return 1;
    cx = command_cx(app, a, arena_cstr(a, arena_fmt(a, "audit %s", argv[0])));
    q.q = u.q;
    q.user = u.user;
    q.instance = u.instance;
    if (settings_apply_installation(&cx) != OK) /* how far back the log is shown */
        status = refuse("%.*s", STR_ARG(cx.failure.message));
    else if (u.check)
        status = audit_access_check(&cx, str_is_null(u.tenant) ? -1 : q.tenant_id);
    else if (!u.instance && command_tenant(&cx, q.tenant_id) != OK)
        status = refuse("%.*s", STR_ARG(cx.failure.message));
    else if (str_eq(str_of(argv[0]), S("list")))
        status = list(&cx, &q, &u, limit);
    else if (str_eq(str_of(argv[0]), S("tail")))
        status = tail(&cx, &q, &u);
    else if (str_eq(str_of(argv[0]), S("export")))
        status = export(&cx, &q, &u);
    else if (str_eq(str_of(argv[0]), S("access")))
        status = audit_access(&cx, &(struct audit_access_args){u.on, u.format, u.user});
    else
        status = usage("audit list|tail|export|access");
    app_close(app);
    return status;
}

/* What has options of its own, each in a file of its own. */
static const struct {
    const char *word;
    int (*run)(struct arena *a, int argc, char **argv);
} others[] = {
    {"new-epoch", audit_new_epoch},
    {"verify", audit_verify_command},
    {"holds", audit_holds_command},
    {"erasures", audit_erasures_command},
};

int
cmd_audit(struct arena *a, int argc, char **argv)
{
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
        if (argc > 0 && strcmp(argv[0], others[k].word) == 0)
            return others[k].run(a, argc - 1, argv + 1);
    return read_log(a, argc, argv);
}
