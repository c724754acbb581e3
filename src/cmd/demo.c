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

static bool
note_write(struct app *app, struct str password)
{
    int fd =
        open(arena_cstr(app->arena, note_path(app)), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, password.p, password.n) == (ssize_t)password.n && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static bool
note_read(struct app *app, struct str *password)
{
    char text[128];
    int fd = open(arena_cstr(app->arena, note_path(app)), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    *password = arena_str(app->arena, str_trim(str_mem(text, (size_t)n)));
    return true;
}

static const struct sql COUNT_TENANTS = SQL_READ("SELECT COUNT(*) FROM tenant");

static enum err
count_body(struct cx *cx, void *arg)
{
    return db_query_int(cx->tx, &COUNT_TENANTS, NO_ARGS, arg);
}

static struct demo_people *
people_of(struct app *app, struct str password)
{
    struct demo_people *p = arena_new(app->arena, struct demo_people);

    *p = (struct demo_people){S("ada@recount.example"), S("farid@recount.example"),
                              S("ben@recount.example"), password};
    return p;
}

bool
demo_fill(struct app *app, int days, struct demo_people **out)
{
    struct cx cx = cx_system(app, app->arena, "demonstration", NULL);
    struct str password, hash;
    int64_t n = 0;

    if (cx_read(&cx, count_body, &n) != OK)
        return refuse("%.*s", STR_ARG(cx.failure.message)), false;
    if (n > 0) {
        if (!note_read(app, &password))
            return refuse("--demo fills an empty folder only; this one holds a workspace"), false;
        *out = people_of(app, password);
        return true;
    }
    printf("Recording %d days of demonstration …\n", days);
    fflush(stdout);
    password = arena_str(app->arena, password_random(app->arena));
    if (password_hash(&cx, password, &hash) != OK || !demo_tell(app, days, hash) ||
        !note_write(app, password))
        return refuse("the demonstration could not be recorded; empty the folder and try again"),
               false;
    *out = people_of(app, password);
    return true;
}

void
demo_print(FILE *to, struct str url, const struct demo_people *p)
{
    fprintf(
        to,
        "\nRecount runs at  %.*s   (demonstration: this machine only; Ctrl-C ends it)\n\n"
        "  administrator  %.*s\n  tester         %.*s\n  auditor        %.*s\n  password       %.*s   (for all three)\n\n"
        "Three steps:\n"
        "  1. Sign in as the administrator, open Account Admin > Audit log. In a private window fail a\n"
        "     sign-in as the tester, and watch it appear.\n"
        "  2. Click Start date, choose Past 30 days, type: password. Who changed one last month?\n"
        "  3. Open an event: who, what, when, from where, before and after. Press Verify.\n\n",
        STR_ARG(url), STR_ARG(p->admin_email), STR_ARG(p->tester_email), STR_ARG(p->auditor_email),
        STR_ARG(p->password));
}
