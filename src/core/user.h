/* People: creating, changing, disabling, deleting them, their roles, and reading them back. All
 * functions run inside cx->tx and record one event per affected user. The rules live here: nobody
 * grants a role or tier he does not hold, and the last enabled administrator can not be lost.
 * Commands and processes (no grants in cx) are bound by the second rule only. */
#ifndef RECOUNT_CORE_USER_H
#define RECOUNT_CORE_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/audit.h"
#include "codec/json.h"
#include "core/permission.h"
#include "run/cx.h"

#define USER_NAME_MAX  100
#define USER_EMAIL_MAX 254 /* RFC 5321 section 4.5.3.1.3 less the brackets */
#define USER_ROLES_MAX 16

struct user {
    int64_t tenant_id, user_id;
    struct str cuid, tenant_cuid, email, email_folded, first, last, provider, language;
    struct str password_hash; /* null: none set yet */
    bool disabled, default_group, mfa_enabled;
    int64_t locked_until, failed_logins, last_failed_login, last_login, activated_at;
    int64_t tier_id;                    /* 0: none */
    struct str mfa_secret, mfa_pending; /* sealed; null: none */
    int64_t mfa_last_step, created_at, updated_at;
};

/* ERR_NOT_FOUND (with words) when there is none such in the tenant of cx. */
MUST_CHECK enum err user_get(struct cx *cx, int64_t user_id, struct user *out);
MUST_CHECK enum err user_get_by_email(struct cx *cx, struct str email, struct user *out);
/* "12" or a cuid. */
MUST_CHECK enum err user_get_by_ref(struct cx *cx, struct str ref, struct user *out);
/* In any tenant (signing in); ERR_NOT_FOUND without words. */
MUST_CHECK enum err user_find_anywhere(struct cx *cx, struct str email_folded, struct user *out);
/* "Ann Archer (ann@example.org)". */
struct str user_label(struct arena *a, const struct user *u);
struct str user_full_name(struct arena *a, struct str first, struct str last);
struct str email_fold(struct arena *a, struct str email);
bool email_is_valid(struct str email);
/* An address that an account may have: valid, and without characters that are not seen or join others,
 * by which two accounts could look alike. */
bool email_is_unmistakable(struct arena *a, struct str email);
#define EMAIL_WANTED "an e-mail address, without invisible or combining characters"
/* Ways of signing in, by the interface's names; this version has the first (passwords) only. */
#define PROVIDERS            "plextrac okta google azure openid_connect"
#define PROVIDER_UNAVAILABLE "This provider is not available in this version"
bool provider_is_known(struct str provider);
bool provider_is_available(struct str provider);
/* An entry about the user: target filled. */
struct audit_entry user_entry(struct cx *cx, const struct user *u, enum event ev, struct str text);
/* Acts as this user from here on (sign-in, one-time link): fills cx->tenant and cx->actor. */
void user_act_as(struct cx *cx, const struct user *u);

struct roles; /* core/role.h */

/* ---- changing ---- */
struct user_spec {
    struct str email, first, last;
    struct str role;          /* key, cuid or title; null: STD_USER */
    const struct json *roles; /* array of such instead; NULL: role */
    struct str provider;      /* null: plextrac */
    struct str tier;          /* id or name; null or empty: none */
    struct str password_hash; /* null: none yet, a link is to be sent */
    bool default_group;
    struct str pointer;      /* "/0" before field names in refusals */
    const struct roles *all; /* read once for many users; NULL: read for this one */
};
MUST_CHECK enum err user_create(struct cx *cx, const struct user_spec *s, struct user *out);

struct user_update {
    struct str first, last, provider; /* null: unchanged */
    const struct json *roles;         /* array of keys, cuids or titles; NULL: unchanged */
    int default_group;                /* −1 unchanged, 0, 1 */
    bool has_tier;
    struct str tier; /* with has_tier; empty: none */
};
MUST_CHECK enum err user_change(struct cx *cx, struct user *u, const struct user_update *c);
MUST_CHECK enum err user_set_disabled(struct cx *cx, struct user *u, bool disabled);
/* browsers: also what is locked and counted on the browsers known for him (device.h). */
MUST_CHECK enum err user_unlock(struct cx *cx, struct user *u, bool browsers);
MUST_CHECK enum err user_delete(struct cx *cx, struct user *u);
/* Sets the password and ends sessions but `keep`; `by_other` chooses the event, `how` its sentence. */
MUST_CHECK enum err user_set_password(struct cx *cx, struct user *u, struct str hash, bool by_other,
                                      struct str keep, const char *how);
/* Ends the user's sessions but `keep`, with an event when there were any; `how` ends its sentence. */
MUST_CHECK enum err user_end_sessions(struct cx *cx, struct user *u, struct str keep,
                                      const char *how, int64_t *ended);
MUST_CHECK enum err user_mfa_reset(struct cx *cx, struct user *u, bool by_other);

/* ---- roles (user_role.c; the rules of granting are role.h's) ---- */
struct role; /* core/role.h */
MUST_CHECK enum err user_role_pick(struct cx *cx, const struct roles *all, struct str name,
                                   struct str pointer, struct role *out);
/* By key, cuid, title or the words of CSV files ("admin", "standard user"); ERR_INVALID at pointer. */
MUST_CHECK enum err user_role_find(struct cx *cx, struct str name, struct str pointer,
                                   struct role *out);
/* Gives and takes roles so that the user has exactly these; events for each; losing one ends the
 * user's sessions. Refuses losing the last administrator. */
MUST_CHECK enum err user_roles_set(struct cx *cx, struct user *u, const struct role *roles,
                                   size_t n);
/* Keys of the user's roles joined by ','. */
MUST_CHECK enum err user_role_keys(struct cx *cx, const struct user *u, struct str *out);
/* A tier by id, cuid or name that the caller may give, or that the user has at present (0: none); id 0
 * for an empty text. The names of both, as events keep them: null where there is none. */
struct user_tier {
    int64_t id;
    struct str name, present;
};
MUST_CHECK enum err user_tier_find(struct cx *cx, struct str name, struct str pointer,
                                   int64_t present, struct user_tier *out);
/* Whether the caller may act on this user: no one acts on a user whose rights exceed his own. */
MUST_CHECK enum err user_actable(struct cx *cx, const struct user *u);

/* ---- reading (user_list.c) ---- */
#define USER_SORTS "lastName firstName email lastLogin createdAt flag"
struct user_query {
    int64_t offset, limit;
    struct str sort_by; /* of USER_SORTS; null: lastName. Else ERR_INVALID */
    bool descending;
    struct str filter; /* part of name or e-mail */
    struct str status; /* enabled disabled locked; null: any */
    struct str role;   /* key or cuid; null: any */
};
/* Writes the rows of the v2 list into an open array; *total is exact. */
MUST_CHECK enum err user_list(struct cx *cx, const struct user_query *q, struct json_writer *w,
                              int64_t *total);
/* The bare array of v1 view rows. */
MUST_CHECK enum err user_list_v1(struct cx *cx, struct json_writer *w);

#endif
