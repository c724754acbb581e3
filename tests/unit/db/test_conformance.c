/* The contract of db.h, run on every store there is; what several do at once is test_threads.c's, the
 * schema's versions are test_migrate.c's. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "support.h"

/* ---- values ---- */

static enum err
types_write(struct db_tx *tx, void *arg)
{
    (void)arg;
    int64_t changed = 0;
    TRY(db_exec(tx, &insert_item,
                ARGS(V_INT(INT64_MIN), V_STR(S("g\xc3\xa4r\xf0\x9f\x90\x99")),
                     V_BYTES(str_mem("\0\1\\x\xff", 5)), V_DOUBLE(0.1), V_INT(1)),
                &changed));
    assert_int_equal(changed, 1);
    TRY(db_exec(tx, &insert_item,
                ARGS(V_INT(INT64_MAX), V_STR(S("")), V_BYTES(S("")), V_DOUBLE(-1e300), V_NULL),
                NULL));
    return db_exec(tx, &insert_item,
                   ARGS(V_INT(5), V_STR(STR_NULL), V_BYTES(STR_NULL), V_NULL, V_NULL), NULL);
}

static enum err
types_read(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_READ("SELECT id, name, data, num, flag FROM item ORDER BY id");
    struct db_rows *r = NULL;
    (void)arg;
    TRY(db_query(tx, &q, NO_ARGS, &r));
    TRY(db_next(r));
    assert_true(db_int(r, 0) == INT64_MIN);
    assert_true(str_eq(db_text(r, 1), S("g\xc3\xa4r\xf0\x9f\x90\x99")));
    assert_true(str_eq(db_bytes(r, 2), str_mem("\0\1\\x\xff", 5)));
    assert_true(db_double(r, 3) == 0.1);
    assert_int_equal(db_int(r, 4), 1);
    struct str kept = db_text_keep(r, 1);
    TRY(db_next(r));
    assert_true(db_is_null(r, 1) && db_is_null(r, 2) && db_is_null(r, 3) && db_is_null(r, 4));
    assert_true(str_is_null(db_text(r, 1)) && str_is_null(db_bytes_keep(r, 2)));
    assert_int_equal(db_int(r, 4), 0);
    TRY(db_next(r));
    assert_true(db_int(r, 0) == INT64_MAX && db_double(r, 3) == -1e300);
    assert_true(!str_is_null(db_text(r, 1)) && str_is_empty(db_text(r, 1)));
    assert_true(!db_is_null(r, 2) && !str_is_null(db_bytes(r, 2)) && db_bytes(r, 2).n == 0);
    assert_int_equal(db_next(r), ERR_END);
    assert_int_equal(db_next(r), ERR_END);
    db_rows_end(r);
    db_rows_end(NULL);
    assert_true(str_eq(kept, S("g\xc3\xa4r\xf0\x9f\x90\x99")));
    return OK;
}

static void
test_types(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, types_write, NULL), OK);
    assert_int_equal(db_read(t.db, t.a, types_read, NULL), OK);
}

static enum err
expressions(struct db_tx *tx, void *arg)
{
    (void)arg;
    static const struct sql sum = SQL_READ("SELECT sum(id) FROM item WHERE id < 100");
    static const struct sql avg = SQL_READ("SELECT avg(id) FROM item WHERE id < 100");
    static const struct sql yes =
        SQL_READ("SELECT count(*), EXISTS (SELECT 1 FROM item WHERE id = $2) FROM item "
                 "WHERE ($1 IS NULL OR name = $1)");
    int64_t n = 0;
    struct db_rows *r = NULL;
    for (int64_t i = 1; i <= 4; i++)
        TRY(add_item(tx, i));
    TRY(db_query_int(tx, &sum, NO_ARGS, &n));
    assert_int_equal(n, 10);
    TRY(db_query_one(tx, &avg, NO_ARGS, &r));
    assert_true(db_double(r, 0) == 2.5);
    db_rows_end(r);
    /* $2 stands before $1 in the text; and a NULL of no stated type. */
    TRY(db_query_one(tx, &yes, ARGS(V_STR(S("name 2")), V_INT(3)), &r));
    assert_int_equal(db_int(r, 0), 1);
    assert_int_equal(db_int(r, 1), 1);
    db_rows_end(r);
    TRY(db_query_one(tx, &yes, ARGS(V_NULL, V_INT(99)), &r));
    assert_int_equal(db_int(r, 0), 4);
    assert_int_equal(db_int(r, 1), 0);
    db_rows_end(r);
    static const struct sql none = SQL_READ("SELECT id FROM item WHERE id = $1");
    assert_int_equal(db_query_int(tx, &none, ARGS(V_INT(77)), &n), ERR_NOT_FOUND);
    assert_int_equal(n, 10);
    return OK;
}

static void
test_expressions(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, expressions, NULL), OK);
}

static enum err
null_first(struct db_tx *tx, void *arg)
{
    (void)arg;
    TRY(db_exec(tx, &insert_item, ARGS(V_INT(1), V_NULL, V_NULL, V_NULL, V_NULL), NULL));
    TRY(db_exec(tx, &insert_item,
                ARGS(V_INT(2), V_STR(S("x")), V_BYTES(S("y")), V_DOUBLE(1), V_INT(1)), NULL));
    return db_exec(tx, &insert_item, ARGS(V_INT(3), V_NULL, V_NULL, V_NULL, V_NULL), NULL);
}

static void
test_null_first(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, null_first, NULL), OK);
    assert_int_equal(count_now(t.db, &count_items), 3);
}

static enum err
nul_body(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_exec(tx, &insert_item,
                   ARGS(V_INT(1), V_STR(str_mem("a\0b", 3)), V_NULL, V_NULL, V_NULL), NULL);
}

static void
test_nul_refused(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, nul_body, NULL), ERR_INVALID);
    assert_int_equal(count_now(t.db, &count_items), 0);
}

/* ---- failures ---- */

static enum err
bad_statement(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_READ("SELECT nothing FROM nowhere");
    (void)arg;
    return db_exec(tx, &q, NO_ARGS, NULL);
}

static enum err
orphan(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_exec(tx, &insert_other, ARGS(V_INT(1), V_INT(12345), V_INT(0)), NULL);
}

static void
test_refusals(void **state)
{
    (void)state;
    int64_t id = 1;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(db_write(t.db, t.a, add_one, &id), ERR_CONFLICT);
    assert_false(str_is_empty(db_last_error()));
    assert_int_equal(db_write(t.db, t.a, bad_statement, NULL), ERR_DB);
    assert_int_equal(db_read(t.db, t.a, bad_statement, NULL), ERR_DB);
    assert_int_equal(db_write(t.db, t.a, orphan, NULL), ERR_DB);
    assert_int_equal(count_now(t.db, &count_items), 1);
    id = 2;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
}

static enum err
change_then_fail(struct db_tx *tx, void *arg)
{
    (void)arg;
    TRY(add_item(tx, 1));
    TRY(add_item(tx, 2));
    return ERR_FORBIDDEN;
}

static void
test_rollback(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, change_then_fail, NULL), ERR_FORBIDDEN);
    assert_int_equal(count_now(t.db, &count_items), 0);
}

/* On PostgreSQL what begins a transaction goes along with its first statement, of whatever kind. */
enum first { FIRST_NONE, FIRST_SCRIPT, FIRST_MANY, FIRST_QUERY, FIRST_REFUSED, FIRST_KINDS };

static enum err
begin_with(struct db_tx *tx, void *arg)
{
    struct db_many *m = NULL;
    int64_t n = 0;
    switch (*(enum first *)arg) {
    case FIRST_NONE:
        return ERR_FORBIDDEN;
    case FIRST_SCRIPT:
        TRY(db_script(tx, "INSERT INTO item (id) VALUES (11)"));
        break;
    case FIRST_MANY:
        m = db_many_begin(tx, &insert_item, 5);
        TRY(db_many_add(m, ARGS(V_INT(12), V_NULL, V_NULL, V_NULL, V_NULL)));
        TRY(db_many_end(m, &n));
        assert_int_equal(n, 1);
        break;
    case FIRST_QUERY:
        TRY(db_query_int(tx, &count_items, NO_ARGS, &n));
        assert_int_equal(n, 1);
        TRY(add_item(tx, 13));
        break;
    case FIRST_REFUSED:
        assert_int_equal(add_item(tx, 1), ERR_CONFLICT);
        return ERR_FORBIDDEN;
    case FIRST_KINDS:
        break;
    }
    return ERR_FORBIDDEN;
}

static enum err
nothing(struct db_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    return OK;
}

static void
test_first_statements(void **state)
{
    int64_t id = 1;
    (void)state;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    for (enum first f = FIRST_NONE; f < FIRST_KINDS; f++) {
        assert_int_equal(db_write(t.db, t.a, begin_with, &f), ERR_FORBIDDEN);
        assert_int_equal(count_now(t.db, &count_items), 1);
        assert_int_equal(db_write(t.db, t.a, nothing, NULL), OK);
        assert_int_equal(db_snapshot(t.db, t.a, nothing, NULL), OK);
    }
    id = 2;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(count_now(t.db, &count_items), 2);
}

/* More statements than a connection keeps prepared: the oldest are prepared anew, in whatever place of a
 * transaction the room ends. */
#define MORE_THAN_KEPT 2100

struct unlike {
    int64_t i, runs;
};

static enum err
unlike_all_before(struct db_tx *tx, void *arg)
{
    struct unlike *u = arg;
    struct str text = arena_fmt(db_tx_arena(tx), "SELECT %lld", (long long)u->i);
    struct sql q = SQL_READ(text.p);
    int64_t got = -1;
    u->runs++;
    TRY(db_query_int(tx, &q, NO_ARGS, &got));
    assert_int_equal(got, u->i);
    return u->i % 3 == 0 ? add_item(tx, u->i) : OK;
}

static void
test_more_statements_than_are_kept(void **state)
{
    struct unlike u = {0};
    (void)state;
    for (u.i = 0; u.i < MORE_THAN_KEPT; u.i++)
        assert_int_equal(db_write(t.db, t.a, unlike_all_before, &u), OK);
    assert_int_equal(u.runs, MORE_THAN_KEPT); /* none again for a statement that was not there */
    assert_int_equal(count_now(t.db, &count_items), MORE_THAN_KEPT / 3);
}

/* ---- many runs in one go ---- */

#define MANY_ROWS (2 * DB_MANY + 44) /* two whole parts and a rest */

struct many_case {
    int64_t twice;  /* this row's id is that of the first one, too; 0: none */
    int64_t nul_at; /* this row's name holds U+0000; 0: none */
    bool same;      /* a column's values are of one type */
};

/* Every third row without a name, every fifth without bytes, whole numbers as such: one statement, several types. */
static enum err
many_body(struct db_tx *tx, void *arg)
{
    const struct many_case *c = arg;
    const struct db_touch *touched = NULL;
    int64_t changed = -1;
    struct db_many *m = db_many_begin(tx, &insert_item, 5);
    for (int64_t i = 1; i <= MANY_ROWS; i++) {
        struct str name =
            i == c->nul_at ? str_mem("a\0b", 3) : arena_fmt(tx->arena, "name %lld", (long long)i);
        struct str data = arena_fmt(tx->arena, "%0*d", (int)(i * 13 % 700) + 1, 7);
        TRY(db_many_add(
            m, ARGS(V_INT(i == c->twice ? 1 : i), V_STR(i % 3 || i == c->nul_at ? name : STR_NULL),
                    i % 5 ? V_BYTES(data) : V_NULL,
                    i % 8 || c->same ? V_DOUBLE((double)i / 8) : V_INT(i / 8), V_INT(i % 2))));
    }
    TRY(db_many_end(m, &changed));
    assert_int_equal(changed, MANY_ROWS);
    assert_int_equal(db_tx_touched(tx, &touched), 1);
    assert_int_equal(touched[0].rows, MANY_ROWS);
    m = db_many_begin(tx, &insert_item, 5); /* nothing at all, and statements behind it */
    TRY(db_many_end(m, &changed));
    assert_int_equal(changed, 0);
    return add_item(tx, MANY_ROWS + 1);
}

static enum err
remove_items(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_WRITE("item", "DELETE FROM item");
    (void)arg;
    return db_exec(tx, &q, NO_ARGS, NULL);
}

static void
test_many(void **state)
{
    static const struct sql odd =
        SQL_READ("SELECT count(*) FROM item WHERE id <= 300 AND (name IS NULL) = (id % 3 = 0)"
                 " AND (data IS NULL) = (id % 5 = 0) AND num = id / 8.0 AND flag = id % 2"
                 " AND (data IS NULL OR length(data) = id * 13 % 700 + 1)");
    (void)state;
    for (int same = 0; same < 2; same++) {
        struct many_case plain = {.same = same};
        assert_int_equal(db_write(t.db, t.a, many_body, &plain), OK);
        assert_int_equal(count_now(t.db, &count_items), MANY_ROWS + 1);
        assert_int_equal(count_now(t.db, &odd), MANY_ROWS);
        assert_int_equal(db_write(t.db, t.a, remove_items, NULL), OK);
    }
}

static void
test_many_refused(void **state)
{
    (void)state;
    const int64_t at[] = {2, DB_MANY, DB_MANY + 1, MANY_ROWS};
    for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
        struct many_case twice = {.twice = at[i], .same = i % 2},
                         nul = {.nul_at = at[i], .same = i % 2};
        assert_int_equal(db_write(t.db, t.a, many_body, &twice), ERR_CONFLICT);
        assert_false(str_is_empty(db_last_error()));
        assert_int_equal(db_write(t.db, t.a, many_body, &nul), ERR_INVALID);
        assert_int_equal(count_now(t.db, &count_items), 0);
    }
    struct many_case plain = {0};
    assert_int_equal(db_write(t.db, t.a, many_body, &plain), OK);
}

/* ---- result sets ---- */

static enum err
nested_queries(struct db_tx *tx, void *arg)
{
    static const struct sql outer = SQL_READ("SELECT id FROM item ORDER BY id");
    static const struct sql inner = SQL_READ("SELECT name FROM item WHERE id = $1");
    struct db_rows *o = NULL, *i = NULL, *again = NULL;
    int64_t n = 0;
    (void)arg;
    TRY(db_query(tx, &outer, NO_ARGS, &o));
    enum err e;
    while ((e = db_next(o)) == OK) {
        n++;
        TRY(db_query_one(tx, &inner, ARGS(V_INT(db_int(o, 0))), &i));
        assert_true(str_eq(db_text(i, 0), arena_fmt(tx->arena, "name %lld", (long long)n)));
        if (n == 2) { /* the same statement once more, while it is open */
            TRY(db_query_one(tx, &outer, NO_ARGS, &again));
            assert_int_equal(db_int(again, 0), 1);
            db_rows_end(again);
        }
        db_rows_end(i);
    }
    assert_int_equal(e, ERR_END);
    assert_int_equal(n, 3);
    /* Left open: the transaction closes it. */
    return db_query_one(tx, &outer, NO_ARGS, &o);
}

static void
test_nested_queries(void **state)
{
    (void)state;
    for (int64_t id = 1; id <= 3; id++)
        assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(db_read(t.db, t.a, nested_queries, NULL), OK);
    assert_int_equal(db_write(t.db, t.a, nested_queries, NULL), OK);
}

/* ---- touch notes, commit check, hook ---- */

static enum err
touch_body(struct db_tx *tx, void *arg)
{
    static const struct sql bump =
        SQL_WRITE("item", "UPDATE item SET flag = flag + 1 WHERE id <= $1 RETURNING id");
    static const struct sql remove = SQL_WRITE("other", "DELETE FROM other WHERE id = $1");
    const struct db_touch *touched = NULL;
    struct db_rows *r = NULL;
    int64_t n = -1;
    (void)arg;
    assert_int_equal(db_tx_touched(tx, &touched), 0);
    assert_null(db_tx_user(tx));
    db_tx_set_user(tx, t.a);
    TRY(db_exec(tx, &remove, ARGS(V_INT(9)), &n));
    assert_int_equal(n, 0);
    assert_int_equal(db_tx_touched(tx, &touched), 0); /* nothing was changed */
    for (int64_t id = 1; id <= 3; id++)
        TRY(add_item(tx, id));
    TRY(db_query_one(tx, &bump, ARGS(V_INT(2)), &r)); /* ends early: both rows are changed */
    db_rows_end(r);
    TRY(db_exec(tx, &insert_other, ARGS(V_INT(1), V_INT(1), V_INT(0)), NULL));
    assert_int_equal(db_tx_touched(tx, &touched), 2);
    assert_string_equal(touched[0].table, "item");
    assert_int_equal(touched[0].rows, 5);
    assert_string_equal(touched[1].table, "other");
    assert_int_equal(touched[1].rows, 1);
    return OK;
}

static void
test_touch(void **state)
{
    static const struct sql bumped = SQL_READ("SELECT count(*) FROM item WHERE flag = 1");
    (void)state;
    assert_int_equal(db_write(t.db, t.a, touch_body, NULL), OK);
    assert_int_equal(count_now(t.db, &bumped), 2);
}

static enum err
add_covered(struct db_tx *tx, void *arg)
{
    db_tx_set_user(tx, arg);
    return add_one(tx, arg);
}

static void
count_up(void *arg)
{
    (*(int *)arg)++;
}

static void
test_commit_check(void **state)
{
    (void)state;
    int commits = 0;
    int64_t id = 1;
    db_set_commit_check(t.db, check_user);
    db_set_commit_hook(t.db, count_up, &commits);
    assert_int_equal(db_write(t.db, t.a, add_one, &id), ERR_FORBIDDEN);
    assert_int_equal(count_now(t.db, &count_items), 0);
    assert_int_equal(commits, 0);
    assert_int_equal(db_write(t.db, t.a, add_covered, &id), OK);
    assert_int_equal(count_now(t.db, &count_items), 1);
    assert_int_equal(commits, 1);
}

/* ---- reading ---- */

static enum err
sneaky_write(struct db_tx *tx, void *arg)
{
    /* Names no table, so only the store itself can refuse it. */
    return db_script(tx, arg);
}

static void
test_read_only(void **state)
{
    (void)state;
    char text[] = "INSERT INTO item (id) VALUES (1)";
    assert_int_not_equal(db_read(t.db, t.a, sneaky_write, text), OK);
    assert_int_equal(count_now(t.db, &count_items), 0);
}

/* ---- sequences ---- */

static enum err
sequence_body(struct db_tx *tx, void *arg)
{
    int64_t *out = arg;
    TRY(db_sequence(tx, "user", &out[0]));
    TRY(db_sequence(tx, "user", &out[1]));
    return db_sequence(tx, "job", &out[2]);
}

static void
test_sequence(void **state)
{
    (void)state;
    int64_t a[3] = {0}, b[3] = {0};
    db_set_commit_check(t.db, check_user); /* sequences are no table anyone answers for */
    assert_int_equal(db_write(t.db, t.a, sequence_body, a), OK);
    assert_int_equal(a[0], 1);
    assert_int_equal(a[1], 2);
    assert_int_equal(a[2], 1);
    assert_int_equal(db_write(t.db, t.a, sequence_body, b), OK);
    assert_int_equal(b[0], 3);
}

/* ---- files ---- */

static void
test_copy(void **state)
{
    (void)state;
    int64_t id = 1, used = -1, free_bytes = -1, total = -1;
    struct str path = arena_fmt(t.a, "%s/copy.db", t.dir);
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    db_space(t.db, &used, &free_bytes, &total);
    if (t.kind == DB_POSTGRES) {
        assert_int_equal(db_copy_to(t.db, t.a, path), ERR_INVALID);
        assert_int_equal(used + free_bytes + total, 0);
        return;
    }
    assert_true(used > 0 && free_bytes > 0 && total >= free_bytes);
    assert_int_equal(db_copy_to(t.db, t.a, path), OK);
    assert_int_equal(db_copy_to(t.db, t.a, path), ERR_CONFLICT);
    struct db *copy = NULL;
    struct str why;
    assert_int_equal(db_open_file(t.a, path, NULL, true, 1, &copy, &why), OK);
    assert_int_equal(count_now(copy, &count_items), 1);
    assert_int_equal(db_write(copy, t.a, add_one, &id), ERR_UNAVAILABLE);
    db_close(copy);
}

/* ---- defects abort ---- */

static enum err
nested_write(struct db_tx *tx, void *arg)
{
    (void)tx;
    return db_write(t.db, t.a, add_one, arg);
}

static enum err
write_in_read(struct db_tx *tx, void *arg)
{
    return add_one(tx, arg);
}

static enum err
unnamed_table(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_READ("DELETE FROM item");
    (void)arg;
    return db_exec(tx, &q, NO_ARGS, NULL);
}

static enum err
many_reads(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_many_end(db_many_begin(tx, &count_items, 0), NULL);
}

static enum err
many_of_another_width(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_many_add(db_many_begin(tx, &insert_item, 5), ARGS(V_INT(1)));
}

static bool
aborts(enum err (*run)(struct db *, struct arena *, db_body, void *), db_body body)
{
    pid_t pid = fork();
    if (pid == 0) {
        int64_t id = 1;
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(9);
        (void)!run(t.db, t.a, body, &id);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
test_bugs(void **state)
{
    (void)state;
    assert_true(aborts(db_write, nested_write));
    assert_true(aborts(db_read, nested_write));
    assert_true(aborts(db_read, write_in_read));
    assert_true(aborts(db_write, many_reads));
    assert_true(aborts(db_write, many_of_another_width));
    if (t.kind == DB_SQLITE) /* PostgreSQL does not say whether a statement writes */
        assert_true(aborts(db_write, unnamed_table));
}

static void
test_counter(void **state)
{
    (void)state;
    uint64_t before = db_statement_count();
    count_now(t.db, &count_items);
    assert_int_equal(db_statement_count() - before, 1);
}

/* ---- the suite ---- */

#define SUITE(store)                                                                               \
    {                                                                                              \
        CASE(test_types, store), CASE(test_expressions, store), CASE(test_null_first, store),      \
            CASE(test_nul_refused, store), CASE(test_refusals, store), CASE(test_rollback, store), \
            CASE(test_first_statements, store), CASE(test_more_statements_than_are_kept, store),   \
            CASE(test_many, store), CASE(test_many_refused, store),                                \
            CASE(test_nested_queries, store), CASE(test_touch, store),                             \
            CASE(test_commit_check, store), CASE(test_read_only, store),                           \
            CASE(test_sequence, store), CASE(test_copy, store), CASE(test_bugs, store),            \
            CASE(test_counter, store)                                                              \
    }

int
main(void)
{
    const struct CMUnitTest sqlite[] = SUITE(sqlite);
    const struct CMUnitTest postgres[] = SUITE(postgres);

    return run_suites(sqlite, postgres, sizeof(sqlite) / sizeof(sqlite[0]));
}
