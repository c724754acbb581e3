/* Settings of a process: flags, then RECOUNT_* variables, then DIR/recount.conf, then defaults. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"

#define LINE_MAX_BYTES 4096

static const struct option_def *
find_option(const struct option_def *defs, struct str name)
{
    for (; defs->name; defs++) {
        if (str_eq(str_of(defs->name), name))
            return defs;
    }
    return NULL;
}

bool
options_read(struct arena *a, const struct option_def *defs, int *argc, char **argv)
{
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        struct str word = str_of(argv[i]), name;
        const struct option_def *d;
        size_t eq;

        if (!str_has_prefix(word, S("--"))) {
            argv[kept++] = argv[i];
            continue;
        }
        name = str_sub(word, 2, word.n);
        eq = str_index(name, '=');
        d = find_option(defs, eq == SIZE_MAX ? name : str_sub(name, 0, eq));
        if (!d) {
            refuse("unknown option %s", argv[i]);
            return false;
        }
        if (d->is_set) {
            *d->is_set = true;
        } else if (eq != SIZE_MAX) {
            *d->value = arena_str(a, str_sub(name, eq + 1, name.n));
        } else if (i + 1 < *argc) {
            *d->value = arena_str(a, str_of(argv[++i]));
        } else {
            refuse("%s wants a value", argv[i]);
            return false;
        }
    }
    *argc = kept;
    return true;
}

struct setting_row {
    const char *name;
    struct str *value;
};

static struct str
from_environment(struct arena *a, const char *name)
{
    char key[64];
    int n = snprintf(key, sizeof key, "RECOUNT_%s", name);

    for (int i = 8; i < n; i++)
        key[i] = name[i - 8] == '-' ? '_' : (char)toupper((unsigned char)name[i - 8]);
    return arena_str(a, str_of(getenv(key)));
}

/* Lines "name = value"; '#' begins a comment. */
static bool
from_file(struct arena *a, struct str dir, struct setting_row *rows)
{
    char line[LINE_MAX_BYTES];
    const char *path = arena_cstr(a, arena_fmt(a, "%.*s/recount.conf", STR_ARG(dir)));
    FILE *f = fopen(path, "re");
    int number = 0;

    if (!f)
        return true;
    while (fgets(line, sizeof line, f)) {
        struct str s = str_trim(str_of(line)), name;
        bool known = false;

        number++;
        if (str_is_empty(s) || s.p[0] == '#')
            continue;
        if (str_index(s, '=') == SIZE_MAX || !str_cut(&s, '=', &name)) {
            refuse("%s line %d: want \"name = value\"", path, number);
            fclose(f);
            return false;
        }
        for (struct setting_row *r = rows; r->name; r++) {
            if (str_eq(str_of(r->name), str_trim(name))) {
                known = true;
                if (str_is_null(*r->value))
                    *r->value = arena_str(a, str_trim(s));
            }
        }
        if (!known) {
            refuse("%s line %d: unknown setting", path, number);
            fclose(f);
            return false;
        }
    }
    fclose(f);
    return true;
}

bool
listen_read(struct arena *a, struct config *c, struct str listen)
{
    size_t colon = SIZE_MAX;
    int64_t port;

    for (size_t i = 0; i < listen.n; i++) {
        if (listen.p[i] == ':')
            colon = i;
    }
    if (colon == SIZE_MAX || str_int64(str_sub(listen, colon + 1, listen.n), &port) != OK ||
        port < 0 || port > 65535) {
        refuse("--listen wants ADDRESS:PORT");
        return false;
    }
    c->listen_host = str_sub(listen, 0, colon);
    if (str_has_prefix(c->listen_host, S("[")) && str_has_suffix(c->listen_host, S("]")))
        c->listen_host = str_sub(c->listen_host, 1, c->listen_host.n - 2);
    if (str_is_empty(c->listen_host))
        c->listen_host = S("0.0.0.0");
    c->listen_host = arena_str(a, c->listen_host);
    c->listen_port = (int)port;
    return true;
}

bool
config_finish(struct arena *a, struct config *c, struct str listen)
{
    struct setting_row rows[] = {
        {"keys", &c->keys_dir},
        {"database", &c->database},
        {"listen", &listen},
        {"tls-cert", &c->tls_cert},
        {"tls-key", &c->tls_key},
        {"trusted-proxy", &c->trusted_proxies},
        {"public-url", &c->public_url},
        {NULL, NULL},
    };

    if (str_is_null(c->data_dir))
        c->data_dir = from_environment(a, "data");
    if (str_is_null(c->data_dir))
        c->data_dir = S("./data");
    for (struct setting_row *r = rows; r->name; r++) {
        if (str_is_null(*r->value))
            *r->value = from_environment(a, r->name);
    }
    if (!from_file(a, c->data_dir, rows))
        return false;
    if (str_is_null(c->keys_dir))
        c->keys_dir = arena_fmt(a, "%.*s/keys", STR_ARG(c->data_dir));
    if (str_is_null(c->database))
        c->database = S("sqlite");
    if (str_is_null(listen))
        listen = S("127.0.0.1:8080");
    if (str_is_empty(c->tls_cert) != str_is_empty(c->tls_key)) {
        refuse("--tls-cert and --tls-key go together");
        return false;
    }
    while (str_has_suffix(c->public_url, S("/")))
        c->public_url.n--;
    return listen_read(a, c, listen);
}
