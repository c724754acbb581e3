/* The event of a command that has read the log (audit_cmd.h). */
#include "cmd/audit_cmd.h"

static enum err
record_body(struct cx *cx, void *arg)
{
    return audit_record(cx, arg, NULL);
}

void
audit_note_reading(const struct cx *reader, const struct audit_entry *e)
{
    struct audit_entry entry = *e;
    struct app *app;
    bool done = false;

    if (app_open(reader->arena, &reader->app->config, (struct open_want){0}, &app)) {
        struct cx cx = *reader;

        cx.app = app;
        done = cx_write(&cx, record_body, &entry) == OK;
        if (done && audit_move_now(app) != OK)
            refuse("the event of this reading waits: a server will place it");
        app_close(app);
    }
    if (!done)
        refuse("this reading is not recorded in the log: the store can not be written");
}
