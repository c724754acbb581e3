/* Logos and icons: checked by their first bytes and their size, kept as data: URLs, never decoded
 * here (the browser does that). Owns the rows "image.…" of the table `setting`. */
#include "core/tenant.h"

#include "base/text.h"
#include "core/trail.h"

static const struct {
    const char *name, *title, *row;
} IMAGES[IMAGE_COUNT] = {
    [IMAGE_LOGO] = {"logo", "logo", "image.logo"},
    [IMAGE_LOGO_DARK] = {"logoDark", "logo for dark pages", "image.logo_dark"},
    [IMAGE_ICON] = {"icon", "icon", "image.icon"},
    [IMAGE_ICON_DARK] = {"iconDark", "icon for dark pages", "image.icon_dark"},
};

const char *
tenant_image_name(enum tenant_image i)
{
    return IMAGES[i].name;
}

static const struct sql GET =
    SQL_READ("SELECT value FROM setting WHERE tenant_id = $1 AND name = $2");
static const struct sql PUT = SQL_WRITE(
    "setting",
    "INSERT INTO setting (tenant_id, name, value) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, name) "
    "DO UPDATE SET value = excluded.value");
static const struct sql DROP =
    SQL_WRITE("setting", "DELETE FROM setting WHERE tenant_id = $1 AND name = $2");

enum err
tenant_image_get(struct cx *cx, enum tenant_image i, struct str *data_url)
{
    struct db_rows *r;
    enum err e =
        db_query_one(cx->tx, &GET, ARGS(V_INT(cx->tenant.id), V_STR(str_of(IMAGES[i].row))), &r);

    if (e == ERR_NOT_FOUND) {
        *data_url = STR_NULL;
        return OK;
    }
    if (e != OK)
        return e;
    *data_url = arena_str(cx->arena, db_text(r, 0));
    db_rows_end(r);
    return OK;
}

static const struct sql ALL = SQL_READ(
    "SELECT name, value FROM setting WHERE tenant_id = $1 AND name >= 'image.' AND name < 'image/'");

enum err
tenant_images(struct cx *cx, struct str out[IMAGE_COUNT])
{
    struct db_rows *rows;
    enum err e;

    for (int i = 0; i < IMAGE_COUNT; i++)
        out[i] = STR_NULL;
    TRY(db_query(cx->tx, &ALL, ARGS(V_INT(cx->tenant.id)), &rows));
    while ((e = db_next(rows)) == OK) {
        for (int i = 0; i < IMAGE_COUNT; i++) {
            if (str_eq(db_text(rows, 0), str_of(IMAGES[i].row)))
                out[i] = arena_str(cx->arena, db_text(rows, 1));
        }
    }
    return e == ERR_END ? OK : e;
}

enum err
tenant_image_set(struct cx *cx, enum tenant_image i, struct str data_url, struct str what)
{
    bool gone = str_is_empty(data_url);
    struct str who = trail_actor(cx), old;
    struct trail t = {0};
    struct trail_thing thing = {
        .event = EV_SETTING_CHANGED,
        .kind = S("tenant"),
        .id = cx->tenant.cuid,
        .name = str_of(IMAGES[i].title),
        .text = arena_fmt(cx->arena, "%.*s %s the %s of the workspace", STR_ARG(who),
                          gone ? "removed" : "set", IMAGES[i].title),
    };

    TRY(tenant_image_get(cx, i, &old));
    if (gone && str_is_null(old))
        return OK;
    if (gone)
        TRY(db_exec(cx->tx, &DROP, ARGS(V_INT(cx->tenant.id), V_STR(str_of(IMAGES[i].row))), NULL));
    else
        TRY(db_exec(cx->tx, &PUT,
                    ARGS(V_INT(cx->tenant.id), V_STR(str_of(IMAGES[i].row)), V_STR(data_url)),
                    NULL));
    trail_note(cx, &t, str_of(IMAGES[i].name), str_is_null(old) ? STR_NULL : S("an image"), what);
    return trail_record(cx, &thing, &t);
}

/* ---- bytes and data: URLs ---- */

enum err
image_data_url(struct cx *cx, struct str bytes, struct str *out, struct str *what)
{
    static const char png[] = "\x89PNG\r\n\x1a\n", jpeg[] = "\xff\xd8\xff";
    const char *type = NULL;
    struct buf *b;

    if (str_has_prefix(bytes, str_mem(png, 8)))
        type = "image/png";
    else if (str_has_prefix(bytes, str_mem(jpeg, 3)))
        type = "image/jpeg";
    if (!type)
        return fail(cx, ERR_MEDIA_TYPE, "The file is neither a JPEG nor a PNG picture");
    if (bytes.n > IMAGE_MAX)
        return fail(cx, ERR_TOO_LARGE, "A picture may have at most 1 MB");
    b = buf_in(cx->arena, IMAGE_MAX * 2);
    buf_fmt(b, "data:%s;base64,", type);
    base64_put(b, bytes);
    *out = buf_view(b);
    *what = arena_fmt(cx->arena, "%s, %zu bytes", type, bytes.n);
    return OK;
}

enum err
image_bytes(struct cx *cx, struct str data_url, struct str *type, struct str *bytes)
{
    struct str rest = data_url, head;
    struct buf *b = buf_in(cx->arena, IMAGE_MAX + 16);

    if (!str_cut(&rest, ',', &head) || !str_has_prefix(head, S("data:")) ||
        !str_has_suffix(head, S(";base64")))
        return ERR_INVALID;
    TRY(base64_get(rest, b));
    *type = str_sub(head, 5, head.n - 5 - 7);
    *bytes = buf_view(b);
    return OK;
}
