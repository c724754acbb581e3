/* Users from CSV: each row is good or has a reason, good rows can be created as they are, and no
 * address is good twice. */
#include "base/text.h"
#include "core/usercsv.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)256 << 20)

static void
check_good(const struct user_spec *s)
{
    HOLDS(s->first.n > 0 && s->first.n <= USER_NAME_MAX && utf8_is_valid(s->first), "a first name");
    HOLDS(s->last.n > 0 && s->last.n <= USER_NAME_MAX && utf8_is_valid(s->last), "a last name");
    HOLDS(email_is_valid(s->email) && utf8_is_valid(s->email), "an address");
    for (size_t i = 0; i < s->email.n; i++)
        HOLDS((unsigned char)s->email.p[i] > ' ' && s->email.p[i] != '>', "breaks a mail's head");
    HOLDS(provider_is_available(s->provider), "a provider");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct cx cx = {.arena = a};
    struct usercsv c;
    size_t line = 1;

    if (usercsv_read(&cx, fuzz_text(data, size), &c) != OK) {
        HOLDS(cx.failure.code == ERR_INVALID && cx.failure.fields != NULL, "refused without words");
        arena_free(a);
        return 0;
    }
    HOLDS(c.n <= USERCSV_ROWS_MAX, "%zu rows", c.n);
    for (size_t i = 0; i < c.n; i++) {
        HOLDS(c.rows[i].line > line, "lines out of order");
        line = c.rows[i].line;
        if (!str_is_null(c.rows[i].reason))
            continue;
        check_good(&c.rows[i].spec);
        for (size_t k = 0; k < i; k++)
            HOLDS(!str_is_null(c.rows[k].reason) || !str_eq(email_fold(a, c.rows[k].spec.email),
                                                            email_fold(a, c.rows[i].spec.email)),
                  "the same address twice");
    }
    arena_free(a);
    return 0;
}
