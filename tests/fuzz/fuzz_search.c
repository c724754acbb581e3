/* Search text: the terms are folded and bounded, a document made of them matches and one without any
 * of them does not, and every trigram looked up stands in a term. */
#include "audit/priv.h"
#include "base/text.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)64 << 20)
#define TEXT_MAX  1024 /* bytes of a search */

static void
check_grams(const struct search *s)
{
    for (size_t i = 0; i < s->n_grams; i++) {
        bool there = false;

        for (size_t k = 0; k < s->n; k++)
            for (size_t at = 0; at + GRAM_BYTES <= s->terms[k].n; at++)
                there = there || gram_at(s->terms[k].p + at) == s->grams[i];
        HOLDS(there, "a trigram from nowhere");
        for (size_t k = 0; k < i; k++)
            HOLDS(s->grams[k] != s->grams[i], "a trigram twice");
    }
}

/* The folded terms, each in quotes, are the same terms again. */
static void
check_again(struct arena *a, const struct search *s)
{
    struct buf *b = buf_in(a, 8 * TEXT_MAX);
    struct search again;

    for (size_t i = 0; i < s->n; i++) {
        if (str_index(s->terms[i], '"') != SIZE_MAX)
            return;
        buf_fmt(b, "\"%.*s\" ", STR_ARG(s->terms[i]));
    }
    if (b->n > TEXT_MAX)
        return;
    HOLDS(search_parse(a, buf_view(b), &again) == OK && again.n == s->n, "terms are lost");
    for (size_t i = 0; i < s->n; i++)
        HOLDS(str_eq(again.terms[i], s->terms[i]), "term %zu is another one", i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str text = fuzz_text(data, size);
    struct buf *doc = buf_in(a, 8 * TEXT_MAX);
    struct search s;

    if (search_parse(a, text, &s) == OK) {
        HOLDS(size <= TEXT_MAX && s.n <= TERMS_MAX, "%zu terms", s.n);
        for (size_t i = 0; i < s.n; i++) {
            HOLDS(s.terms[i].n > 0 && utf8_is_valid(s.terms[i]), "a term that is no text");
            buf_fmt(doc, "\x1f%.*s", STR_ARG(s.terms[i]));
        }
        HOLDS(search_match(&s, buf_view(doc)), "a document of the terms does not match");
        HOLDS(s.n == 0 || !search_match(&s, S("")), "nothing matches something");
        check_grams(&s);
        check_again(a, &s);
    }
    arena_free(a);
    return 0;
}
