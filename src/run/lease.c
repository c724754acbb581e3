/* Leases. Owns the table lease. */
#include "run/lease.h"

#include "base/clock.h"

static const struct sql take =
    SQL_WRITE("lease", "INSERT INTO lease (name, owner, until) VALUES ($5, $1, $2)"
                       " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner,"
                       " until = excluded.until WHERE lease.until < $3 OR lease.owner = $1"
                       " OR lease.until > $4");

enum err
lease_take(struct cx *cx, struct str name, struct str owner, int64_t for_us)
{
    int64_t got = 0, now = clock_now();

    TRY(db_exec(
        cx->tx, &take,
        ARGS(V_STR(owner), V_INT(now + for_us), V_INT(now), V_INT(now + 2 * for_us), V_STR(name)),
        &got));
    return got > 0 ? OK : ERR_CONFLICT;
}
