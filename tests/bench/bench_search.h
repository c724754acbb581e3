/* What bench_search.c and its peers (bench_peers.c) share: the documents and the queries. */
#ifndef BENCH_SEARCH_H
#define BENCH_SEARCH_H

#include "bench.h"

#define TENANTS 20

enum query_class { Q_REAL, Q_ABSENT, Q_FOREIGN, Q_TWO, Q_ONE, Q_CLASSES };
struct query {
    int64_t tenant;
    enum query_class class;
    struct str text; /* folded, without quotes */
};
struct docs {
    struct str *v; /* by index */
    size_t n;
};
struct corpus {
    struct docs docs[TENANTS];
};
extern struct corpus corpus;

uint64_t pick(uint64_t n);
struct str real_piece(int64_t tenant, uint64_t chars);
struct query make_query(struct arena *a, enum query_class c);
struct audit_query any_query(int64_t tenant);
MUST_CHECK enum err put_event(struct cx *cx);

/* LIKE over a plain SQLite table and, with a URL, PostgreSQL with pg_trgm: the same documents, the
 * same kinds of queries. */
void run_peers(struct bench *b, const char *url, int queries);

#endif
