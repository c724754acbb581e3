/* recount keys: the signing key of the audit log, listed and rotated. No server may use the keys meanwhile; a server on
 * another machine notices at its next round and signs no more. */
#include <stdio.h>

#include "audit/proof.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "run/keys.h"

#define REASON_MAX 500 /* bytes: it is part of an event in every log */
#define USAGE      "keys list | rotate --reason TEXT  [--data DIR] [--keys DIR] [--database URL]"

/* ---- list ---- */

static const struct sql ALL_LOGS =
    SQL_READ("SELECT tenant_id, name FROM tenant ORDER BY tenant_id");

static enum err
print_log(struct cx *cx, int64_t tenant_id, struct str name)
{
    struct str keys, line;

    TRY(audit_vkeys(cx, tenant_id, -1, &keys));
    printf("%.*s\n", STR_ARG(name));
    while (str_cut(&keys, '\n', &line) && !str_is_empty(line))
        printf("  %.*s\n", STR_ARG(line));
    return OK;
}

static enum err
list_body(struct cx *cx, void *arg)
{
    struct db_rows *q;
    enum err e;

    (void)arg;
    TRY(print_log(cx, AUDIT_INSTANCE, S("The installation's log")));
    TRY(db_query(cx->tx, &ALL_LOGS, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        struct str name = arena_fmt(cx->arena, "Workspace %lld, %.*s", (long long)db_int(q, 0),
                                    STR_ARG(db_text(q, 1)));

        if ((e = print_log(cx, db_int(q, 0), name)) != OK)
            break;
    }
    if (e != ERR_END)
        db_rows_end(q);
    return e == ERR_END ? OK : e;
}

static int
list(struct app *app, struct arena *a)
{
    struct cx cx = command_cx(app, a, "keys list");

    printf(
        "Keys that check each log's checkpoint, the newest first; %zu old signing keys are kept.\n",
        app->keys->n_old);
    return cx_read(&cx, list_body, NULL) == OK ? 0 : refuse("the keys could not be listed");
}

/* ---- rotate ---- */

static enum err
rotate_body(struct cx *cx, void *arg)
{
    const struct str *reason = arg;

    return audit_rotate_key(cx, *reason);
}

static int
rotate(struct app *app, struct arena *a, struct str reason)
{
    struct cx cx = command_cx(app, a, "keys rotate");
    struct str why = STR_NULL;

    if (keys_rotate_begin(a, app->keys, &why) != OK)
        return refuse("%.*s", STR_ARG(why));
    /* A commit whose answer is lost leaves sign-new.key: the next start asks the store. */
    enum err e = cx_write(&cx, rotate_body, &reason);
    if (e == ERR_CONFLICT && keys_rotate_end(a, app->keys, false) != OK)
        refuse("the new key could not be removed again; the next start will do it");
    if (e != OK)
        return refuse("the key was not rotated: %.*s",
                      STR_ARG(cx.failure.code != OK ? cx.failure.message : db_last_error()));
    if (keys_rotate_end(a, app->keys, true) != OK)
        return refuse(
            "the key is rotated in the store, but its files could not be renamed; the next "
            "start will do it");
    if (audit_move_now(app) != OK || audit_sign_now(app) != OK)
        refuse("the rotation is recorded; the server will sign it when it starts");
    printf(
        "The audit log has a new signing key. The one before is kept and signs along, so that readers who\n"
        "know it see the new one come. Give every server on this store the same key directory: %.*s\n",
        STR_ARG(app->config.keys_dir));
    return 0;
}

/* One line of text that every reader can show. */
static bool
is_line(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return utf8_is_valid(s);
}

int
cmd_keys(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    struct str reason = STR_NULL;
    const struct option_def defs[] = {CONFIG_OPTIONS(&c), {"reason", &reason, NULL}, {0}};
    struct app *app;
    bool rotates;
    int status;

    if (!options_read(a, defs, &argc, argv) || argc != 1)
        return usage(USAGE);
    rotates = str_eq(str_of(argv[0]), S("rotate"));
    reason = str_trim(reason);
    if ((!rotates && !str_eq(str_of(argv[0]), S("list"))) || rotates == str_is_empty(reason))
        return usage(USAGE);
    if (reason.n > REASON_MAX || !is_line(reason))
        return usage("keys rotate: --reason wants one line of at most 500 bytes");
    if (!config_finish(a, &c, STR_NULL) || !app_open(a, &c, (struct open_want){0}, &app))
        return 1;
    status = rotates ? rotate(app, a, reason) : list(app, a);
    app_close(app);
    return status;
}
