/* recount migrate: brings the schema to this binary's version, and records that. */
#include "cmd/cmd.h"

#include <stdio.h>

#include "audit/audit.h"

int
cmd_migrate(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    const struct option_def defs[] = {CONFIG_OPTIONS(&c), {0}};
    struct app *app;

    if (!options_read(a, defs, &argc, argv) || argc != 0)
        return usage("migrate [--data DIR] [--database URL]");
    if (!config_finish(a, &c, STR_NULL))
        return 1;
    if (!app_open(a, &c, (struct open_want){.migrate = true, .create = true}, &app))
        return 1;
    if (audit_move_now(app) != OK)
        refuse(
            "the events of the migration are recorded but not yet placed; the server will do it");
    app_close(app);
    puts("The schema is up to date.");
    return 0;
}
