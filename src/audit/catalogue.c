/* The catalogue of events: the table made from catalogue.def, and looking a name up. */
#include "audit/audit.h"
#include "audit/priv.h"

static const struct event_type types[EVENT_COUNT] = {
    [EVENT_NONE] = {"", "", "", "", "", 0, 0, true},
#define EVENT(id, ...) [EV_##id] = {__VA_ARGS__},
#include "audit/catalogue.def"
#undef EVENT
};

static const struct reason_row reasons[REASON_COUNT] = {
#define REASON(id, table, why) [REASON_##id] = {#id, table, why},
#include "audit/reasons.def"
#undef REASON
};

const struct event_type *
event_type(enum event e)
{
    return &types[(unsigned)e < EVENT_COUNT ? e : EVENT_NONE];
}

enum event
event_by_name(struct str name)
{
    if (name.n == 0)
        return EVENT_NONE;
    for (int i = 1; i < EVENT_COUNT; i++)
        if (str_eq(name, str_of(types[i].name)))
            return (enum event)i;
    return EVENT_NONE;
}

const struct reason_row *
reason_row(enum reason r)
{
    return &reasons[r];
}
