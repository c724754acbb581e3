/* /api/v2/auditlog: checkpoint, key, tiles, proofs, consistency, opening. What C2SP defines is answered in
 * its own form, byte for byte; the rest is JSON around it. Formats: audit/note.h, doc/verify/.
 *
 * The plain addresses are those of the caller's own log (its newest epoch, or ?epoch=N). Below
 * /log/{tenant cuid}/{epoch} stands the same for anybody, without a token, where the workspace
 * has made its proofs public: prefix for clients of tlog-tiles. */
#include "api/api.h"
#include "api/audit_api.h"
#include "api/proof_json.h"
#include "audit/proof.h"
#include "base/text.h"
#include "codec/hash.h"
#include "core/settings.h"

#define ETAG_HEX      32   /* digits: as many bits as nobody finds two tiles for */
#define PROVE_WAIT_MS 1500 /* a head is at most a second behind its event */
#define LOG           "/api/v2/auditlog"
#define PUBLIC        LOG "/log/{cuid}/{epoch}"

/* ---- which log ---- */

static enum err
own_log(struct api_request *rq, struct log_id *out)
{
    int64_t epoch = -1;

    TRY(query_int(rq, "epoch", 0, (int64_t)1 << 12, -1, &epoch));
    *out = (struct log_id){rq->cx->tenant.id, epoch};
    return OK;
}

static const struct sql TENANT_BY_CUID = SQL_READ("SELECT tenant_id FROM tenant WHERE cuid = $1");

struct opening_to_all {
    struct str cuid;
    int64_t tenant_id;
};

/* The only place where a stranger learns of a workspace: he must know its cuid, and the workspace must
 * have opened its proofs. */
static enum err
find_public(struct cx *cx, void *arg)
{
    struct opening_to_all *o = arg;
    bool is_public = false;

    TRY(db_query_int(cx->tx, &TENANT_BY_CUID, ARGS(V_STR(o->cuid)), &o->tenant_id));
    cx->tenant = (struct tenant_ref){true, o->tenant_id, o->cuid};
    TRY(settings_get_bool(cx, SET_PROOFS_PUBLIC, &is_public));
    return is_public ? OK : ERR_NOT_FOUND;
}

static enum err
public_log(struct api_request *rq, struct log_id *out)
{
    struct opening_to_all o = {.cuid = rq->param[0]};
    enum err e = rq->param_id[1] >= 0 && cuid_is(rq->param[0]) ? cx_read(rq->cx, find_public, &o)
                                                               : ERR_NOT_FOUND;

    if (e == ERR_NOT_FOUND) {
        fail_clear(rq->cx);
        return fail(rq->cx, e, "There is no such log");
    }
    TRY(e);
    *out = (struct log_id){o.tenant_id, rq->param_id[1]};
    return OK;
}

static enum err
head_of(struct api_request *rq, struct log_id log, struct audit_head *h)
{
    enum err e = audit_head_get(rq->cx, log.tenant_id, log.epoch, h);

    return e == ERR_NOT_FOUND ? fail(rq->cx, e, "This log has no checkpoint yet") : e;
}

/* ---- plain answers ---- */

static void
plain(struct api_request *rq, struct str type, struct str body)
{
    rq->rs->content_type = type;
    rq->rs->body = body;
}
#define TEXT S("text/plain; charset=utf-8")

static enum err
checkpoint(struct api_request *rq, struct log_id log)
{
    struct audit_head h;

    TRY(head_of(rq, log, &h));
    plain(rq, TEXT, h.note);
    return OK;
}

static enum err
vkey(struct api_request *rq, struct log_id log)
{
    struct str keys;

    TRY(audit_vkeys(rq->cx, log.tenant_id, log.epoch, &keys));
    plain(rq, TEXT, keys);
    return OK;
}

/* ---- tiles ---- */

static enum err
hashes(struct api_request *rq, struct log_id log, const struct tile *t, struct buf *out)
{
    struct tree_source source = audit_tree(rq->cx, log);
    struct sha256 h[TILE_WIDTH];

    TRY(source.read(source.arg, t->level, t->n * TILE_WIDTH, t->width, h));
    buf_put(out, h, (size_t)t->width * SHA256_LEN);
    return OK;
}

static enum err
entries(struct api_request *rq, struct log_id log, const struct tile *t, struct buf *out)
{
    struct str *v = NULL;

    TRY(audit_entries(rq->cx, log, t->n * TILE_WIDTH, t->width, &v));
    for (int i = 0; i < t->width; i++) {
        buf_u16be(out, (uint16_t)v[i].n);
        buf_str(out, v[i]);
    }
    return OK;
}

/* Bytes of a full tile never change, as long as they are there: an erasure leaves the leaf entry as it was, and a
 * month that expires takes the tile away. What is behind an address may: that of the caller's own log is another one
 * for another caller, and after a restore; the number of an epoch that followed one is given again when a copy is put
 * back a second time. So only epoch 0 of a public log may be kept without asking again. */
static void
cacheable(struct api_request *rq, struct log_id log, bool anyones, struct str bytes)
{
    struct arena *a = rq->cx->arena;
    struct sha256 h = sha256_of(bytes);
    struct str hex = hex_in(a, sha256_str(&h));
    struct str etag = arena_fmt(a, "\"%.*s\"", STR_ARG(str_sub(hex, 0, ETAG_HEX)));

    http_set_header(rq->rs, S("Cache-Control"),
                    !anyones         ? S("private, no-cache")
                    : log.epoch == 0 ? S("public, max-age=31536000, immutable")
                                     : S("public, no-cache"));
    if (!anyones)
        http_add_header(rq->rs, S("Vary"), S("Authorization, Cookie"));
    http_add_header(rq->rs, S("ETag"), etag);
    if (!http_has_version(rq->http, etag))
        return;
    rq->rs->status = 304;
    rq->rs->content_type = rq->rs->body = STR_NULL;
}

/* anyones: of a public log; rest: the segments behind "tile/". */
static enum err
tile(struct api_request *rq, struct log_id log, bool anyones, const struct str *rest, size_t n)
{
    struct buf *path = buf_in(rq->cx->arena, 256);
    struct buf *out = buf_in(rq->cx->arena, 65536);
    struct audit_head h;
    struct tile t;
    enum err e;

    buf_cstr(path, "tile");
    for (size_t i = 0; i < n && !str_is_empty(rest[i]); i++) {
        buf_char(path, '/');
        buf_str(path, rest[i]);
    }
    if (buf_failed(path) || tile_parse(buf_view(path), &t) != OK)
        return fail(rq->cx, ERR_NOT_FOUND, "This is not the path of a tile");
    TRY(head_of(rq, log, &h));
    if (t.width > tile_width_in(&t, h.size))
        return fail(rq->cx, ERR_NOT_FOUND, "The tree is not as large yet");
    e = t.level == TILE_ENTRIES ? entries(rq, h.log, &t, out)
        : t.level > TILE_LEVELS ? ERR_NOT_FOUND
                                : hashes(rq, h.log, &t, out);
    if (e == ERR_NOT_FOUND)
        return fail(rq->cx, e, "The events of this tile have expired: it was pruned");
    TRY(e);
    plain(rq, S("application/octet-stream"), buf_view(out));
    if (t.width == TILE_WIDTH)
        cacheable(rq, h.log, anyones, buf_view(out));
    return OK;
}

/* ---- proofs ---- */

static void
write_proof(struct json_writer *w, struct arena *a, const struct audit_proof *p, struct str key)
{
    json_kv_str(w, "origin", p->head.origin);
    json_kv_i64(w, "epoch", p->head.log.epoch);
    json_kv_i64(w, "size", p->head.size);
    kv_hex(w, a, "root", &p->head.root);
    proof_members(w, a, p);
    json_kv_str(w, "checkpoint", p->head.note);
    json_kv_str(w, "vkey", key);
    json_kv_str(w, "proof", tlog_proof_text(a, STR_NULL, p->index, &p->inclusion, p->head.note));
}

static enum err
prove(struct api_request *rq, int64_t tenant_id, struct str cuid, struct audit_proof *p)
{
    enum err e = audit_prove(rq->cx, tenant_id, cuid, PROVE_WAIT_MS, p);

    if (e == ERR_NOT_FOUND)
        return fail(rq->cx, e, "There is no such event in the log, or its month has expired");
    if (e == ERR_CONFLICT)
        return fail_word(rq->cx, e, S("never_signed"),
                         "No checkpoint covers this event: the copy that was put back was made "
                         "before one did. What its epoch held, the first record of the next says.");
    if (e == ERR_UNAVAILABLE)
        return fail_word(rq->cx, e, S("not_signed_yet"),
                         "No signed checkpoint covers this event yet. Try again in a moment.");
    return e;
}

static enum err
read_format(struct api_request *rq, bool *text)
{
    struct str format = query_str(rq, "format");

    *text = str_eq(format, S("tlog-proof"));
    if (!str_is_null(format) && !str_eq(format, S("json")) && !*text)
        return fail_field(rq->cx, S("format"), "must be json or tlog-proof");
    return OK;
}

static enum err
proof_head(struct api_request *rq)
{
    bool text;

    TRY(read_format(rq, &text));
    if (text)
        rq->rs->content_type = TEXT;
    return cuid_is(rq->param[0]) ? OK : fail(rq->cx, ERR_NOT_FOUND, "There is no such event");
}

static enum err
proof_apply(struct api_request *rq)
{
    struct arena *a = rq->cx->arena;
    struct audit_proof p;
    struct str key;
    bool text;

    TRY(read_format(rq, &text));
    TRY(prove(rq, rq->cx->tenant.id, rq->param[0], &p));
    if (text) {
        plain(rq, TEXT, tlog_proof_text(a, STR_NULL, p.index, &p.inclusion, p.head.note));
        return OK;
    }
    TRY(audit_vkey(rq->cx, rq->cx->tenant.id, p.head.log.epoch, &key));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "cuid", rq->param[0]);
    write_proof(&rq->out, a, &p, key);
    json_end_object(&rq->out);
    json_end_object(&rq->out);
    return OK;
}

static enum err
proof_after(struct api_request *rq)
{
    audit_note_view(rq);
    return OK;
}

/* ---- consistency: what a reader who remembers a checkpoint asks ---- */

static enum err
consistency_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct audit_head h;
    struct log_id log = {0};
    struct tree_proof p;
    struct sha256 from_root, to_root;
    int64_t from = 0, to = 0;

    TRY(own_log(rq, &log));
    TRY(head_of(rq, log, &h));
    TRY(query_int(rq, "from", 0, INT64_MAX, 0, &from));
    TRY(query_int(rq, "to", 0, INT64_MAX, h.size, &to));
    if (to > h.size)
        return fail_field(rq->cx, S("to"), "must be at most %lld, the size that is signed",
                          (long long)h.size);
    if (from > to)
        return fail_field(rq->cx, S("from"), "must not be larger than to");
    struct tree_source source = audit_tree(rq->cx, h.log);
    enum err e = tree_consistency(&source, from, to, &p);
    if (e == OK)
        e = tree_root(&source, from, &from_root);
    if (e == OK)
        e = tree_root(&source, to, &to_root);
    if (e == ERR_NOT_FOUND)
        return fail(rq->cx, e, "The events around this size have expired");
    TRY(e);
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_object(w);
    json_kv_str(w, "origin", h.origin);
    json_kv_i64(w, "from", from);
    json_kv_i64(w, "to", to);
    kv_hex(w, rq->cx->arena, "from_root", &from_root);
    kv_hex(w, rq->cx->arena, "to_root", &to_root);
    kv_hashes(w, rq->cx->arena, "proof", &p);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

/* ---- the log's place among the blinded heads ---- */

static enum err
write_opening(struct api_request *rq, const struct audit_opening *o, const struct audit_head *h)
{
    struct json_writer *w = &rq->out;
    struct arena *a = rq->cx->arena;
    struct audit_proof p;
    struct str key;

    TRY(prove(rq, AUDIT_INSTANCE, o->event, &p));
    TRY(audit_vkey(rq->cx, AUDIT_INSTANCE, p.head.log.epoch, &key));
    json_kv_str(w, "at", time_iso(a, o->at));
    json_kv_str(w, "origin", h->origin);
    json_kv_i64(w, "size", o->size);
    kv_hex(w, a, "root", &o->head_root);
    kv_hex(w, a, "salt", &o->salt);
    json_kv_i64(w, "leaf_index", o->leaf_index);
    json_kv_i64(w, "leaves", o->leaves);
    kv_hashes(w, a, "path", &o->path);
    kv_hex(w, a, "round_root", &o->round_root);
    json_key(w, S("record"));
    json_begin_object(w);
    json_kv_str(w, "cuid", o->event);
    write_proof(w, a, &p, key);
    json_end_object(w);
    return OK;
}

static enum err
opening_apply(struct api_request *rq)
{
    struct audit_opening o;
    struct audit_head h;
    struct log_id log = {0};
    enum err e;

    TRY(own_log(rq, &log));
    TRY(head_of(rq, log, &h));
    e = audit_opening_get(rq->cx, h.log, &o);
    if (e == ERR_NOT_FOUND)
        return fail(rq->cx, e,
                    "The head of this log was not recorded in the installation's log yet");
    TRY(e);
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    json_begin_object(&rq->out);
    TRY(write_opening(rq, &o, &h));
    json_end_object(&rq->out);
    json_end_object(&rq->out);
    return OK;
}

/* ---- heads of all epochs ---- */

static enum err
heads_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct arena *a = rq->cx->arena;
    struct audit_head newest;

    TRY(head_of(rq, (struct log_id){rq->cx->tenant.id, -1}, &newest));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (int64_t epoch = newest.log.epoch; epoch >= 0; epoch--) {
        struct audit_head h;
        int64_t least = -1;
        struct str key;
        enum err e = audit_head_get(rq->cx, rq->cx->tenant.id, epoch, &h);
        if (e == ERR_NOT_FOUND)
            continue;
        TRY(e);
        TRY(audit_vkey(rq->cx, rq->cx->tenant.id, epoch, &key));
        e = audit_minimum_index(rq->cx, h.log, &least);
        if (e != OK && e != ERR_NOT_FOUND)
            return e;
        json_begin_object(w);
        json_kv_str(w, "origin", h.origin);
        json_kv_i64(w, "epoch", epoch);
        json_kv_i64(w, "size", h.size);
        kv_hex(w, a, "root", &h.root);
        json_kv_str(w, "signed_at", time_iso(a, h.signed_at));
        json_key(w, S("cosigned_at"));
        if (h.cosigned_at)
            json_str(w, time_iso(a, h.cosigned_at));
        else
            json_null(w);
        json_key(w, S("minimum_index"));
        if (e == OK)
            json_i64(w, least);
        else
            json_null(w);
        json_kv_str(w, "vkey", key);
        json_kv_str(w, "checkpoint", h.note);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return OK;
}

/* ---- routes ---- */

static enum err
checkpoint_apply(struct api_request *rq)
{
    struct log_id log = {0};

    TRY(own_log(rq, &log));
    return checkpoint(rq, log);
}

static enum err
vkey_apply(struct api_request *rq)
{
    struct log_id log = {0};

    TRY(own_log(rq, &log));
    return vkey(rq, log);
}

static enum err
tile_apply(struct api_request *rq)
{
    struct log_id log = {0};

    TRY(own_log(rq, &log));
    return tile(rq, log, false, rq->param, ROUTE_PARAMS);
}

static enum err
public_checkpoint(struct api_request *rq)
{
    struct log_id log = {0};

    TRY(public_log(rq, &log));
    return checkpoint(rq, log);
}

static enum err
public_vkey(struct api_request *rq)
{
    struct log_id log = {0};

    TRY(public_log(rq, &log));
    return vkey(rq, log);
}

static enum err
public_tile(struct api_request *rq)
{
    struct log_id log = {0};

    TRY(public_log(rq, &log));
    return tile(rq, log, true, rq->param + 2, ROUTE_PARAMS - 2);
}

#define MINE(p, text, fn)                                                                          \
    {                                                                                              \
        .method = HTTP_GET, .path = LOG p, .who = WHO_PERMISSION, .permission = PERM_AUDIT_EXPORT, \
        .tx = TX_NONE, .summary = text, .apply = fn                                                \
    }
#define ANYONES(p, text, fn)                                                                       \
    {                                                                                              \
        .method = HTTP_GET, .path = PUBLIC p, .who = WHO_PUBLIC, .tx = TX_NONE, .summary = text,   \
        .apply = fn                                                                                \
    }
#define TILE_TEXT   "A tile of the log's tree, or a bundle of its entries (C2SP tlog-tiles)"
#define PUBLIC_TEXT " of a log whose workspace made its proofs public"

const struct route proof_routes[] = {
    MINE("/checkpoint", "The log's newest signed checkpoint (C2SP tlog-checkpoint)",
         checkpoint_apply),
    MINE("/vkey", "The key that checks the log's checkpoints", vkey_apply),
    MINE("/heads", "The heads of the log, newest epoch first", heads_apply),
    MINE("/consistency", "Proof that the log of one size is the beginning of a later one",
         consistency_apply),
    MINE("/opening", "The log's place among the heads recorded in the installation's log",
         opening_apply),
    {.method = HTTP_GET,
     .path = LOG "/proof/{cuid}",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_EXPORT,
     .tx = TX_NONE,
     .events = "AuditLogViewed",
     .summary = "All that proves one event: record, salt, inclusion, checkpoint",
     .apply = proof_apply,
     .after = proof_after,
     .head = proof_head},
    MINE("/tile/{l}/{n1}", TILE_TEXT, tile_apply),
    MINE("/tile/{l}/{n1}/{n2}", TILE_TEXT, tile_apply),
    MINE("/tile/{l}/{n1}/{n2}/{n3}", TILE_TEXT, tile_apply),
    MINE("/tile/{l}/{n1}/{n2}/{n3}/{n4}", TILE_TEXT, tile_apply),
    MINE("/tile/{l}/{n1}/{n2}/{n3}/{n4}/{n5}", TILE_TEXT, tile_apply),
    ANYONES("/checkpoint", "The newest signed checkpoint" PUBLIC_TEXT, public_checkpoint),
    ANYONES("/vkey", "The keys, the newest first" PUBLIC_TEXT, public_vkey),
    ANYONES("/tile/{l}/{n1}", TILE_TEXT PUBLIC_TEXT, public_tile),
    ANYONES("/tile/{l}/{n1}/{n2}", TILE_TEXT PUBLIC_TEXT, public_tile),
    ANYONES("/tile/{l}/{n1}/{n2}/{n3}", TILE_TEXT PUBLIC_TEXT, public_tile),
    ANYONES("/tile/{l}/{n1}/{n2}/{n3}/{n4}", TILE_TEXT PUBLIC_TEXT, public_tile),
    ANYONES("/tile/{l}/{n1}/{n2}/{n3}/{n4}/{n5}", TILE_TEXT PUBLIC_TEXT, public_tile),
    {0}};
