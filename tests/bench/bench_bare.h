/* Bare SQLite, inserting rows as large as the log's: on one thread, and behind many. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <sqlite3.h>

#include "bench.h"

struct bare {
    sqlite3 *h;
    sqlite3_stmt *insert;
    size_t public_len, personal_len; /* bytes of a row's two parts; at most BARE_BYTES */
};
#define BARE_BYTES 4096

void bare_open(struct bare *p, const char *dir, size_t public_len, size_t personal_len);
void bare_close(struct bare *p);
/* Rows a second, `group` of them a commit, for ms. */
double bare_rows(struct bare *p, int group, int ms);

struct bare_round {
    double rate, rows, groups;
    double cpu; /* microseconds, of the threads */
};
/* n threads (at most BARE_THREADS), each handing one row at a time to the one connection. */
#define BARE_THREADS 64
struct bare_round bare_crowd(struct bare *p, int n, int ms);

#endif
