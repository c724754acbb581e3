/* Opening an installation: folder, keys, store, schema, log. Used by the server and by every
 * command; starts no thread. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/proof.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "core/namekeys.h"
#include "core/role.h"
#include "core/selfcheck.h"
#include "run/bus.h"
#include "run/jobs.h"
#include "run/keys.h"

#define INSTANCE_SETTING "instance.cuid"
#define HEADS_SCHEMA     3    /* the script that made the tables of heads and epochs */
#define NO_TENANT        (-1) /* settings of the installation */

static const struct sql GET_SETTING =
    SQL_READ("SELECT value FROM setting WHERE tenant_id = $1 AND name = $2");
static const struct sql PUT_SETTING =
    SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES ($1, $2, $3)");

static void
cover_job(struct cx *cx)
{
    audit_cover(cx, REASON_JOB_STEP);
    audit_cover(cx, REASON_SEQUENCE);
}

static enum err
get_setting(struct cx *cx, const char *name, struct str *out)
{
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &GET_SETTING, ARGS(V_INT(NO_TENANT), V_STR(str_of(name))), &r));
    *out = db_text_keep(r, 0);
    db_rows_end(r);
    return OK;
}

static enum err
put_setting(struct cx *cx, const char *name, struct str value, const char *text)
{
    struct audit_change change = {S("value"), STR_NULL, value};
    struct audit_entry e = {
        .event = EV_SETTING_CHANGED, .instance = true, .changes = &change, .n_changes = 1};

    e.text = str_of(text);
    e.target_kind = S("setting");
    e.target_id = str_of(name);
    TRY(audit_record(cx, &e, NULL));
    return db_exec(cx->tx, &PUT_SETTING, ARGS(V_INT(NO_TENANT), V_STR(str_of(name)), V_STR(value)),
                   NULL);
}

struct identity {
    struct app *app;
    bool accept_older;
    bool next; /* out: the store is bound to the key of an unfinished rotation */
};

/* The keys must be the same as ever, else tokens, secrets and signatures would silently change hands. A rotation that
 * was left half-way is decided by what the store says. */
static enum err
check_keys(struct cx *cx, struct identity *who)
{
    const struct keys *k = who->app->keys;
    struct str found;

    TRY(get_setting(cx, KEYS_SETTING, &found));
    who->next = !str_is_null(k->next) && str_eq(found, k->next_fingerprint);
    if (who->next || str_eq(found, k->fingerprint))
        return OK;
    if (who->accept_older)
        return audit_rebind_keys(cx);
    for (size_t i = 0; i < k->n_old; i++)
        if (str_eq(found, keys_fingerprint(cx->arena, k, k->old[i])))
            return fail(cx, ERR_CONFLICT,
                        "the store is from before a rotation of the signing key: an older copy was "
                        "put back");
    return fail(cx, ERR_CONFLICT,
                "the keys in the key directory are not those this store was made with");
}

/* First start: the installation gets its name and remembers the keys it was made with. */
static enum err
identify(struct cx *cx, void *arg)
{
    struct identity *who = arg;
    struct app *app = who->app;
    struct str found;
    enum err e = get_setting(cx, INSTANCE_SETTING, &found);

    if (e == ERR_NOT_FOUND) {
        found = cuid_in(cx->arena, cx->now);
        TRY(put_setting(cx, INSTANCE_SETTING, found, "The installation was given its identity"));
        TRY(put_setting(cx, KEYS_SETTING, app->keys->fingerprint,
                        "The installation was bound to its keys"));
    } else {
        TRY(e);
        app->instance = arena_str(app->arena, found);
        return check_keys(cx, who);
    }
    app->instance = arena_str(app->arena, found);
    return OK;
}

/* For a command that only reads: which installation this is. */
static enum err
recognize(struct cx *cx, void *arg)
{
    struct app *app = arg;
    struct str found;

    TRY(get_setting(cx, INSTANCE_SETTING, &found));
    app->instance = arena_str(app->arena, found);
    return OK;
}

static enum err
record_migration(struct cx *cx, void *arg)
{
    const int *v = arg;
    struct audit_entry e = {.event = EV_SCHEMA_MIGRATED, .instance = true};

    e.text = arena_fmt(cx->arena, SCHEMA_MIGRATED_TEXT "%d to %d", v[0], v[1]);
    return audit_record(cx, &e, NULL);
}

static bool
told(struct app *app, struct str why)
{
    refuse("%.*s", STR_ARG(why));
    app_close(app);
    return false;
}

/* The log, and where something may be written, the store against what this server has signed. */
static bool
open_log(struct cx *cx, struct open_want want)
{
    struct app *app = cx->app;
    struct audit_options o = {.dir = app->config.data_dir,
                              .readers = 4,
                              .read_only = want.read_only,
                              .damaged = want.damaged};
    struct str why = STR_NULL;

    db_set_commit_check(app->db, audit_commit_check);
    if (audit_open(app, &o, &why) != OK)
        return told(app, why);
    if (want.read_only)
        return true;
    if (audit_heads_open(app, want.accept_older, &why) != OK ||
        audit_heads_vouch(cx, want.accept_older, &why) != OK)
        return told(app, why);
    return true;
}

/* The schema as this binary has it, and the log open. A store that has heads is compared first, by the schema
 * it was found with: one that is older than what was signed, or another one, is left as it is. One from before
 * there were heads has nothing to be compared: where this server has signed, it is none of ours.
 * version: what the schema was and is now. */
static bool
lay_schema(struct cx *cx, struct arena *a, struct open_want want, int version[2])
{
    struct app *app = cx->app;
    struct str why = S("the store's schema can not be read");
    int v[2] = {0, 0};
    bool older, opened = false;

    version[0] = version[1] = 0;
    if (db_schema_version(app->db, a, &v[0], &v[1]) != OK)
        return told(app, why);
    older = v[0] < v[1];
    if (want.migrate && older && v[0] >= HEADS_SCHEMA) {
        if (!open_log(cx, want))
            return false;
        opened = true;
    } else if (want.migrate && older && !want.accept_older &&
               audit_heads_none(app->config.data_dir, a, &why) != OK) {
        return told(app, why);
    }
    if (want.migrate && db_migrate(app->db, a, &version[0], &version[1], &why) != OK)
        return told(app, why);
    if (older && !want.migrate)
        return told(app, S("the schema is older than this binary: run \"recount migrate\""));
    return opened || open_log(cx, want);
}

static bool
open_store(struct cx *cx, struct arena *a, struct open_want want, int version[2])
{
    struct app *app = cx->app;
    struct db_options o = {
        .url = app->config.database, .dir = app->config.data_dir, .readers = 8, .writers = 8};
    struct str why = S("the store can not be opened");

    o.readers = app->config.workers > 0 ? app->config.workers + 4 : 4;
    o.writers = app->config.workers > 0 ? app->config.workers : 2;
    o.read_only = want.read_only;
    if (db_open(a, &o, &app->db, &why) != OK)
        return told(app, why);
    if (!lay_schema(cx, a, want, version))
        return false;
    if (!want.read_only && audit_guards_check(app, &why) != OK)
        return told(app, why);
    db_set_commit_hook(app->db, audit_wake, app);
    return true;
}

/* All that a start writes, behind the comparison with what this server has signed. */
static bool
begin_writing(struct cx *cx, struct arena *a, struct open_want want, int version[2])
{
    struct app *app = cx->app;
    struct identity who = {.app = app, .accept_older = want.accept_older};
    struct str why = STR_NULL;

    if (cx_write(cx, identify, &who) != OK)
        return told(app, cx->failure.message);
    if (!str_is_null(app->keys->next) && keys_rotate_end(a, app->keys, who.next) != OK)
        return told(app, S("an unfinished rotation of the signing key can not be ended"));
    if (audit_heads_join(cx, &why) != OK)
        return told(app, why);
    if (version[0] < version[1] && cx_write(cx, record_migration, version) != OK)
        return told(app, cx->failure.message);
    if (audit_guards_mend(cx, &why) != OK)
        return told(app, why);
    if (want.migrate && (role_catch_up(cx) != OK || namekeys_fill(cx) != OK))
        return told(app, cx->failure.message);
    return true;
}

bool
app_open(struct arena *a, const struct config *c, struct open_want want, struct app **out)
{
    struct app *app = arena_new(a, struct app);
    struct str why = STR_NULL;
    struct cx cx;
    int version[2];

    app->arena = a;
    app->config = *c;
    app->started = clock_now();
    app->cover_job = cover_job;
    app->bus = bus_create(a);
    if (want.create && mkdir(arena_cstr(a, c->data_dir), 0700) != 0 && errno != EEXIST) {
        refuse("the data folder %.*s can not be made", STR_ARG(c->data_dir));
        return false;
    }
    if (keys_open(a, c->keys_dir, want.create, &app->keys, &why) != OK && !want.keyless) {
        refuse("%.*s", STR_ARG(why));
        return false;
    }
    cx = cx_system(app, a, "start", NULL);
    if (!open_store(&cx, a, want, version))
        return false;
    app->jobs = jobs_create(app);
    if (want.read_only && cx_read(&cx, recognize, app) != OK)
        return told(app, S("the store does not say which installation it is"));
    if (!want.read_only && !begin_writing(&cx, a, want, version))
        return false;
    *out = app;
    return true;
}

void
app_close(struct app *app)
{
    if (app->audit)
        audit_close(app);
    if (app->db)
        db_close(app->db);
    app->audit = NULL;
    app->db = NULL;
}

struct cx
command_cx(struct app *app, struct arena *a, const char *words)
{
    struct cx cx = cx_system(app, a, words, NULL);
    struct passwd *pw = getpwuid(getuid());
    char host[256] = "localhost";

    (void)gethostname(host, sizeof host - 1);
    cx.actor.kind = ACTOR_COMMAND;
    cx.actor.name = arena_fmt(a, "recount %s (%s@%s)", words, pw ? pw->pw_name : "unknown", host);
    return cx;
}

static enum err
tenant_body(struct cx *cx, void *arg)
{
    const int64_t *id = arg;
    struct str cuid;
    enum err e = audit_tenant_cuid(cx->tx, *id, &cuid);

    if (e == ERR_NOT_FOUND)
        return fail(cx, e, "there is no workspace %lld", (long long)*id);
    TRY(e);
    cx->tenant = (struct tenant_ref){.known = true, .id = *id, .cuid = cuid};
    return OK;
}

enum err
command_tenant(struct cx *cx, int64_t id)
{
    return cx_read(cx, tenant_body, &id);
}
