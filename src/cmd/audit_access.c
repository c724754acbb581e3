/* recount audit access: who had access to what on a date, from the log alone; and, with --check,
 * whether the tables are as the log says. Reads only. */
#include <stdio.h>

#include "base/text.h"
#include "cmd/audit_cmd.h"
#include "codec/hash.h"
#include "core/access.h"
#include "core/settings.h"

#define REVIEW_MAX ((size_t)512 << 20)

static const struct sql TENANTS =
    SQL_READ("SELECT tenant_id, cuid FROM tenant WHERE CAST($1 AS BIGINT) < 0 OR tenant_id = $1 "
             "ORDER BY tenant_id");

struct workspaces {
    int64_t one; /* -1: all */
    struct tenant_ref *v;
    size_t n, cap;
};

static enum err
read_workspaces(struct cx *cx, void *arg)
{
    struct workspaces *l = arg;
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &TENANTS, ARGS(V_INT(l->one)), &r));
    while ((e = db_next(r)) == OK) {
        arena_grow(cx->arena, l->v, l->n, &l->cap, 16);
        l->v[l->n++] = (struct tenant_ref){true, db_int(r, 0), arena_str(cx->arena, db_text(r, 1))};
    }
    return e == ERR_END ? OK : e;
}

static void
print_diffs(struct arena *a, const struct tenant_ref *t, const struct access_diff *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf *b = buf_in(a, 1 << 20);

        text_visible(b, access_diff_text(a, &d[i]));
        printf("workspace %lld: %.*s\n", (long long)t->id, STR_ARG(buf_view(b)));
    }
}

int
audit_access_check(struct cx *cx, int64_t tenant)
{
    struct workspaces all = {.one = tenant};
    size_t found = 0;

    if (cx_read(cx, read_workspaces, &all) != OK)
        return refuse("%.*s", STR_ARG(cx->failure.message));
    if (tenant >= 0 && all.n == 0)
        return refuse("there is no workspace %lld", (long long)tenant);
    for (size_t i = 0; i < all.n; i++) {
        struct arena *a = arena_create("access check", (size_t)2 << 30);
        struct cx one = *cx;
        struct access_diff *d;
        size_t n = 0;
        enum err e;

        one.arena = a;
        one.tenant = all.v[i];
        e = access_compare(&one, &d, &n);
        if (e == OK)
            print_diffs(a, &all.v[i], d, n);
        else
            refuse("workspace %lld: %.*s", (long long)all.v[i].id, STR_ARG(one.failure.message));
        found += n;
        arena_free(a);
        if (e != OK)
            return 1;
    }
    fflush(stdout);
    if (found)
        return refuse("%zu fields were changed without a record", found);
    printf("The tables are as the log says.\n");
    return 0;
}

struct last_login {
    struct str cuid;
    int64_t at;
};

static enum err
read_last_login(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ("SELECT last_login FROM user_account WHERE tenant_id = $1 AND cuid = $2");
    struct last_login *l = arg;
    enum err e = db_query_int(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(l->cuid)), &l->at);

    return e == ERR_NOT_FOUND ? OK : e;
}

int
audit_access(struct cx *cx, const struct audit_access_args *x)
{
    struct access_ask ask = {.user = x->user, .limit = INT32_MAX};
    enum access_format f = str_eq(x->format, S("ndjson")) ? ACCESS_NDJSON : ACCESS_CSV;
    struct buf *b = buf_in(cx->arena, REVIEW_MAX);
    struct access_people people;
    struct access_source source;
    struct access_state *s;
    int64_t at;

    if (!str_is_empty(x->format) && f == ACCESS_CSV && !str_eq(x->format, S("csv")))
        return usage("audit access --format csv|ndjson");
    if (access_when(x->on, cx->now, &at) != OK)
        return usage("audit access --on wants a date (2026-11-23) or a time with zone");
    if (settings_apply_installation(cx) != OK) /* how far back the log is shown */
        return refuse("%.*s", STR_ARG(cx->failure.message));
    if (access_on(cx, at, &s, &source) != OK)
        return refuse("%.*s", STR_ARG(cx->failure.message));
    access_people(cx->arena, s, &ask, &people);
    access_review_head(b, f);
    for (size_t i = 0; i < people.n; i++) {
        struct last_login l = {people.v[i].cuid, 0};

        if (cx_read(cx, read_last_login, &l) != OK)
            return refuse("%.*s", STR_ARG(cx->failure.message));
        access_review_lines(cx->arena, b, f, &people.v[i], l.at);
    }
    if (buf_failed(b))
        return refuse("the review is too long: ask for one --user");
    struct sha256 digest = sha256_of(b->n ? buf_view(b) : S(""));
    struct audit_entry e = {.event = EV_ACCESS_EXPORTED, .target_kind = S("access")};

    e.text = arena_fmt(cx->arena,
                       "%.*s exported an access review of %zu people as of %.*s (SHA-256 %.*s)",
                       STR_ARG(cx->actor.name), people.n, STR_ARG(time_iso(cx->arena, at)),
                       STR_ARG(hex_in(cx->arena, sha256_str(&digest))));
    e.private_detail = arena_fmt(cx->arena, "query: user=%.*s", STR_ARG(x->user));
    audit_note_reading(cx, &e);
    fwrite(b->p ? b->p : "", 1, b->n, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}
