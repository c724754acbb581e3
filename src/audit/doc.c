/* The document of an event: the text that search looks at, as keys (text_key). Its fields are parted by
 * U+001F, so that nothing matches across them. User agent and private detail stay out: the first
 * drowns every hit, the second is the text of other people's searches. So do the rows of an access
 * baseline, which are everything at once. */
#include "audit/priv.h"

#include "base/text.h"
#include "codec/textkey.h"

struct doc {
    struct buf *b;
    void (*key)(struct buf *b, struct str s);
};

static void
put(const struct doc *d, struct str s)
{
    if (s.n == 0)
        return;
    d->key(d->b, s);
    buf_char(d->b, '\x1f');
}

/* "PasswordChanged" also as "password changed". */
static void
put_words(struct buf *b, struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        if (upper && i > 0)
            buf_char(b, ' ');
        buf_char(b, upper ? (char)(c + 32) : c);
    }
    buf_char(b, '\x1f');
}

static void
put_change(const struct doc *d, const struct audit_change *c)
{
    put(d, c->field);
    put(d, c->before);
    put(d, c->after);
}

static void
put_all(const struct doc *d, const struct audit_event *e)
{
    d->key(d->b, e->actor_name);
    if (e->actor_email.n) {
        buf_cstr(d->b, " (");
        d->key(d->b, e->actor_email);
        buf_char(d->b, ')');
    }
    buf_char(d->b, '\x1f');
    put(d, e->type_name);
    put_words(d->b, e->type_name);
    put(d, str_of(event_type(e->type)->title));
    put(d, e->target_name);
    put(d, e->target_email);
    put(d, e->target_id);
    put(d, e->client_name);
    put(d, e->address);
    put(d, e->text);
    if (e->type == EV_ACCESS_BASELINE) /* else every word of the workspace is found once a month */
        return;
    for (size_t i = 0; i < e->n_changes; i++)
        put_change(d, &e->changes[i]);
}

void
doc_put(struct buf *b, const struct audit_event *e)
{
    put_all(&(struct doc){b, text_key_put}, e);
}

void
doc_put_uncomposed(struct buf *b, const struct audit_event *e)
{
    put_all(&(struct doc){b, utf8_fold}, e);
}

bool
bitmap_is_composed(struct str map)
{
    if (map.n < BIGRAM_BYTES)
        return false;
    if ((uint8_t)map.p[BIGRAM_BYTES - 1] & BIGRAM_COMPOSED)
        return true;
    for (size_t i = 256 / 8 * FIRST_MARK_LEAD; i < BIGRAM_BYTES; i++)
        if (map.p[i] != 0)
            return false;
    return true;
}
