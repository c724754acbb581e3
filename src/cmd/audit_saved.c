/* Reading and remembering checkpoints outside of the store (audit_saved.h). */
#include "cmd/audit_saved.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"

enum err
saved_read_file(struct arena *a, struct str path, struct str *out)
{
    FILE *f = fopen(arena_cstr(a, path), "re");
    struct buf *b = buf_in(a, SAVED_FILE_MAX);
    char piece[8192];
    size_t n;

    if (!f)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_put(b, piece, n);
    bool failed = ferror(f) != 0 || buf_failed(b);
    fclose(f);
    if (failed)
        return ERR_IO;
    *out = b->n ? buf_view(b) : S("");
    return OK;
}

static enum err
add_note(struct arena *a, struct saved_list *l, struct str name, struct str text)
{
    struct saved s = {.name = name};

    TRY(note_parse(a, text, &s.note));
    TRY(checkpoint_parse(s.note.text, &s.c));
    arena_grow(a, l->v, l->n, &l->cap, 16);
    l->v[l->n++] = s;
    return OK;
}

/* The text of a checkpoint in one of the forms the interface gives it out in. */
static struct str
note_in(struct arena *a, struct str bytes)
{
    struct tlog_proof proof;
    struct json *o;
    size_t where;
    const char *why;

    if (tlog_proof_parse(a, bytes, &proof) == OK)
        return proof.checkpoint.whole;
    if (str_has_prefix(bytes, S("{")) && json_parse(a, bytes, &o, &where, &why) == OK) {
        const struct json *data = json_get(o, S("data"));
        const struct json *c = json_get(data ? data : o, S("checkpoint"));

        if (json_is(c, JSON_STRING))
            return c->text;
    }
    return bytes;
}

enum err
saved_add(struct arena *a, struct saved_list *l, struct str path, struct str *why)
{
    struct str bytes;
    enum err e = saved_read_file(a, path, &bytes);

    if (e != OK) {
        *why = arena_fmt(a, "%.*s can not be read", STR_ARG(path));
        return e;
    }
    e = add_note(a, l, arena_fmt(a, "the checkpoint in %.*s", STR_ARG(path)), note_in(a, bytes));
    if (e != OK)
        *why = arena_fmt(a, "%.*s holds no checkpoint", STR_ARG(path));
    return e;
}

/* ---- remembering ---- */

struct str
remembered_path(struct arena *a)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (state && state[0] == '/')
        return arena_fmt(a, "%s/recount/checkpoints", state);
    if (home && home[0] == '/')
        return arena_fmt(a, "%s/.local/state/recount/checkpoints", home);
    return STR_NULL;
}

static struct str
member(const struct json *o, const char *name)
{
    const struct json *v = json_get(o, str_of(name));

    return json_is(v, JSON_STRING) ? v->text : STR_NULL;
}

enum err
remembered_read(struct arena *a, struct str path, struct str store, struct str instance,
                struct saved_list *l, struct buf *others, struct str *why)
{
    struct str rest, line, prefix = arena_fmt(a, "%.*s/", STR_ARG(instance));
    enum err e = saved_read_file(a, path, &rest);

    if (e == ERR_NOT_FOUND)
        return OK;
    while (e == OK && str_cut(&rest, '\n', &line)) {
        struct json *o;
        size_t where;
        const char *what;

        if (line.n == 0)
            continue;
        e = json_parse(a, line, &o, &where, &what);
        if (e != OK)
            break;
        struct str origin = member(o, "origin");
        if (str_eq(member(o, "store"), store) || str_has_prefix(origin, prefix)) {
            struct str name = arena_fmt(a, "the checkpoint remembered of %.*s", STR_ARG(origin));

            e = add_note(a, l, name, member(o, "checkpoint"));
        } else {
            buf_str(others, line);
            buf_char(others, '\n');
        }
    }
    if (e != OK)
        *why = arena_fmt(a, "the remembered checkpoints in %.*s can not be read", STR_ARG(path));
    return e;
}

static void
make_folders(struct arena *a, struct str path)
{
    char *p = arena_cstr(a, path);

    for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(p, 0700);
        *slash = '/';
    }
}

/* Whole or not at all: a name of its own, then renamed. */
static enum err
replace(struct arena *a, struct str path, struct str text)
{
    char *to = arena_cstr(a, path);
    char *name = arena_cstr(a, arena_fmt(a, "%.*s.%d", STR_ARG(path), (int)getpid()));

    make_folders(a, path);
    FILE *f = fopen(name, "wxe");
    if (!f)
        return ERR_IO;
    bool good = fwrite(text.p ? text.p : "", 1, text.n, f) == text.n && fflush(f) == 0 &&
                fsync(fileno(f)) == 0;
    good = fclose(f) == 0 && good && rename(name, to) == 0;
    if (!good)
        (void)unlink(name);
    return good ? OK : ERR_IO;
}

enum err
remembered_write(struct arena *a, struct str path, struct str store,
                 const struct verify_head *heads, size_t n, const struct buf *others,
                 struct str *why)
{
    struct buf *b = buf_in(a, SAVED_FILE_MAX);

    buf_put(b, others->p, others->n);
    for (size_t i = 0; i < n; i++) {
        struct json_writer w;

        json_writer_init(&w, b);
        json_begin_object(&w);
        json_kv_str(&w, "store", store);
        json_kv_str(&w, "origin", heads[i].origin);
        json_kv_str(&w, "checkpoint", heads[i].note);
        json_end_object(&w);
        buf_char(b, '\n');
    }
    enum err e = buf_failed(b) ? ERR_FULL : replace(a, path, buf_view(b));
    if (e != OK)
        *why = arena_fmt(a, "the checkpoints can not be remembered in %.*s", STR_ARG(path));
    return e;
}
