/* Shared by the files of the demonstration: who acts, what they can do, and the plan of a day. */
#ifndef RECOUNT_CMD_DEMO_PRIV_H
#define RECOUNT_CMD_DEMO_PRIV_H

#include "audit/audit.h"
#include "cmd/demo.h"
#include "core/session.h"
#include "core/user.h"

#define PEOPLE   8
#define CLIENTS  6
#define PLAN_MAX 256
#define STRANGER (-10)  /* who, and below: somebody from outside */
#define FUMBLE   (-100) /* who, and below: a person at his own browser who mistypes */

struct demo_person {
    const char *first, *last, *role;
    int joined; /* days after the beginning */
    int signs;  /* per cent of working days with a sign-in */
};
extern const struct demo_person demo_people[PEOPLE];
struct demo_client {
    const char *name, *poc, *email, *about;
    int since;
};
extern const struct demo_client demo_clients[CLIENTS];

struct demo;
struct act {
    struct demo *d;
    int who;  /* index of the acting person; below 0: nobody signed in */
    int whom; /* person or client acted on */
    const char *text;
};

struct planned {
    int64_t when;
    int who;
    cx_body body;
    int order;
    bool apart; /* not in a transaction of its own: a request, or a password to be hashed */
    struct act act;
};

struct demo {
    int days; /* before today */
    struct app *app;
    struct tenant_ref tenant;
    struct user user[PEOPLE];
    bool made[PEOPLE];
    /* What each person knows and what his browser keeps. */
    struct str password[PEOPLE], cookie[PEOPLE], device[PEOPLE], session[PEOPLE];
    int64_t signed_in[PEOPLE]; /* when */
    int64_t last;              /* moment of the act before */
    struct str secret[PEOPLE]; /* of the second factor, null: none */
    int64_t client[CLIENTS];
    int64_t begin, end;
    uint64_t dice; /* xorshift: the story is the same each time */
    bool failed;
    struct session_view rights;
    struct planned plan[PLAN_MAX];
    int n_plan;
};

/* A context at a moment: the simulated clock is what app_now() answers everywhere below. */
struct cx demo_cx(struct demo *d, struct arena *a, int64_t when, int who);
struct str demo_address(int who);
struct str demo_agent(int who);
/* Keeps a text as long as the demonstration is told. */
struct str demo_keep(struct demo *d, struct str s);

/* ---- acts inside a transaction (demo_acts.c); arg is a struct act ---- */
enum err do_tenant(struct cx *cx, void *arg);
enum err do_role(struct cx *cx, void *arg);
enum err do_role_grows(struct cx *cx, void *arg);
enum err do_tags(struct cx *cx, void *arg);
enum err do_client(struct cx *cx, void *arg);
enum err do_client_text(struct cx *cx, void *arg);
/* whom = client * 16 + person; text = role, NULL: taken off the client. */
enum err do_assign(struct cx *cx, void *arg);
enum err do_disable(struct cx *cx, void *arg);
enum err do_unlock(struct cx *cx, void *arg);
enum err do_sign_out(struct cx *cx, void *arg);

/* ---- acts apart: their functions have transactions of their own ---- */
enum err do_create_user(struct cx *cx, void *arg);
enum err do_password(struct cx *cx, void *arg);
/* Requests through the server's dispatch (demo_visit.c). */
enum err do_sign_in(struct cx *cx, void *arg);
enum err do_wrong_password(struct cx *cx, void *arg); /* whom: the name; text: another name */
enum err do_second_factor(struct cx *cx, void *arg);
enum err do_view(struct cx *cx, void *arg);
/* A colleague's link that leads where the person may not: the log, or a client that is not his. */
enum err do_denied(struct cx *cx, void *arg);

#endif
