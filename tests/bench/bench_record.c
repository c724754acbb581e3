/* How fast events are recorded, beside what the same disk and the same store do without us:
 *
 *   - one writer: raw 4 KB append + fdatasync, bare SQLite inserting the same row;
 *   - 64 writers: bare SQLite inserting the same row in groups of the same size;
 *   - what an event adds to a write request;
 *   - PostgreSQL (RECOUNT_TEST_PG set): pgbench sending the same statements from as many clients.
 *
 * The contenders take turns in short rounds and the ratio is the median of the rounds' ratios, as
 * the machine is shared. The mover and the indexer run as in the server, on the same disk;
 * only "recording alone" is without them.
 *
 *     bench_record [--rounds 5] [--ms 400] [--dir /tmp] [--pg-seconds 4] */
#include "bench_bare.h"
#include "bench_crowd.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define ROUNDS_MAX 64

static struct {
    int rounds, ms;
    const char *dir;
    size_t public_len, personal_len;
} set;

/* ---- peers: the raw disk ---- */

static double
raw_append(int fd, int ms, long *n)
{
    static const char block[4096] = {1};
    double start = now_us(), took;
    *n = 0;
    do {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0)
            DIE("the raw file");
        ++*n;
    } while ((took = now_us() - start) < ms * 1e3);
    return (double)*n / took * 1e6;
}

/* ---- the row's size, so that the peers insert as much ---- */

static const struct sql tail_row =
    SQL_READ("SELECT length(public), length(personal) FROM audit_tail ORDER BY seq DESC LIMIT 1");

static enum err
read_lengths(struct db_tx *tx, void *arg)
{
    struct db_rows *q = NULL;
    (void)arg;
    TRY(db_query_one(tx, &tail_row, NO_ARGS, &q));
    set.public_len = (size_t)db_int(q, 0);
    set.personal_len = (size_t)db_int(q, 1);
    db_rows_end(q);
    return OK;
}

static void
learn_row(struct bench *b)
{
    crowd_event(b, b->a);
    MUST(db_read(b->app.db, b->a, read_lengths, NULL));
    MUST(audit_move_now(&b->app));
}

/* ---- SQLite ---- */

static void
one_writer(struct bench *b, struct bare *bare, int fd)
{
    double ours[ROUNDS_MAX], raw[ROUNDS_MAX], rows[ROUNDS_MAX], r_raw[ROUNDS_MAX],
        r_rows[ROUNDS_MAX];
    struct crowd_round sum = {0};
    for (int i = 0; i < set.rounds; i++) {
        long raws = 0;
        raw[i] = raw_append(fd, set.ms, &raws);
        rows[i] = bare_rows(bare, 1, set.ms);
        struct crowd_round r = crowd_run(b, 1, set.ms);
        ours[i] = r.rate;
        r_raw[i] = ours[i] / raw[i];
        r_rows[i] = ours[i] / rows[i];
        crowd_add(&sum, &r);
    }
    size_t n = (size_t)set.rounds;
    double events = (double)sum.events;
    figure("raw 4 KB append + fdatasync", median_of(raw, n), "/s", NULL, 0, NULL);
    figure("bare SQLite, one row a commit", median_of(rows, n), "/s", NULL, 0, NULL);
    figure("lone durable event", median_of(ours, n), "/s", "raw append", median_of(r_raw, n),
           ">= 0.8");
    figure("lone durable event", median_of(ours, n), "/s", "bare SQLite", median_of(r_rows, n),
           NULL);
    figure("fsyncs an event, its writer", (double)sum.syncs.mine / events, "", NULL, 0, "1");
    figure("fsyncs an event, mover and indexer", (double)sum.syncs.rest / events, "", NULL, 0,
           NULL);
}

/* What 64 writers do beside 64 threads, and one, that insert the same rows in groups of the same size. */
struct contest {
    double ours[ROUNDS_MAX], rows[ROUNDS_MAX], crowd[ROUNDS_MAX], r_rows[ROUNDS_MAX],
        r_crowd[ROUNDS_MAX], sustained[ROUNDS_MAX], lag[ROUNDS_MAX];
    struct crowd_round sum;
    double cpu_crowd, n_crowd, groups;
};

static void
contend(struct bench *b, struct bare *bare, struct contest *c)
{
    *c = (struct contest){0};
    for (int i = 0; i < set.rounds; i++) {
        struct crowd_round r = crowd_run(b, WRITERS, set.ms);
        long n = r.events, mine = r.syncs.mine;
        int group = mine > 0 ? (int)((n + mine / 2) / mine) : 1;
        c->rows[i] = bare_rows(bare, group > 0 ? group : 1, set.ms);
        struct bare_round q = bare_crowd(bare, WRITERS, set.ms);
        c->ours[i] = r.rate;
        c->sustained[i] = r.sustained;
        c->lag[i] = r.lag;
        c->crowd[i] = q.rate;
        c->cpu_crowd += q.cpu;
        c->n_crowd += q.rows;
        c->groups += q.groups;
        c->r_rows[i] = r.rate / c->rows[i];
        c->r_crowd[i] = r.rate / c->crowd[i];
        crowd_add(&c->sum, &r);
    }
}

static void
tell(struct contest *c, const char *how)
{
    char name[96];
    size_t n = (size_t)set.rounds;
    double events = (double)c->sum.events;
    snprintf(name, sizeof name, "events, 64 writers, %s", how);
    figure("bare SQLite, same group size, one thread", median_of(c->rows, n), "/s", NULL, 0, NULL);
    figure("bare SQLite, 64 threads", median_of(c->crowd, n), "/s", NULL, 0, NULL);
    figure("rows a commit, bare SQLite, 64 threads", c->n_crowd / c->groups, "", NULL, 0, NULL);
    figure(name, median_of(c->ours, n), "/s", "bare SQLite, one thread", median_of(c->r_rows, n),
           ">= 0.8");
    figure(name, median_of(c->ours, n), "/s", "bare SQLite, 64 threads", median_of(c->r_crowd, n),
           ">= 0.8");
    figure("events a commit, 64 writers", events / (double)c->sum.syncs.mine, "", NULL, 0, NULL);
    figure("processor time, bare SQLite, 64 threads", c->cpu_crowd / c->n_crowd, "us/row", NULL, 0,
           NULL);
    figure("processor time, 64 writers", c->sum.cpu_writers / events, "us/event", NULL, 0, NULL);
}

/* With mover and indexer on the same cores; then recording by itself, which leaves these much to do. */
static void
many_writers(struct bench *b, struct bare *bare)
{
    struct contest c;
    size_t n = (size_t)set.rounds;
    contend(b, bare, &c);
    tell(&c, "moved and indexed meanwhile");
    double events = (double)c.sum.events;
    figure("events, 64 writers, until the last is moved", median_of(c.sustained, n), "/s", NULL, 0,
           NULL);
    figure("from the last answer until it is moved, 64 writers", median_of(c.lag, n), "ms", NULL, 0,
           NULL);
    figure("fsyncs of the mover, 64 writers", (double)c.sum.syncs.rest / events, "/event", NULL, 0,
           NULL);
    figure("processor time, mover and indexer, 64 writers", c.sum.cpu_rest / events, "us/event",
           NULL, 0, NULL);
    audit_stop(&b->app);
    contend(b, bare, &c);
    tell(&c, "recording alone");
}

/* ---- what an event adds to a request that writes ---- */

static const struct sql put_tag =
    SQL_WRITE("tag", "INSERT INTO tag (tenant_id, id, name, created_at) VALUES ($1, $2, $3, $4)");

static enum err
tag_body(struct cx *cx, void *arg)
{
    const bool *with_event = arg;
    struct audit_entry e = {.event = EV_TAG_CREATED,
                            .text = S("Alice Archer created the tag web"),
                            .target_kind = S("tag"),
                            .target_id = S("web"),
                            .target_name = S("web")};
    TRY(db_exec(cx->tx, &put_tag,
                ARGS(V_INT(0), V_STR(cuid_in(cx->arena, cx->now)), V_STR(S("web")), V_INT(cx->now)),
                NULL));
    return *with_event ? audit_record(cx, &e, NULL) : OK;
}

static enum err
allow(struct db_tx *tx)
{
    (void)tx;
    return OK;
}

static void
added_by_an_event(struct bench *b, const char *name)
{
    struct samples with = {0}, without = {0};
    struct arena *a = arena_create("request", (size_t)64 << 20);
    db_set_commit_check(b->app.db, allow);
    for (int i = 0; i < set.rounds * 400; i++) {
        bool event = i % 2;
        struct cx cx = bench_cx(b, a, 0);
        double start = now_us();
        MUST(cx_write(&cx, tag_body, &event));
        samples_add(event ? &with : &without, now_us() - start);
        arena_reset(a);
    }
    db_set_commit_check(b->app.db, audit_commit_check);
    arena_free(a);
    double w = samples_at(&with, 0.5), o = samples_at(&without, 0.5);
    figure(name, (w - o) / 1e3, "ms", NULL, 0, "<= 0.2");
    free(with.v);
    free(without.v);
}

static void
on_sqlite(void)
{
    struct bench b;
    struct bare bare;
    char path[400];
    bench_open(&b, set.dir, NULL, 4, 1);
    learn_row(&b);
    audit_start(&b.app);
    bare_open(&bare, b.dir, set.public_len, set.personal_len);
    snprintf(path, sizeof path, "%s/raw", b.dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
    if (fd < 0)
        DIE("%s", path);
    printf("# row: %zu bytes public, %zu personal, 16 salt\n", set.public_len, set.personal_len);
    one_writer(&b, &bare, fd);
    added_by_an_event(&b, "an event adds to the median write, SQLite");
    many_writers(&b, &bare);
    bare_close(&bare);
    close(fd);
    bench_close(&b);
}

/* ---- PostgreSQL ---- */

static PGconn *
connect_to(const char *url)
{
    PGconn *c = PQconnectdb(url);
    if (PQstatus(c) != CONNECTION_OK)
        DIE("PostgreSQL: %s", PQerrorMessage(c));
    return c;
}

static long
pg_ask(PGconn *c, const char *text)
{
    PGresult *r = PQexec(c, text);
    long v = 0;
    if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1)
        v = strtol(PQgetvalue(r, 0, 0), NULL, 10);
    else if (PQresultStatus(r) != PGRES_COMMAND_OK)
        DIE("PostgreSQL: %s", PQerrorMessage(c));
    PQclear(r);
    return v;
}

static void
hex_zeros(FILE *f, size_t n)
{
    fputs("'\\x", f);
    for (size_t i = 0; i < n; i++)
        fputs("5a", f);
    fputs("'::bytea", f);
}

/* The statements of one recorded event, as pgbench sends them (extended protocol, prepared). */
static void
write_script(const char *path)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        DIE("%s", path);
    fputs("BEGIN ISOLATION LEVEL SERIALIZABLE;\n"
          "INSERT INTO bench_tail (tenant_id, public, personal, salt) VALUES (0, ",
          f);
    hex_zeros(f, set.public_len);
    fputs(", ", f);
    hex_zeros(f, set.personal_len);
    fputs(", ", f);
    hex_zeros(f, 16);
    fputs(");\nCOMMIT;\n", f);
    fclose(f);
}

/* Transactions a second by pgbench's own account. */
static double
pgbench(const char *url, const char *script, int clients, int seconds)
{
    int out[2];
    char c[16], s[16], text[8192];
    size_t n = 0;
    snprintf(c, sizeof c, "%d", clients);
    snprintf(s, sizeof s, "%d", seconds);
    if (pipe(out) != 0)
        DIE("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDERR_FILENO);
        close(out[0]);
        execlp("pgbench", "pgbench", "-n", "-M", "prepared", "-c", c, "-j", clients > 1 ? "2" : "1",
               "-T", s, "-f", script, url, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    ssize_t got;
    while (n + 1 < sizeof text && (got = read(out[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(out[0]);
    (void)waitpid(pid, NULL, 0);
    const char *tps = strstr(text, "tps = ");
    return tps ? strtod(tps + 6, NULL) : 0;
}

static void
pg_clients(struct bench *b, PGconn *c, const char *script, int clients, int seconds)
{
    char name[96];
    double ratio[3], ours[3], theirs[3], events = 0;
    long wal = 0;
    for (int i = 0; i < 3; i++) {
        theirs[i] = pgbench(b->url, script, clients, seconds);
        if (theirs[i] <= 0) {
            printf("# pgbench did not run\n");
            return;
        }
        (void)pg_ask(c, "SELECT pg_stat_reset_shared('wal') IS NULL");
        struct crowd_round r = crowd_run(b, clients, seconds * 1000);
        ours[i] = r.rate;
        events = (double)r.events;
        usleep(1200000); /* the server's sessions report their numbers once a second */
        wal = pg_ask(c, "SELECT wal_sync FROM pg_stat_wal");
        ratio[i] = ours[i] / theirs[i];
    }
    snprintf(name, sizeof name, "pgbench, same statements, %d clients", clients);
    figure(name, median_of(theirs, 3), "/s", NULL, 0, NULL);
    snprintf(name, sizeof name, "events on PostgreSQL, %d clients", clients);
    figure(name, median_of(ours, 3), "/s", "pgbench", median_of(ratio, 3), ">= 0.8");
    snprintf(name, sizeof name, "WAL fsyncs an event, %d clients", clients);
    figure(name, events > 0 ? (double)wal / events : 0, "", NULL, 0, NULL);
}

static void
on_postgres(const char *url, int seconds)
{
    struct bench b;
    char script[400];
    bench_open(&b, set.dir, url, 4, WRITERS);
    audit_start(&b.app);
    PGconn *c = connect_to(b.url);
    (void)pg_ask(c, "CREATE TABLE bench_tail (LIKE audit_tail INCLUDING ALL)");
    snprintf(script, sizeof script, "%s/insert.sql", b.dir);
    write_script(script);
    pg_clients(&b, c, script, 1, seconds);
    pg_clients(&b, c, script, WRITERS, seconds);
    added_by_an_event(&b, "an event adds to the median write, PostgreSQL");
    PQfinish(c);
    audit_stop(&b.app);
    bench_close(&b);
}

int
main(int argc, char **argv)
{
    const char *url = getenv("RECOUNT_TEST_PG");
    set.rounds = (int)option_int(argc, argv, "rounds", 5);
    set.ms = (int)option_int(argc, argv, "ms", 400);
    set.dir = option(argc, argv, "dir", "/tmp");
    if (set.rounds < 1 || set.rounds > ROUNDS_MAX)
        DIE("--rounds: 1 to %d", ROUNDS_MAX);
    on_sqlite();
    if (url)
        on_postgres(url, (int)option_int(argc, argv, "pg-seconds", 3));
    return 0;
}
