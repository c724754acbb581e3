/* The demonstration of `recount serve --demo`: filled once (demo_story.c tells what), and how to
 * sign in. */
#include "cmd/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "core/password.h"

#define NOTE "demo.txt" /* how to sign in; in the data folder, mode 0600 */

/* ---- sign-in note ---- */

static struct str
note_path(struct app *app)
{
    return arena_fmt(app->arena, "%.*s/" NOTE, STR_ARG(app->config.data_dir));
}

/* A line for each account: e-mail, space, password. */
static bool
note_write(struct app *app, const struct demo_accounts *p)
{
    int fd =
        open(arena_cstr(app->arena, note_path(app)), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct buf *b = buf_in(app->arena, 4096);

    for (size_t i = 0; i < DEMO_ACCOUNTS; i++)
        buf_fmt(b, "%.*s %.*s\n", STR_ARG(p->account[i].email), STR_ARG(p->account[i].password));
    bool ok = fd >= 0 && write(fd, b->p, b->n) == (ssize_t)b->n && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static bool
note_read(struct app *app, struct demo_accounts *p)
{
    char text[1024];
    int fd = open(arena_cstr(app->arena, note_path(app)), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    struct str rest = str_mem(text, n > 0 ? (size_t)n : 0), line, email;

    if (fd >= 0)
        close(fd);
    for (size_t i = 0; i < DEMO_ACCOUNTS; i++) {
        if (!str_cut(&rest, '\n', &line) || !str_cut(&line, ' ', &email) || str_is_empty(line))
            return false;
        p->account[i] =
            (struct demo_account){arena_str(app->arena, email), arena_str(app->arena, line)};
    }
    return true;
}

static const struct sql COUNT_TENANTS = SQL_READ("SELECT COUNT(*) FROM tenant");

static enum err
count_body(struct cx *cx, void *arg)
{
    return db_query_int(cx->tx, &COUNT_TENANTS, NO_ARGS, arg);
}

bool
demo_fill(struct app *app, int days, struct demo_accounts **out)
{
    struct cx cx = cx_system(app, app->arena, "demonstration", NULL);
    struct demo_accounts *p = arena_new(app->arena, struct demo_accounts);
    int64_t n = 0;

    *out = p;
    if (cx_read(&cx, count_body, &n) != OK)
        return refuse("%.*s", STR_ARG(cx.failure.message)), false;
    if (n > 0) {
        if (!note_read(app, p))
            return refuse("--demo fills an empty folder only; this one holds a workspace"), false;
        return true;
    }
    printf("Recording %d days of demonstration …\n", days);
    fflush(stdout);
    if (!demo_tell(app, days, p) || !note_write(app, p))
        return refuse("the demonstration could not be recorded; empty the folder and try again"),
               false;
    return true;
}

void
demo_print(FILE *to, struct str url, const struct demo_accounts *p)
{
    static const char *const what[DEMO_ACCOUNTS] = {"administrator", "tester", "auditor"};

    fprintf(to,
            "\nRecount runs at  %.*s   (demonstration: this machine only; Ctrl-C ends it)\n\n"
            "  sign in as     e-mail                   password\n",
            STR_ARG(url));
    for (size_t i = 0; i < DEMO_ACCOUNTS; i++)
        fprintf(to, "  %-14s %-24.*s %.*s\n", what[i], STR_ARG(p->account[i].email),
                STR_ARG(p->account[i].password));
    fprintf(
        to,
        "\nThree steps:\n"
        "  1. Sign in as the administrator, open Account Admin > Audit log. In a private window fail a\n"
        "     sign-in as the tester, and watch it appear.\n"
        "  2. Click Start date, choose Past 30 days, type: password. Who changed one last month?\n"
        "  3. Open an event: who, what, when, from where, before and after. Press Verify.\n\n");
}
