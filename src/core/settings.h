/* Settings of a workspace: one typed table with defaults and bounds, kept as text in `setting`.
 *
 * settings_get_* read inside cx->tx; an absent row is the default. settings_set() checks the value,
 * writes it and notes the change; settings_commit() records one SETTING_CHANGED for all of them with
 * before → after. Secrets are sealed with the key folder's secret and masked in events. */
#ifndef RECOUNT_CORE_SETTINGS_H
#define RECOUNT_CORE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/audit.h"
#include "run/cx.h"

enum setting {
#define SETTING(id, ...) SET_##id,
#include "core/settings.def"
#undef SETTING
    SETTING_COUNT
};

enum setting_kind { SETTING_INT, SETTING_BOOL, SETTING_WORD, SETTING_TEXT, SETTING_SECRET };

struct setting_info {
    const char *name;  /* "auth.mfa_required": the key in the store and in events */
    const char *title; /* for people */
    enum setting_kind kind;
    const char *fallback; /* the default, as stored */
    int64_t min, max;     /* INT: bounds; TEXT, SECRET: max is bytes */
    const char *words;    /* WORD: allowed values, space-separated */
};
const struct setting_info *setting_info(enum setting s);

/* SETTING_COUNT: none of this name. */
enum setting settings_by_name(struct str name);

/* The tenant of cx; false and 0 stand for false. */
MUST_CHECK enum err settings_get_int(struct cx *cx, enum setting s, int64_t *out);
MUST_CHECK enum err settings_get_bool(struct cx *cx, enum setting s, bool *out);
/* In cx->arena; a secret comes unsealed. */
MUST_CHECK enum err settings_get_str(struct cx *cx, enum setting s, struct str *out);
/* All at once for the given tenant, with one statement. */
struct settings {
    struct str value[SETTING_COUNT]; /* as stored */
};
MUST_CHECK enum err settings_load(struct cx *cx, int64_t tenant_id, struct settings *out);
int64_t settings_int(const struct settings *all, enum setting s);
bool settings_bool(const struct settings *all, enum setting s);
struct str settings_secret(struct cx *cx, const struct settings *all, enum setting s);

/* At start, before audit_start(): hands what holds for the whole installation (months of the log
 * that are kept) to whom it concerns. Own read transaction; an empty store has the defaults. */
MUST_CHECK enum err settings_apply_installation(struct cx *cx);

/* ---- changing ---- */
struct settings_change {
    struct audit_change v[SETTING_COUNT * 2 + 4]; /* a secret has two */
    size_t n;
};
/* `value` as text ("60", "true", "classes", …); pointer names the field in a refusal. No change, no write. */
MUST_CHECK enum err settings_set(struct cx *cx, struct settings_change *c, enum setting s,
                                 struct str value, struct str pointer);
/* Notes a change of something kept elsewhere (name of the workspace) for the same event. */
void settings_note(struct settings_change *c, struct str field, struct str before,
                   struct str after);
/* Records the event when anything changed. `what`: "authentication settings". */
MUST_CHECK enum err settings_commit(struct cx *cx, const struct settings_change *c,
                                    const char *what);

#endif
