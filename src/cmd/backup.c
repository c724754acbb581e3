/* recount backup: one file with the store and the log's months, consistent with each other. Neither
 * keys nor head files are in it. While the copy is made no event is moved (the mover is held, in every
 * process of the folder), but changes go on: the months are copied first, then the store as of one
 * moment, so each change in it has its event, in a month or still in the tail. SQLite only: on
 * PostgreSQL pg_dump or a standby does this (doc/operations.md). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "audit/audit.h"
#include "audit/proof.h"
#include "cmd/cmd.h"

#define ENTRY_MAX  ((uint64_t)1 << 40) /* bytes of one file in a backup */
#define COPY_CHUNK 65536

struct copy {
    struct str file, dir; /* the backup; the folder of the temporary copies */
    struct str names[512];
    size_t n;
    struct str why;
};

static struct str
join(struct arena *a, struct str dir, const char *name)
{
    return arena_fmt(a, "%.*s/%s", STR_ARG(dir), name);
}

static enum err
copy_months(struct cx *cx, struct copy *c)
{
    struct str from = join(cx->arena, cx->app->config.data_dir, "audit");
    DIR *d = opendir(arena_cstr(cx->arena, from));
    struct dirent *e;
    enum err r = OK;

    while (d && r == OK && (e = readdir(d)) != NULL) {
        struct str name = arena_str(cx->arena, str_of(e->d_name)), why;
        struct db *month;

        /* YYYY-MM.db only: the text index beside it is made again from the month. */
        if (name.n != 10 || !str_has_suffix(name, S(".db")) || c->n == 512)
            continue;
        r = db_open_file(cx->arena, join(cx->arena, from, name.p), NULL, true, 1, &month, &why);
        if (r != OK)
            break;
        r = db_copy_to(month, cx->arena, join(cx->arena, c->dir, name.p));
        db_close(month);
        c->names[c->n++] = name;
    }
    if (d)
        closedir(d);
    return r;
}

static enum err
copy_body(struct cx *cx, void *arg)
{
    struct copy *c = arg;
    struct audit_entry e = {
        .event = EV_BACKUP_CREATED, .instance = true, .target_kind = S("backup")};

    e.text = arena_fmt(cx->arena, "A backup was created: %.*s", STR_ARG(c->file));
    return audit_record(cx, &e, NULL);
}

/* What is not in the months yet stays in the tail until both copies are made. */
static enum err
hold_and_copy(struct cx *cx, struct copy *c)
{
    enum err e;

    audit_hold(cx->app);
    e = copy_months(cx, c);
    if (e == OK)
        e = db_copy_to(cx->app->db, cx->arena, join(cx->arena, c->dir, "recount.db"));
    audit_release(cx->app);
    return e;
}

static enum err
pack(struct arena *a, const struct copy *c)
{
    int code;
    zip_t *z = zip_open(arena_cstr(a, c->file), ZIP_CREATE | ZIP_EXCL, &code);

    if (!z)
        return ERR_IO;
    for (size_t i = 0; i <= c->n; i++) {
        struct str name = i == c->n ? S("recount.db") : c->names[i];
        const char *path = arena_cstr(a, join(a, c->dir, name.p));
        zip_source_t *s = zip_source_file(z, path, 0, -1);
        const char *entry = i == c->n ? "recount.db" : arena_cstr(a, join(a, S("audit"), name.p));

        if (!s || zip_file_add(z, entry, s, ZIP_FL_ENC_UTF_8) < 0) {
            zip_discard(z);
            return ERR_IO;
        }
    }
    return zip_close(z) == 0 ? OK : ERR_IO;
}

static void
remove_copies(struct arena *a, const struct copy *c)
{
    for (size_t i = 0; i < c->n; i++)
        (void)unlink(arena_cstr(a, join(a, c->dir, c->names[i].p)));
    (void)unlink(arena_cstr(a, join(a, c->dir, "recount.db")));
    (void)rmdir(arena_cstr(a, c->dir));
}

static int
create(struct app *app, struct arena *a, struct str file)
{
    struct cx cx = command_cx(app, a, "backup create");
    struct copy c = {.file = file, .dir = arena_fmt(a, "%.*s.part", STR_ARG(file))};
    enum err e;

    if (db_kind(app->db) != DB_SQLITE)
        return refuse(
            "this store is PostgreSQL: back it up with pg_dump or a standby (doc/operations.md)");
    if (access(arena_cstr(a, file), F_OK) == 0)
        return refuse("%.*s exists already", STR_ARG(file));
    if (mkdir(arena_cstr(a, c.dir), 0700) != 0)
        return refuse("%.*s can not be made", STR_ARG(c.dir));
    e = cx_write(&cx, copy_body, &c);
    if (e == OK)
        e = hold_and_copy(&cx, &c);
    if (e == OK)
        e = pack(a, &c);
    remove_copies(a, &c);
    if (e != OK || audit_move_now(app) != OK)
        return refuse("the backup could not be made: %.*s",
                      STR_ARG(cx.failure.code != OK ? cx.failure.message : db_last_error()));
    printf("Backed up to %.*s. The key folder %.*s is not in it: keep a copy of that elsewhere.\n",
           STR_ARG(file), STR_ARG(app->config.keys_dir));
    return 0;
}

/* ---- restore ---- */

/* Names are made by us, never taken from the archive: only these forms are accepted. */
static bool
known_name(struct str name)
{
    return str_eq(name, S("recount.db")) ||
           (name.n == 16 && str_has_prefix(name, S("audit/")) && str_has_suffix(name, S(".db")) &&
            !str_contains(name, S("..")) && str_index(str_sub(name, 6, name.n), '/') == SIZE_MAX);
}

static enum err
unpack_one(struct arena *a, zip_t *z, zip_uint64_t i, struct str name, struct str dir)
{
    zip_file_t *in = zip_fopen_index(z, i, 0);
    FILE *out = fopen(arena_cstr(a, join(a, dir, arena_cstr(a, name))), "wxe");
    char *chunk = arena_alloc(a, COPY_CHUNK, 1);
    zip_int64_t n = -1;
    enum err e = in && out ? OK : ERR_IO;

    while (e == OK && (n = zip_fread(in, chunk, COPY_CHUNK)) > 0) {
        if (fwrite(chunk, 1, (size_t)n, out) != (size_t)n)
            e = ERR_IO;
    }
    if (n < 0 || (out && (fflush(out) != 0 || fsync(fileno(out)) != 0)))
        e = ERR_IO;
    if (in)
        zip_fclose(in);
    if (out)
        fclose(out);
    return e;
}

static enum err
unpack(struct arena *a, struct str file, struct str dir, struct str *why)
{
    int code;
    zip_t *z = zip_open(arena_cstr(a, file), ZIP_RDONLY | ZIP_CHECKCONS, &code);
    zip_int64_t n = z ? zip_get_num_entries(z, 0) : 0;
    enum err e = OK;

    if (!z) {
        *why = S("it is no backup of Recount");
        return ERR_INVALID;
    }
    for (zip_int64_t i = 0; i < n && e == OK; i++) {
        zip_stat_t st;

        if (zip_stat_index(z, (zip_uint64_t)i, 0, &st) != 0 || !known_name(str_of(st.name)) ||
            st.size > ENTRY_MAX) {
            *why = S("it holds something that is not Recount's");
            e = ERR_INVALID;
        } else {
            e = unpack_one(a, z, (zip_uint64_t)i, str_of(st.name), dir);
            if (e != OK)
                *why = S("it could not be written out");
        }
    }
    zip_discard(z);
    return e;
}

static enum err
restored_body(struct cx *cx, void *arg)
{
    const struct str *file = arg;
    struct audit_entry e = {
        .event = EV_BACKUP_RESTORED, .instance = true, .target_kind = S("backup")};

    e.text = arena_fmt(cx->arena, "The store was restored from %.*s", STR_ARG(*file));
    return audit_record(cx, &e, NULL);
}

static int
restore(struct arena *a, struct config *c, struct str file)
{
    struct str why = S("");
    struct app *app;
    struct cx cx;

    if (!str_eq(c->database, S("sqlite")))
        return refuse("this store is PostgreSQL: restore it with pg_restore (doc/operations.md)");
    if (mkdir(arena_cstr(a, c->data_dir), 0700) != 0 && errno != EEXIST)
        return refuse("%.*s can not be made", STR_ARG(c->data_dir));
    if (access(arena_cstr(a, join(a, c->data_dir, "recount.db")), F_OK) == 0)
        return refuse("%.*s holds a store already: restore into an empty folder",
                      STR_ARG(c->data_dir));
    if (access(arena_cstr(a, join(a, c->keys_dir, "token.key")), F_OK) != 0)
        return refuse(
            "put the key folder of the store at %.*s first: a store without its keys is of no use",
            STR_ARG(c->keys_dir));
    if (mkdir(arena_cstr(a, join(a, c->data_dir, "audit")), 0700) != 0 && errno != EEXIST)
        return refuse("%.*s/audit can not be made", STR_ARG(c->data_dir));
    if (unpack(a, file, c->data_dir, &why) != OK)
        return refuse("%.*s: %.*s", STR_ARG(file), STR_ARG(why));
    if (!app_open(a, c, (struct open_want){.migrate = true, .accept_older = true}, &app))
        return 1;
    cx = command_cx(app, a, "backup restore");
    if (audit_begin_epochs(&cx, arena_fmt(a, "restored from %.*s", STR_ARG(file))) != OK ||
        cx_write(&cx, restored_body, &file) != OK || audit_move_now(app) != OK) {
        app_close(app);
        return refuse("the restore could not be recorded: %.*s", STR_ARG(cx.failure.message));
    }
    app_close(app);
    printf("Restored into %.*s.\n", STR_ARG(c->data_dir));
    return 0;
}

int
cmd_backup(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    const struct option_def defs[] = {CONFIG_OPTIONS(&c), {0}};
    struct app *app;
    int status;

    if (!options_read(a, defs, &argc, argv) || argc != 2)
        return usage("backup create FILE | restore FILE");
    if (!config_finish(a, &c, STR_NULL))
        return 1;
    if (str_eq(str_of(argv[0]), S("restore")))
        return restore(a, &c, str_of(argv[1]));
    if (!str_eq(str_of(argv[0]), S("create")))
        return usage("backup create FILE | restore FILE");
    if (!app_open(a, &c, (struct open_want){0}, &app))
        return 1;
    status = create(app, a, str_of(argv[1]));
    app_close(app);
    return status;
}
