/* The keys by which names are sorted and found (text_key), kept beside the names: whoever writes a name writes
 * its key. Rows without one are of a program that knew none, here or on another server. */
#ifndef RECOUNT_CORE_NAMEKEYS_H
#define RECOUNT_CORE_NAMEKEYS_H

#include "run/cx.h"

/* Fills what is missing, in all workspaces; and keys of addresses that are composed now and were not. In
 * transactions of its own; cx is a process without a tenant. At the start and once a day. */
MUST_CHECK enum err namekeys_fill(struct cx *cx);

#endif
