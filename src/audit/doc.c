/* The document of an event: the text that search looks at, case-folded. Its fields are parted by
 * U+001F, so that nothing matches across them. User agent and private detail stay out: the first
 * drowns every hit, the second is the text of other people's searches. So do the rows of an access
 * baseline, which are everything at once. */
#include "audit/priv.h"

#include "base/text.h"

static void
put(struct buf *b, struct str s)
{
    if (s.n == 0)
        return;
    utf8_fold(b, s);
    buf_char(b, '\x1f');
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
put_change(struct buf *b, const struct audit_change *c)
{
    put(b, c->field);
    put(b, c->before);
    put(b, c->after);
}

void
doc_put(struct buf *b, const struct audit_event *e)
{
    utf8_fold(b, e->actor_name);
    if (e->actor_email.n) {
        buf_cstr(b, " (");
        utf8_fold(b, e->actor_email);
        buf_char(b, ')');
    }
    buf_char(b, '\x1f');
    put(b, e->type_name);
    put_words(b, e->type_name);
    put(b, str_of(event_type(e->type)->title));
    put(b, e->target_name);
    put(b, e->target_email);
    put(b, e->target_id);
    put(b, e->client_name);
    put(b, e->address);
    put(b, e->text);
    if (e->type == EV_ACCESS_BASELINE) /* else every word of the workspace is found once a month */
        return;
    for (size_t i = 0; i < e->n_changes; i++)
        put_change(b, &e->changes[i]);
}
