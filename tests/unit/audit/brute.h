/* A search the slow way: every event as a reader of the whole list gets it, with its document, and each looked at.
 * The including program defines N, how many there are, and SEED of its random numbers. */
#ifndef TEST_AUDIT_BRUTE_H
#define TEST_AUDIT_BRUTE_H

#include "support.h"

static struct audit_event kept[N];
static struct str docs[N];
static uint64_t seed = SEED;

static uint64_t
next_random(uint64_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % n;
}

/* Fills kept and docs, in index order or newest first. */
static void
read_all(bool ascending)
{
    struct audit_query q = query(0);
    struct audit_page p;
    size_t n = 0;
    q.ascending = ascending;
    q.limit = 1000;
    do {
        p = list(q);
        for (size_t i = 0; i < p.n; i++, n++) {
            struct buf *b = buf_in(t.a, 1 << 20);
            assert_true(n < N);
            kept[n] = p.events[i];
            doc_put(b, &kept[n]);
            docs[n] = buf_view(b);
        }
        q.after = p.next;
    } while (p.more);
    assert_int_equal(n, N);
}

/* Whether the query finds kept[i]. */
static bool
brute(const struct audit_query *q, const struct search *s, size_t i)
{
    const struct audit_event *e = &kept[i];
    return search_match(s, docs[i]) && (q->event == EVENT_NONE || e->type == q->event) &&
           (q->outcome < 0 || (int)e->outcome == q->outcome) &&
           (q->client_id == 0 || e->client_id == q->client_id) &&
           (q->user.n == 0 || str_eq(e->target_id, q->user)) &&
           (q->from == 0 || e->at >= q->from) && (q->to == 0 || e->at < q->to);
}

#endif
