/* recount doctor: audits an installation and says what to do. Changes nothing. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "cmd/cmd.h"
#include "core/erasure_wal.h"
#include "core/settings.h"
#include "out/cosign.h"

struct doctor {
    int warnings, failures;
    int64_t tenants, admins, admins_with_mfa;
    bool mfa_required, mail;
    int64_t open_runs;
    struct policy *policy; /* NULL: no file, or a refused one */
    enum err policy_read;
    struct str policy_why;
    int64_t contradicting, failing; /* pairs of witness and log */
    struct erasure_wal wal;
    struct str wal_todo;
    int64_t erased; /* people erased within the last 30 days */
    int64_t late;   /* erasures that run for more than a day */
    int64_t now;
};

static const struct sql COUNT_TENANTS = SQL_READ("SELECT COUNT(*) FROM tenant");
static const struct sql COUNT_ADMINS = SQL_READ(
    "SELECT COUNT(*), COALESCE(SUM(u.mfa_enabled), 0) FROM user_account u JOIN user_role ur ON ur.tenant_id = u.tenant_id "
    "AND ur.user_id = u.user_id JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid "
    "WHERE u.tenant_id = $1 AND u.disabled = 0 AND r.key = 'ADMIN'");

/* Of the newest epochs: what stands against an older one is history. */
static const struct sql COUNT_WITNESSES = SQL_READ(
    "SELECT COUNT(*) FROM audit_witness w WHERE w.state = $1 AND w.witness = $2 AND NOT EXISTS "
    "(SELECT 1 FROM audit_head h WHERE h.tenant_id = w.tenant_id AND h.epoch > w.epoch)");

static const struct sql COUNT_ERASED =
    SQL_READ("SELECT COUNT(*) FROM audit_erasure_request WHERE state = 'done' AND ended_at >= $1");

static const struct sql COUNT_LATE =
    SQL_READ("SELECT COUNT(*) FROM audit_erasure_request WHERE state = 'running'"
             " AND coalesce(approved_at, due_at, asked_at) < $1");

static void
say(struct doctor *d, int level, const char *fmt, const char *detail)
{
    static const char *const mark[] = {"ok  ", "warn", "FAIL"};

    printf("%s  ", mark[level]);
    printf("%s%s\n", fmt, detail);
    d->warnings += level == 1;
    d->failures += level == 2;
}

static void
check_mode(struct doctor *d, struct arena *a, struct str path, const char *what)
{
    struct stat st;

    if (stat(arena_cstr(a, path), &st) != 0)
        say(d, 2, what, " is missing");
    else if (st.st_mode & 077)
        say(d, 2, what, " can be read by others (chmod 700)");
    else
        say(d, 0, what, " is readable by its owner only");
}

/* The policy as it lies there; what its witnesses say, as the servers have noted it. */
static enum err
look_at_witnesses(struct cx *cx, struct doctor *d, struct policy *p)
{
    const struct policy_witness *w;

    for (size_t i = 0, n = policy_witnesses(p, &w); i < n; i++) {
        struct str vkey = note_vkey(cx->arena, &w[i].key);
        int64_t against = 0, failing = 0;

        TRY(db_query_int(cx->tx, &COUNT_WITNESSES, ARGS(V_INT(WITNESS_CONTRADICTS), V_STR(vkey)),
                         &against));
        TRY(db_query_int(cx->tx, &COUNT_WITNESSES, ARGS(V_INT(WITNESS_FAILS), V_STR(vkey)),
                         &failing));
        d->contradicting += against;
        d->failing += failing;
    }
    return OK;
}

static enum err
look_at_erasures(struct cx *cx, struct doctor *d)
{
    d->now = cx->now;
    TRY(db_query_int(cx->tx, &COUNT_ERASED, ARGS(V_INT(cx->now - 30 * USEC_PER_DAY)), &d->erased));
    TRY(db_query_int(cx->tx, &COUNT_LATE, ARGS(V_INT(cx->now - USEC_PER_DAY)), &d->late));
    TRY(erasure_wal_read(cx, &d->wal));
    d->wal_todo = erasure_wal_todo(cx, &d->wal);
    return OK;
}

static enum err
look(struct cx *cx, void *arg)
{
    struct doctor *d = arg;
    struct db_rows *r;
    struct str host;

    if (d->policy != NULL)
        TRY(look_at_witnesses(cx, d, d->policy));
    TRY(look_at_erasures(cx, d));
    TRY(db_query_int(cx->tx, &COUNT_TENANTS, NO_ARGS, &d->tenants));
    if (d->tenants == 0)
        return OK;
    TRY(db_query_one(cx->tx, &COUNT_ADMINS, ARGS(V_INT(cx->tenant.id)), &r));
    d->admins = db_int(r, 0);
    d->admins_with_mfa = db_int(r, 1);
    db_rows_end(r);
    TRY(settings_get_bool(cx, SET_MFA_REQUIRED, &d->mfa_required));
    TRY(settings_get_str(cx, SET_EMAIL_HOST, &host));
    d->mail = !str_is_empty(host);
    return OK;
}

static void
check_space(struct doctor *d, struct app *app)
{
    int64_t used, left, total;
    char text[64];

    db_space(app->db, &used, &left, &total);
    if (total <= 0)
        return;
    snprintf(text, sizeof text, "%lld %% full", (long long)((total - left) * 100 / total));
    say(d,
        (total - left) * 10 / total >= 9  ? 2
        : (total - left) * 4 / total >= 3 ? 1
                                          : 0,
        "The disk of the store is ", text);
}

static void
report_witnesses(struct doctor *d, struct arena *a)
{
    const struct policy_witness *w;
    size_t n = d->policy != NULL ? policy_witnesses(d->policy, &w) : 0;

    if (d->policy_read == ERR_NOT_FOUND || (d->policy != NULL && n == 0))
        say(d, 1, "Witnesses", ": none; who holds this server can rewrite its log unnoticed");
    else if (d->policy == NULL)
        say(d, 2,
            "The policy of witnesses (" COSIGN_FILE ") is refused: ", arena_cstr(a, d->policy_why));
    else if (d->contradicting > 0)
        say(d, 2, "Witnesses", ": one contradicts a log; see the page Witnesses");
    else if (d->failing > 0)
        say(d, 1, "Witnesses", ": one does not cosign a log; see the page Witnesses");
    else
        say(d, 0, "Witnesses", ": none fails or contradicts a log");
}

/* What an erasure leaves to be done outside of the store. */
static void
report_erasures(struct doctor *d, struct arena *a)
{
    if (d->erased > 0)
        say(d, 1, "Erasures",
            arena_cstr(a, arena_fmt(a,
                                    ": %lld within 30 days; delete the backups of before, and tell "
                                    "those who have exports (each request lists them)",
                                    (long long)d->erased)));
    if (d->late > 0)
        say(d, 2, "Erasures",
            arena_cstr(
                a,
                arena_fmt(a,
                          ": %lld run for more than a day; the server's log says why "
                          "(erasure.failed, audit.scrub_waits: a transaction that was left open)",
                          (long long)d->late)));
    if (d->wal.due_since == 0)
        return;
    say(d, d->now - d->wal.due_since > ERASURE_WAL_US ? 2 : 1, "The write-ahead log ",
        arena_cstr(a, arena_fmt(a, "may hold what was erased until %.*s. %.*s",
                                STR_ARG(time_iso(a, d->wal.due_since)), STR_ARG(d->wal_todo))));
}

static void
report(struct doctor *d, struct app *app)
{
    const struct config *c = &app->config;

    check_space(d, app);
    report_witnesses(d, app->arena);
    report_erasures(d, app->arena);
    if (d->tenants == 0) {
        say(d, 1, "No workspace yet", ": start the server and follow the set-up link");
        return;
    }
    say(d,
        d->admins == 0   ? 2
        : d->admins == 1 ? 1
                         : 0,
        "Administrators",
        d->admins == 0   ? ": none is enabled"
        : d->admins == 1 ? ": only one; make a second"
                         : ": two or more");
    say(d, d->admins_with_mfa < d->admins ? 1 : 0, "Second factor",
        d->admins_with_mfa < d->admins ? ": an administrator has none"
                                       : ": every administrator has one");
    say(d, d->mfa_required ? 0 : 1, "Policy",
        d->mfa_required ? ": a second factor is demanded" : ": a second factor is not demanded");
    say(d, d->mail ? 0 : 1, "Mail",
        d->mail ? ": a server is set" : ": no server is set; links must be copied by hand");
    say(d, str_has_prefix(c->public_url, S("https://")) || !str_is_empty(c->tls_cert) ? 0 : 1,
        "Encryption",
        str_has_prefix(c->public_url, S("https://")) || !str_is_empty(c->tls_cert)
            ? ": TLS or an https public address"
            : ": neither TLS nor an https public address is set");
}

static int
sum_up(const struct doctor *d)
{
    printf("\n%d failures, %d warnings\n", d->failures, d->warnings);
    return d->failures ? 1 : 0;
}

int
cmd_doctor(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    const struct option_def defs[] = {CONFIG_OPTIONS(&c), {"public-url", &c.public_url, NULL}, {0}};
    struct doctor d = {0};
    struct app *app;
    struct cx cx;

    if (!options_read(a, defs, &argc, argv) || argc != 0)
        return usage("doctor [--data DIR] [--database URL]");
    if (!config_finish(a, &c, STR_NULL))
        return 1;
    /* Before the store is opened: of folders that others can read it would not be. */
    if (geteuid() == 0)
        say(&d, 1, "Run as root", ": use a user of its own");
    check_mode(&d, a, c.data_dir, "The data folder");
    check_mode(&d, a, c.keys_dir, "The key folder");
    fflush(stdout);
    if (!app_open(a, &c, (struct open_want){.read_only = true}, &app)) {
        say(&d, 2, "The store can not be opened", "");
        return sum_up(&d);
    }
    cx = command_cx(app, a, "doctor");
    d.policy_read = cosign_read(a, c.data_dir, &d.policy, &d.policy_why);
    if (command_tenant(&cx, 0) != OK)
        fail_clear(&cx);
    if (cx_read(&cx, look, &d) != OK)
        say(&d, 2, "The store can not be read", "");
    report(&d, app);
    app_close(app);
    return sum_up(&d);
}
