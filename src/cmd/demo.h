/* The demonstration workspace: people, clients and 160 days of history, recorded through the
 * ordinary code under a simulated clock that exists only while an empty folder is filled. */
#ifndef RECOUNT_CMD_DEMO_H
#define RECOUNT_CMD_DEMO_H

#include <stdbool.h>
#include <stdio.h>

#include "run/app.h"

#define DEMO_DAYS_MAX 400 /* --demo-days: beyond the usual ones twelve months of the log are kept */
#define DEMO_DAYS     160 /* before today: more than the log's window, so that a month has expired */

#define DEMO_ACCOUNTS                                                                              \
    3 /* an administrator, a tester and an auditor, in this order, to sign in as */
struct demo_account {
    struct str email, password;
};
struct demo_accounts {
    struct demo_account account[DEMO_ACCOUNTS];
};

/* Fills an empty store; an already filled demonstration is left alone and its sign-in read back from
 * DIR/demo.txt. Refuses (false, told) a store that holds anything else. */
bool demo_fill(struct app *app, int days, struct demo_accounts **out);
/* Records the days up to now in an empty store (demo_story.c); false: logged. */
bool demo_tell(struct app *app, int days, struct demo_accounts *out);
/* How to sign in, and the tour in three steps. */
void demo_print(FILE *to, struct str url, const struct demo_accounts *p);

#endif
