/* recount audit verify: whether the log in a store is whole and the one that was signed. Reads only; beside
 * a running server or without one. 0 sound, 1 damaged, 2 wrong usage, or nothing that could be looked at. doc/audit-log.md,
 * doc/log.md. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/audit_saved.h"
#include "cmd/cmd.h"
#include "codec/json.h"
#include "core/selfcheck.h"

#define SHOWN_MAX 1000 /* findings printed; the others are counted */
#define KEYS_MAX  64
#define NOTHING_SAID                                                                               \
    2 /* exit status: wrong usage, or nothing there to look at; 1 is damage alone */
#define USAGE                                                                                      \
    "audit verify [--deep] [--tenant N | --instance] [--checkpoint FILE…] [--vkey KEY|FILE]\n"   \
    "                     [--policy FILE] [--remember FILE] [--forget] [--json] [--data DIR]"

struct verify_args {
    struct config c;
    struct str checkpoint, vkey, policy, remember, tenant;
    bool deep, instance, forget, json;
};

struct run {
    struct arena *a;
    struct app *app;
    struct cx cx;
    const struct verify_args *u;
    struct verify_options o;
    struct note_key keys[KEYS_MAX];
    struct policy *policy;
    struct saved_list given, remembered;
    struct str remember, store; /* where what is remembered lies; null: nowhere */
    struct buf *others;
    int64_t findings;
    struct buf *out; /* JSON */
    struct json_writer w;
    struct buf *notes;
};

/* ---- telling ---- */

static void
print_finding(const struct verify_finding *f)
{
    struct arena *a = arena_create("finding", (size_t)16 << 20);
    struct buf *b = buf_in(a, 1 << 20);

    buf_cstr(b, "damaged: ");
    verify_finding_text(b, f);
    if (f->expected.n || f->found.n) {
        buf_cstr(b, " (");
        if (f->expected.n)
            buf_fmt(b, "expected %.*s", STR_ARG(f->expected));
        if (f->found.n) {
            buf_cstr(b, f->expected.n ? ", found " : "found ");
            text_visible(b, f->found);
        }
        buf_char(b, ')');
    }
    printf("%.*s\n", STR_ARG(buf_view(b)));
    arena_free(a);
}

static void
json_finding(struct json_writer *w, const struct verify_finding *f)
{
    json_begin_object(w);
    verify_finding_json(w, f);
    json_end_object(w);
}

static void
tell(void *arg, const struct verify_finding *f)
{
    struct run *r = arg;

    if (++r->findings > SHOWN_MAX)
        return;
    if (r->u->json)
        json_finding(&r->w, f);
    else
        print_finding(f);
}

static void
note(void *arg, struct str text)
{
    struct run *r = arg;

    if (!r->u->json) {
        printf("note: %.*s\n", STR_ARG(text));
        return;
    }
    buf_str(r->notes, text);
    buf_char(r->notes, '\n');
}

static void
tell_saved(struct run *r, const struct saved *s, struct str what)
{
    struct verify_finding f = {
        .log = {AUDIT_INSTANCE, 0}, .origin = s->c.origin, .index = -1, .what = what};

    tell(r, &f);
}

/* ---- keys, policy, checkpoints from outside ---- */

static bool
take_vkeys(struct run *r)
{
    struct str text = r->u->vkey, line;

    if (str_is_null(text))
        return true;
    if (note_vkey_parse(r->a, str_trim(text), &r->keys[0]) == OK) {
        r->o.n_keys = 1;
        return true;
    }
    if (saved_read_file(r->a, r->u->vkey, &text) != OK)
        return refuse("--vkey %.*s is neither a key nor a file", STR_ARG(r->u->vkey)) == 0;
    while (str_cut(&text, '\n', &line) && r->o.n_keys < KEYS_MAX) {
        if (str_is_empty(str_trim(line)))
            continue;
        if (note_vkey_parse(r->a, str_trim(line), &r->keys[r->o.n_keys]) != OK)
            return refuse("--vkey %.*s: a line is no key", STR_ARG(r->u->vkey)) == 0;
        r->o.n_keys++;
    }
    return true;
}

static bool
take_policy(struct run *r)
{
    const struct note_key *logs = NULL;
    struct str text, why = STR_NULL;

    if (str_is_null(r->u->policy))
        return true;
    if (saved_read_file(r->a, r->u->policy, &text) != OK)
        return refuse("%.*s can not be read", STR_ARG(r->u->policy)) == 0;
    if (policy_parse(r->a, text, &r->policy, &why) != OK)
        return refuse("%.*s: %.*s", STR_ARG(r->u->policy), STR_ARG(why)) == 0;
    size_t n = policy_logs(r->policy, &logs);
    for (size_t i = 0; i < n && r->o.n_keys < KEYS_MAX; i++)
        r->keys[r->o.n_keys++] = logs[i];
    return true;
}

/* The signatures of logs that the policy does not name were checked with our keys. */
static bool
is_satisfied(const struct run *r, const struct note *n, struct str *why)
{
    const struct note_key *logs = NULL;

    return policy_logs(r->policy, &logs) > 0 ? policy_satisfied(r->policy, r->a, n, 0, why)
                                             : policy_cosigned(r->policy, r->a, n, 0, why);
}

/* Whose checkpoints the policy speaks of: those it names; where it names none, as a server's may, of every
 * log. No witness is asked again for an epoch that ended, so the last one of each it is. */
static bool
policy_knows(const struct run *r, const struct verify_result *res, const struct verify_head *h)
{
    const struct note_key *logs = NULL;
    size_t n = r->policy ? policy_logs(r->policy, &logs) : 0;

    for (size_t i = 0; i < n; i++)
        if (str_eq(logs[i].name, h->origin))
            return true;
    for (size_t i = 0; i < res->n_heads; i++)
        if (res->heads[i].log.tenant_id == h->log.tenant_id &&
            res->heads[i].log.epoch > h->log.epoch)
            return false;
    return r->policy && n == 0;
}

static bool
take_checkpoints(struct run *r, int argc, char **argv)
{
    struct str why = STR_NULL;

    if (!str_is_null(r->u->checkpoint) && saved_add(r->a, &r->given, r->u->checkpoint, &why) != OK)
        return refuse("%.*s", STR_ARG(why)) == 0;
    for (int i = 0; i < argc; i++)
        if (saved_add(r->a, &r->given, str_of(argv[i]), &why) != OK)
            return refuse("%.*s", STR_ARG(why)) == 0;
    return true;
}

static struct str
store_name(struct run *r)
{
    const struct config *c = &r->u->c;

    if (db_kind(r->app->db) == DB_SQLITE) {
        char *real = realpath(arena_cstr(r->a, c->data_dir), NULL);
        struct str name = real ? arena_str(r->a, str_of(real)) : c->data_dir;

        free(real);
        return name;
    }
    size_t at = str_index(c->database, '@'); /* without user and password */
    return at == SIZE_MAX ? c->database : str_sub(c->database, at + 1, c->database.n);
}

static bool
take_remembered(struct run *r)
{
    struct str why = STR_NULL;

    r->remember = r->u->remember;
    if (str_is_null(r->remember))
        r->remember = remembered_path(r->a);
    r->others = buf_in(r->a, SAVED_FILE_MAX);
    r->store = store_name(r);
    if (str_is_null(r->remember))
        return true;
    if (remembered_read(r->a, r->remember, r->store, r->app->instance, &r->remembered, r->others,
                        &why) != OK)
        return refuse("%.*s", STR_ARG(why)) == 0;
    if (r->u->forget)
        r->remembered.n = 0;
    return true;
}

/* Signed by whom it must be; then the store is compared with it. */
static void
trust(struct run *r, const struct saved_list *l, bool remembered, struct verify_saved *out)
{
    struct str why = STR_NULL;

    for (size_t i = 0; i < l->n; i++) {
        const struct saved *s = &l->v[i];
        enum note_verdict v = verify_signature(&r->cx, r->keys, r->o.n_keys, &s->note, s->c.origin);

        if (v == NOTE_BAD)
            tell_saved(r, s, arena_fmt(r->a, "the signature of %.*s is wrong", STR_ARG(s->name)));
        else if (v != NOTE_GOOD && !(remembered && !r->app->keys))
            tell_saved(r, s,
                       arena_fmt(r->a, "%.*s is not signed by a key that is trusted here",
                                 STR_ARG(s->name)));
        else if (r->policy && !remembered && !is_satisfied(r, &s->note, &why))
            tell_saved(r, s,
                       arena_fmt(r->a, "%.*s does not satisfy the policy: %.*s", STR_ARG(s->name),
                                 STR_ARG(why)));
        out[r->o.n_saved++] = (struct verify_saved){.name = s->name,
                                                    .origin = s->c.origin,
                                                    .size = s->c.size,
                                                    .root = s->c.root,
                                                    .optional = remembered};
    }
}

static void
judge_published(struct run *r, const struct verify_result *res)
{
    struct str why = STR_NULL;

    for (size_t i = 0; i < res->n_heads; i++) {
        const struct verify_head *h = &res->heads[i];
        struct saved s = {.name = S("the published checkpoint"), .c = {.origin = h->origin}};

        if (!policy_knows(r, res, h) || note_parse(r->a, h->note, &s.note) != OK ||
            is_satisfied(r, &s.note, &why))
            continue;
        tell_saved(r, &s,
                   arena_fmt(r->a, "the published checkpoint does not satisfy the policy: %.*s",
                             STR_ARG(why)));
    }
}

/* ---- the run ---- */

/* What is remembered of logs that were not looked at this time stays. */
static enum err
remember(struct run *r, const struct verify_result *res, struct str *why)
{
    struct verify_head *v =
        arena_array(r->a, struct verify_head, res->n_heads + r->remembered.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < res->n_heads; i++)
        if (res->heads[i].size >= 0)
            v[n++] = res->heads[i];
    size_t fresh = n;
    for (size_t i = 0; i < r->remembered.n; i++) {
        const struct saved *s = &r->remembered.v[i];
        bool known = false;

        for (size_t k = 0; k < fresh && !known; k++)
            known = str_eq(v[k].origin, s->c.origin);
        if (!known)
            v[n++] = (struct verify_head){.origin = s->c.origin, .note = s->note.whole};
    }
    return remembered_write(r->a, r->remember, r->store, v, n, r->others, why);
}

static enum err
look(struct run *r, struct verify_result *res)
{
    const struct selfcheck_tell t = {tell, note, r};
    struct verify_saved *saved =
        arena_array(r->a, struct verify_saved, r->given.n + r->remembered.n + 1);
    int64_t n = 0;

    r->o.keys = r->keys;
    r->o.saved = saved;
    trust(r, &r->given, false, saved);
    trust(r, &r->remembered, true, saved);
    TRY(audit_verify(&r->cx, &r->o, res));
    judge_published(r, res);
    if (!r->u->deep || (r->o.one && r->o.tenant_id == AUDIT_INSTANCE))
        return OK;
    if (!r->app->keys) {
        note(r, S("Access was not compared with the log: that needs the key directory."));
        return OK;
    }
    return selfcheck_access(&r->cx, r->o.one ? r->o.tenant_id : -1, &t, &n);
}

static void
finish_json(struct run *r, const struct verify_result *res)
{
    struct str rest = buf_view(r->notes), line;

    json_end_array(&r->w);
    json_key(&r->w, S("notes"));
    json_begin_array(&r->w);
    while (str_cut(&rest, '\n', &line))
        if (line.n > 0)
            json_str(&r->w, line);
    json_end_array(&r->w);
    json_kv_bool(&r->w, "sound", r->findings == 0);
    json_kv_bool(&r->w, "deep", r->u->deep);
    json_kv_i64(&r->w, "findings_total", r->findings);
    json_kv_i64(&r->w, "logs", res->logs);
    json_kv_i64(&r->w, "events", res->events);
    json_key(&r->w, S("checkpoints"));
    json_begin_array(&r->w);
    for (size_t i = 0; i < res->n_heads; i++) {
        json_begin_object(&r->w);
        json_kv_str(&r->w, "origin", res->heads[i].origin);
        json_kv_str(&r->w, "checkpoint", res->heads[i].note);
        json_kv_bool(&r->w, "fits", res->heads[i].size >= 0);
        json_end_object(&r->w);
    }
    json_end_array(&r->w);
    json_end_object(&r->w);
    printf("%.*s\n", STR_ARG(buf_view(r->out)));
}

static int
conclude(struct run *r, const struct verify_result *res)
{
    struct str why = STR_NULL;
    bool kept = r->findings > 0 || str_is_null(r->remember) || remember(r, res, &why) == OK;

    if (r->u->json)
        finish_json(r, res);
    else if (r->findings == 0)
        printf("sound: %lld events in %lld logs, checked %s; %zu signed checkpoints fit.\n",
               (long long)res->events, (long long)res->logs, r->u->deep ? "deep" : "fast",
               res->n_heads);
    fflush(stdout);
    if (r->findings > 0)
        return refuse("the log is damaged: %lld finding%s", (long long)r->findings,
                      r->findings == 1 ? "" : "s");
    return kept ? 0 : refuse("the log is sound, but %.*s", STR_ARG(why));
}

static int
verify(struct run *r, int argc, char **argv)
{
    struct verify_result res = {0};

    r->out = buf_in(r->a, (size_t)256 << 20);
    r->notes = buf_in(r->a, (size_t)64 << 20);
    json_writer_init(&r->w, r->out);
    json_begin_object(&r->w);
    json_key(&r->w, S("findings"));
    json_begin_array(&r->w);
    if (!take_vkeys(r) || !take_policy(r) || !take_checkpoints(r, argc, argv) ||
        !take_remembered(r))
        return NOTHING_SAID;
    if (look(r, &res) != OK)
        return refuse("the log can not be checked: %.*s", STR_ARG(db_last_error()));
    return conclude(r, &res);
}

static bool
is_readable(struct arena *a, struct str dir, const char *name)
{
    const char *path = arena_cstr(a, arena_fmt(a, "%.*s/%s", STR_ARG(dir), name));

    return access(path, R_OK) == 0 || errno != EACCES ||
           refuse("%s may not be read by this user: that says nothing of the log", path) == 0;
}

/* Files that belong to somebody else are no damage. */
static bool
may_read(struct arena *a, const struct config *c)
{
    struct str months = arena_fmt(a, "%.*s/audit", STR_ARG(c->data_dir));
    bool may = !str_eq(c->database, S("sqlite")) ||
               (is_readable(a, c->data_dir, "recount.db") && is_readable(a, c->data_dir, "audit"));
    DIR *d = may ? opendir(arena_cstr(a, months)) : NULL;
    struct dirent *f;

    while (d && may && (f = readdir(d)))
        may = !str_has_suffix(str_of(f->d_name), S(".db")) || is_readable(a, months, f->d_name);
    if (d)
        closedir(d);
    return may;
}

/* Whether there is a store to look at: a wrong address is no damage. */
static bool
is_reached(struct arena *a, const struct config *c)
{
    struct db_options o = {
        .url = c->database, .dir = c->data_dir, .readers = 1, .writers = 1, .read_only = true};
    struct str why = S("the store can not be opened");
    struct db *db = NULL;

    if (str_eq(c->database, S("sqlite")))
        return access(arena_cstr(a, c->data_dir), F_OK) == 0 ||
               refuse("there is no folder %.*s", STR_ARG(c->data_dir)) == 0;
    if (db_open(a, &o, &db, &why) != OK)
        return refuse("%.*s", STR_ARG(why)) == 0;
    db_close(db);
    return true;
}

int
audit_verify_command(struct arena *a, int argc, char **argv)
{
    struct verify_args u = {0};
    const struct option_def defs[] = {CONFIG_OPTIONS(&u.c),
                                      {"deep", NULL, &u.deep},
                                      {"checkpoint", &u.checkpoint, NULL},
                                      {"vkey", &u.vkey, NULL},
                                      {"policy", &u.policy, NULL},
                                      {"remember", &u.remember, NULL},
                                      {"forget", NULL, &u.forget},
                                      {"tenant", &u.tenant, NULL},
                                      {"instance", NULL, &u.instance},
                                      {"json", NULL, &u.json},
                                      {0}};
    struct run r = {.a = a, .u = &u};
    int64_t tenant = AUDIT_INSTANCE;

    if (!options_read(a, defs, &argc, argv) || (argc > 0 && str_is_null(u.checkpoint)) ||
        (u.instance && !str_is_null(u.tenant)))
        return usage(USAGE);
    if (!str_is_null(u.tenant) && (str_int64(u.tenant, &tenant) != OK || tenant < 0))
        return usage("audit verify: --tenant wants a number");
    struct open_want want = {.read_only = true, .damaged = true, .keyless = !str_is_null(u.vkey)};
    if (!config_finish(a, &u.c, STR_NULL) || !may_read(a, &u.c) || !is_reached(a, &u.c))
        return NOTHING_SAID;
    if (!app_open(a, &u.c, want, &r.app))
        return 1;
    r.cx = command_cx(r.app, a, "audit verify");
    r.o = (struct verify_options){.deep = u.deep,
                                  .one = u.instance || !str_is_null(u.tenant),
                                  .tenant_id = tenant,
                                  .tell = tell,
                                  .note = note,
                                  .arg = &r};
    int status = NOTHING_SAID;
    if (r.o.one && tenant >= 0 && command_tenant(&r.cx, tenant) != OK)
        (void)refuse("%.*s", STR_ARG(r.cx.failure.message));
    else
        status = verify(&r, argc, argv);
    app_close(r.app);
    return status;
}
