/* Forms: multipart/form-data (RFC 7578, RFC 2046 section 5.1) and
 * application/x-www-form-urlencoded, from a complete body. Strict: CRLF line ends, a closing boundary, a name in every part, valid
 * UTF-8 in every text. Values are views of the body, so a part costs no copy. */
#include "base/text.h"
#include "http/http_priv.h"

#define PARTS_MAX     256
#define PART_HEAD_MAX 4096 /* bytes of one part's headers */
#define BOUNDARY_MAX  70   /* RFC 2046, section 5.1.1 */

/* --- header parameters ------------------------------------------------------------------------ */

/* The next `; name=value` of a header; quoted values unescape \" and \\ only, since browsers send
 * the backslashes of Windows paths as they are. ERR_END when nothing is left. */
static enum err
next_param(struct arena *a, struct str *rest, struct str *name, struct str *value)
{
    struct str s = str_trim(*rest);
    size_t eq;
    char *p;
    size_t n = 0, i = 1;

    if (s.n == 0)
        return ERR_END;
    if (s.p[0] != ';')
        return ERR_INVALID;
    s = str_trim(str_sub(s, 1, SIZE_MAX));
    eq = str_index(s, '=');
    if (eq == SIZE_MAX || eq == 0)
        return ERR_INVALID;
    *name = str_sub(s, 0, eq);
    s = str_sub(s, eq + 1, SIZE_MAX);
    if (s.n == 0 || s.p[0] != '"') {
        *value = str_trim(str_sub(s, 0, str_index(s, ';')));
        *rest = str_sub(s, str_index(s, ';'), SIZE_MAX);
        return value->n > 0 && str_index(*value, '"') == SIZE_MAX ? OK : ERR_INVALID;
    }
    p = arena_array(a, char, s.n + 1);
    for (; i < s.n && s.p[i] != '"'; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n && (s.p[i + 1] == '"' || s.p[i + 1] == '\\'))
            i++;
        p[n++] = s.p[i];
    }
    if (i >= s.n)
        return ERR_INVALID;
    *value = str_mem(p, n);
    *rest = str_sub(s, i + 1, SIZE_MAX);
    return OK;
}

static bool
is_boundary(struct str b)
{
    for (size_t i = 0; i < b.n; i++) {
        char c = b.p[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');

        if (!alnum && (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL))
            return false;
    }
    return b.n > 0 && b.n <= BOUNDARY_MAX && b.p[b.n - 1] != ' ';
}

static enum err
find_boundary(struct arena *a, struct str params, struct str *out)
{
    struct str name, value, found = STR_NULL;
    enum err rc;

    while ((rc = next_param(a, &params, &name, &value)) == OK) {
        if (!str_ieq(name, S("boundary")))
            continue;
        if (!str_is_null(found))
            return ERR_INVALID;
        found = value;
    }
    if (rc != ERR_END || !is_boundary(found))
        return ERR_INVALID;
    *out = found;
    return OK;
}

/* --- parts ------------------------------------------------------------------------------------ */

static size_t
find_in(struct str s, struct str what)
{
    const char *p = s.n > 0 ? memmem(s.p, s.n, what.p, what.n) : NULL;

    return p != NULL ? (size_t)(p - s.p) : SIZE_MAX;
}

static enum err
take_disposition(struct arena *a, struct str value, struct form_part *part)
{
    struct str rest = str_sub(value, str_index(value, ';'), SIZE_MAX);
    struct str name, v;
    enum err rc;

    if (!str_ieq(str_trim(str_sub(value, 0, str_index(value, ';'))), S("form-data")))
        return ERR_INVALID;
    while ((rc = next_param(a, &rest, &name, &v)) == OK) {
        struct str *to = str_ieq(name, S("name"))       ? &part->name
                         : str_ieq(name, S("filename")) ? &part->filename
                                                        : NULL;

        if (to == NULL)
            continue; /* filename* and the like: RFC 7578 tells senders not to use them */
        if (!str_is_null(*to) || !utf8_is_valid(v))
            return ERR_INVALID;
        *to = v;
    }
    return rc == ERR_END ? OK : ERR_INVALID;
}

static enum err
take_part_header(struct arena *a, struct str line, struct form_part *part)
{
    size_t colon = str_index(line, ':');
    struct str name = str_sub(line, 0, colon);
    struct str value = str_trim(str_sub(line, colon + 1, SIZE_MAX));

    if (colon == SIZE_MAX || colon == 0 || line.p[0] == ' ' || line.p[0] == '\t' ||
        str_index(line, '\r') != SIZE_MAX || str_index(line, '\n') != SIZE_MAX)
        return ERR_INVALID;
    if (str_ieq(name, S("content-disposition")))
        return str_is_null(part->name) ? take_disposition(a, value, part) : ERR_INVALID;
    if (str_ieq(name, S("content-transfer-encoding")) && !str_ieq(value, S("binary")) &&
        !str_ieq(value, S("8bit")) && !str_ieq(value, S("7bit")))
        return ERR_MEDIA_TYPE; /* RFC 7578, section 4.7 */
    if (str_ieq(name, S("content-type"))) {
        if (!utf8_is_valid(value))
            return ERR_INVALID;
        part->type = value;
    }
    return OK;
}

/* A text is UTF-8; a file, or a part that says it is bytes, may hold anything. */
static bool
is_text(const struct form_part *part)
{
    return str_is_null(part->filename) &&
           (str_is_null(part->type) || str_has_prefix(part->type, S("text/")));
}

static enum err
take_part(struct arena *a, struct str raw, struct form_part *part)
{
    /* A part without headers starts with the empty line at once, but then it has no name either. */
    size_t end = find_in(str_sub(raw, 0, PART_HEAD_MAX), S("\r\n\r\n"));
    struct str head = str_sub(raw, 0, end);

    if (end == SIZE_MAX)
        return ERR_INVALID;
    part->value = str_sub(raw, end + 4, SIZE_MAX);
    while (head.n > 0) {
        size_t eol = find_in(head, S("\r\n"));

        TRY(take_part_header(a, str_sub(head, 0, eol), part));
        head = eol == SIZE_MAX ? STR_NULL : str_sub(head, eol + 2, SIZE_MAX);
    }
    if (part->name.n == 0 || (is_text(part) && !utf8_is_valid(part->value)))
        return ERR_INVALID;
    return OK;
}

/* *rest stands behind a delimiter: CRLF begins a part, "--" ends the form. */
static enum err
next_part(struct arena *a, struct str delimiter, struct str *rest, struct form_part *part)
{
    size_t end;

    if (str_has_prefix(*rest, S("--"))) {
        struct str tail = str_sub(*rest, 2, SIZE_MAX);

        return tail.n == 0 || str_eq(tail, S("\r\n")) ? ERR_END : ERR_INVALID;
    }
    if (!str_has_prefix(*rest, S("\r\n")))
        return ERR_INVALID;
    end = find_in(*rest, delimiter);
    if (end == SIZE_MAX || end < 2)
        return ERR_INVALID;
    *part = (struct form_part){0};
    TRY(take_part(a, str_sub(*rest, 2, end - 2), part));
    *rest = str_sub(*rest, end + delimiter.n, SIZE_MAX);
    return OK;
}

static enum err
parse_multipart(struct arena *a, struct str params, struct str body, struct form_part **out,
                size_t *n)
{
    struct form_part *list = arena_array(a, struct form_part, PARTS_MAX);
    struct str boundary, delimiter, rest;
    struct form_part part;
    size_t used = 0;
    enum err rc;

    TRY(find_boundary(a, params, &boundary));
    delimiter = arena_fmt(a, "\r\n--%.*s", STR_ARG(boundary));
    /* The first delimiter stands at the very start: a preamble is nobody's practice. */
    if (!str_has_prefix(body, str_sub(delimiter, 2, SIZE_MAX)))
        return ERR_INVALID;
    rest = str_sub(body, delimiter.n - 2, SIZE_MAX);
    while ((rc = next_part(a, delimiter, &rest, &part)) == OK) {
        if (used == PARTS_MAX)
            return ERR_TOO_LARGE;
        list[used++] = part;
    }
    if (rc != ERR_END)
        return rc;
    *out = list;
    *n = used;
    return OK;
}

static enum err
parse_urlencoded(struct arena *a, struct str body, struct form_part **out, size_t *n)
{
    struct http_pair *pairs;
    struct form_part *list;
    struct str bad;
    size_t count;

    TRY(pairs_decode(a, body, "&", PARTS_MAX, &pairs, &count, &bad));
    list = arena_array(a, struct form_part, count);
    for (size_t i = 0; i < count; i++)
        list[i] = (struct form_part){.name = pairs[i].name, .value = pairs[i].value};
    *out = list;
    *n = count;
    return OK;
}

enum err
form_parse(struct arena *a, struct str content_type, struct str body, struct form_part **out,
           size_t *n)
{
    size_t semi = str_index(content_type, ';');
    struct str type = str_trim(str_sub(content_type, 0, semi));
    struct str params = semi == SIZE_MAX ? STR_NULL : str_sub(content_type, semi, SIZE_MAX);

    if (str_ieq(type, S("multipart/form-data")))
        return parse_multipart(a, params, body, out, n);
    if (str_ieq(type, S("application/x-www-form-urlencoded")))
        return parse_urlencoded(a, body, out, n);
    return ERR_MEDIA_TYPE;
}
