/* Shared by the files selfcheck*.c only. */
#ifndef RECOUNT_CORE_SELFCHECK_PRIV_H
#define RECOUNT_CORE_SELFCHECK_PRIV_H

#include "core/selfcheck.h"

/* The settings of the installation against its keys and its log; how many findings were told. */
int64_t selfcheck_instance(struct cx *cx, const struct selfcheck_tell *t);

#endif
