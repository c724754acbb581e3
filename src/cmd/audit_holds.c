/* recount audit holds: legal holds listed, placed and released on the machine itself, by the rules of
 * core/hold.h; the operating system's user and host are the event's actor. Also what it shares with
 * `recount audit erasures`. */
#include <stdio.h>

#include "api/retention_api.h"
#include "audit/audit.h"
#include "base/text.h"
#include "cmd/audit_cmd.h"
#include "core/hold.h"
#include "core/settings.h"

#define USAGE                                                                                      \
    "audit holds list [--json] | place --reason TEXT [--until DATE] | release ID --reason TEXT\n"  \
    "                     [--tenant N] [--data DIR] [--database URL]"
#define LISTED_MAX ((size_t)4 << 20)

/* ---- shared with audit_erasures.c ---- */

int
audit_act_open(struct arena *a, struct audit_act *x, const char *command)
{
    bool reads = strcmp(x->word, "list") == 0;
    int64_t tenant = 0;

    if (!str_is_null(x->tenant) && (str_int64(x->tenant, &tenant) != OK || tenant < 0)) {
        fprintf(stderr, "usage: recount %s: --tenant wants a number\n", command);
        return 2;
    }
    if (!config_finish(a, &x->c, STR_NULL) ||
        !app_open(a, &x->c, (struct open_want){.read_only = reads}, &x->app))
        return 1;
    x->cx = command_cx(x->app, a, arena_cstr(a, arena_fmt(a, "%s %s", command, x->word)));
    if (command_tenant(&x->cx, tenant) == OK && settings_apply_installation(&x->cx) == OK)
        return 0;
    refuse("%.*s", STR_ARG(x->cx.failure.message));
    app_close(x->app);
    return 1;
}

int
audit_act_write(struct audit_act *x, cx_body body, void *arg)
{
    if (cx_write(&x->cx, body, arg) != OK)
        return refuse("%.*s", STR_ARG(x->cx.failure.message));
    if (audit_move_now(x->app) != OK)
        refuse("the event is recorded but not yet placed; the server will do it");
    return 0;
}

bool
audit_act_text(const char *option, struct str text, size_t max)
{
    if (str_is_empty(str_trim(text)))
        return refuse("--%s is required", option) == 0;
    if (text.n > max || !utf8_is_valid(text))
        return refuse("--%s wants a text of at most %zu bytes", option, max) == 0;
    return true;
}

/* ---- listing ---- */

static void
print_hold(struct arena *a, const struct hold *h)
{
    struct buf *b = buf_in(a, 65536);
    struct str by = str_is_null(h->placed_by_name) ? S("a deleted account") : h->placed_by_name;

    buf_fmt(b, "%.*s\t%s\tplaced %.*s by ", STR_ARG(h->cuid), hold_state(h),
            STR_ARG(time_iso(a, h->placed_at)));
    text_visible(b, by);
    if (h->has_until)
        buf_fmt(b, ", until %.*s", STR_ARG(time_iso(a, h->until)));
    else
        buf_cstr(b, ", until released");
    buf_cstr(b, ": ");
    text_visible(b, h->reason);
    if (h->ended_at != 0)
        buf_fmt(b, "; ended %.*s", STR_ARG(time_iso(a, h->ended_at)));
    if (!str_is_empty(h->end_reason)) {
        buf_cstr(b, ": ");
        text_visible(b, h->end_reason);
    }
    printf("%.*s\n", STR_ARG(buf_view(b)));
}

static enum err
list_body(struct cx *cx, void *arg)
{
    const bool *json = arg;
    struct buf *b = buf_in(cx->arena, LISTED_MAX);
    struct json_writer w;
    struct holds all;

    TRY(hold_list(cx, &all));
    if (!*json) {
        for (size_t i = 0; i < all.n; i++)
            print_hold(cx->arena, &all.v[i]);
        return OK;
    }
    json_writer_init(&w, b);
    json_begin_array(&w);
    for (size_t i = 0; i < all.n; i++)
        hold_json(&w, cx->arena, &all.v[i]);
    json_end_array(&w);
    printf("%.*s\n", STR_ARG(buf_view(b)));
    return OK;
}

/* ---- placing and releasing ---- */

struct holding {
    struct str id, reason;
    int64_t until;
    struct hold h;
};

static enum err
place_body(struct cx *cx, void *arg)
{
    struct holding *x = arg;

    return hold_place(cx, x->reason, x->until, &x->h);
}

static enum err
release_body(struct cx *cx, void *arg)
{
    const struct holding *x = arg;

    return hold_release(cx, x->id, x->reason);
}

static int
act(struct audit_act *x, struct holding *h)
{
    bool places = strcmp(x->word, "place") == 0;
    int status;

    if (strcmp(x->word, "list") == 0)
        return cx_read(&x->cx, list_body, &x->json) == OK
                   ? 0
                   : refuse("%.*s", STR_ARG(x->cx.failure.message));
    status = audit_act_write(x, places ? place_body : release_body, h);
    if (status == 0 && places)
        printf(
            "%.*s\nThe hold stands: no month leaves the log, and nobody is erased from it, until "
            "it ends.\n",
            STR_ARG(h->h.cuid));
    else if (status == 0)
        printf("The hold is released.\n");
    return status;
}

int
audit_holds_command(struct arena *a, int argc, char **argv)
{
    struct audit_act x = {0};
    struct str until = STR_NULL;
    const struct option_def defs[] = {ACT_OPTIONS(&x), {"until", &until, NULL}, {0}};
    struct holding h = {0};
    bool lists, places, releases;
    int status;

    if (!options_read(a, defs, &argc, argv) || argc < 1)
        return usage(USAGE);
    x.word = argv[0];
    lists = strcmp(x.word, "list") == 0;
    places = strcmp(x.word, "place") == 0;
    releases = strcmp(x.word, "release") == 0;
    if ((!lists && !places && !releases) || argc != 1 + releases || (x.json && !lists) ||
        (lists && !str_is_null(x.reason)) || (!places && !str_is_null(until)))
        return usage(USAGE);
    if (!str_is_null(until) && (hold_until_read(until, &h.until) != OK || h.until == 0))
        return usage("audit holds place: --until wants a date like 2027-03-31");
    if (!lists && !audit_act_text("reason", x.reason, HOLD_REASON_MAX))
        return 1;
    if (releases && !cuid_is(str_of(argv[1])))
        return refuse("that is no id of a legal hold: \"audit holds list\" shows them");
    h.reason = x.reason;
    h.id = releases ? str_of(argv[1]) : STR_NULL;
    status = audit_act_open(a, &x, "audit holds");
    if (status != 0)
        return status;
    status = act(&x, &h);
    app_close(x.app);
    return status;
}
