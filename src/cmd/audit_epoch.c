/* recount audit new-epoch: after an older store was put back on purpose, every log goes on under a new
 * origin whose first record says so. The server must be stopped. `backup restore` does the same. */
#include <stdio.h>

#include "audit/proof.h"
#include "cmd/cmd.h"

int
audit_new_epoch(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    struct str reason = STR_NULL;
    const struct option_def defs[] = {CONFIG_OPTIONS(&c), {"reason", &reason, NULL}, {0}};
    struct app *app;

    if (!options_read(a, defs, &argc, argv) || argc != 0 || str_is_empty(str_trim(reason)))
        return usage("audit new-epoch --reason TEXT [--data DIR] [--database URL]");
    if (!config_finish(a, &c, STR_NULL) ||
        !app_open(a, &c, (struct open_want){.migrate = true, .accept_older = true}, &app))
        return 1;
    struct cx cx = command_cx(app, a, "audit new-epoch");
    if (audit_begin_epochs(&cx, reason) != OK || audit_move_now(app) != OK) {
        app_close(app);
        return refuse("the new epochs could not be begun: %.*s", STR_ARG(cx.failure.message));
    }
    app_close(app);
    printf("Each log goes on in a new epoch; its first record says what the old one held.\n");
    return 0;
}
