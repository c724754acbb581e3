/* Trust policies (C2SP tlog-policy): which logs, which witnesses, and how many of them make a
 * checkpoint one to rely on. One pass over the lines; a name is used only behind its definition, so
 * that groups can not go in circles. */
#include "audit/note_priv.h"
#include "base/text.h"

#define KEY_ML_DSA_44   0x06 /* taken, and never satisfied: no library of ours checks it */
#define WORDS_MAX       (POLICY_NAMES_MAX + 3)
#define SHOWN_MAX       80             /* bytes of a name in a message */
#define QUORUM_TEXT_MAX ((size_t)1000) /* bytes after which a quorum is told no further */

/* A witness or a group. */
struct named {
    struct str name;
    bool is_member; /* of some group: only once, so that each witness counts in one way */
    bool is_group;
    size_t witness;  /* which one */
    size_t k, n;     /* of the group: k of n */
    size_t *members; /* indices of earlier ones */
};

struct policy {
    struct note_key *logs;
    struct policy_witness *witnesses;
    struct named *named;
    size_t n_logs, n_witnesses, n_named;
    bool has_quorum;
    bool any_quorum; /* "none": no cosignature is asked for */
    size_t quorum;
};

struct parse {
    struct arena *a;
    struct policy *p;
    size_t line;
    struct str words[WORDS_MAX];
    size_t n;
    struct str *why;
};

/* ---- messages ---- */

static enum err
bad(const struct parse *p, struct str what)
{
    *p->why = arena_fmt(p->a, "line %zu: %.*s", p->line, STR_ARG(what));
    return ERR_INVALID;
}

/* A word of the file as a message may show it. */
static struct str
shown(struct arena *a, struct str word)
{
    struct buf *b = buf_in(a, SHOWN_MAX * 10);

    if (!utf8_is_valid(word))
        return S("(not UTF-8)");
    buf_char(b, '"');
    text_visible(b, utf8_cut(word, SHOWN_MAX));
    buf_cstr(b, word.n > SHOWN_MAX ? "…\"" : "\"");
    return buf_view(b);
}

static enum err
bad_word(const struct parse *p, struct str word, const char *what)
{
    struct str s = shown(p->a, word);

    return bad(p, arena_fmt(p->a, "%.*s %s", STR_ARG(s), what));
}

/* ---- lines ---- */

/* Tab, newline, printable ASCII, and anything beyond ASCII. */
static bool
octets_are_allowed(struct str line)
{
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Into words; false: too many. */
static bool
split(struct parse *p, struct str line)
{
    p->n = 0;
    for (size_t i = 0, from; i < line.n;) {
        while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
            i++;
        for (from = i; i < line.n && line.p[i] != ' ' && line.p[i] != '\t';)
            i++;
        if (i == from)
            break;
        if (p->n == WORDS_MAX)
            return false;
        p->words[p->n++] = str_sub(line, from, i - from);
    }
    return true;
}

static size_t
find(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->n_named; i++)
        if (str_eq(p->named[i].name, name))
            return i;
    return SIZE_MAX;
}

/* The next free entry for a new name. */
static enum err
define(struct parse *p, struct str name, struct named **out)
{
    if (str_eq(name, S("none")))
        return bad(p, S("\"none\" can not be defined"));
    if (find(p->p, name) != SIZE_MAX)
        return bad_word(p, name, "is defined already");
    if (p->p->n_named == POLICY_NAMES_MAX)
        return bad(p, S("too many witnesses and groups"));
    *out = &p->p->named[p->p->n_named];
    (*out)->name = name;
    return OK;
}

static bool
same_key(const struct note_key *x, const struct note_key *y)
{
    if (str_is_null(x->other) != str_is_null(y->other))
        return false;
    return str_is_null(x->other)
               ? str_eq(str_mem(x->pub, sizeof(x->pub)), str_mem(y->pub, sizeof(y->pub)))
               : str_eq(x->other, y->other);
}

static enum err
key(struct parse *p, struct str word, uint8_t type, struct note_key *out)
{
    struct note_key k;

    if (note_vkey_parse(p->a, word, &k) != OK)
        return bad_word(p, word, "is no verifier key");
    if (k.type != type && k.type != KEY_ML_DSA_44)
        return bad(p,
                   arena_fmt(p->a, "a key of type %u, where one of type %u belongs", k.type, type));
    *out = k;
    return OK;
}

static struct str
url(const struct parse *p, size_t word)
{
    struct str u = p->n > word ? p->words[word] : STR_NULL;

    while (u.n > 0 && u.p[u.n - 1] == '/')
        u.n--;
    return u;
}

/* log <vkey> [<url>] */
static enum err
log_line(struct parse *p)
{
    struct policy *to = p->p;
    struct note_key k;

    if (p->n < 2 || p->n > 3)
        return bad(p, S("a log is \"log <key> [<address>]\""));
    TRY(key(p, p->words[1], NOTE_ED25519, &k));
    for (size_t i = 0; i < to->n_logs; i++)
        if (same_key(&to->logs[i], &k))
            return bad_word(p, k.name, "has the key of an earlier log");
    if (to->n_logs == POLICY_NAMES_MAX)
        return bad(p, S("too many logs"));
    to->logs[to->n_logs++] = k;
    return OK;
}

/* witness <name> <vkey> [<url>] */
static enum err
witness_line(struct parse *p)
{
    struct policy *to = p->p;
    struct named *as;
    struct note_key k;

    if (p->n < 3 || p->n > 4)
        return bad(p, S("a witness is \"witness <name> <key> [<address>]\""));
    TRY(define(p, p->words[1], &as));
    TRY(key(p, p->words[2], NOTE_COSIGNER, &k));
    for (size_t i = 0; i < to->n_witnesses; i++)
        if (same_key(&to->witnesses[i].key, &k))
            return bad_word(p, as->name, "has the key of an earlier witness");
    as->witness = to->n_witnesses;
    to->witnesses[to->n_witnesses++] = (struct policy_witness){as->name, k, url(p, 3)};
    to->n_named++;
    return OK;
}

static enum err
threshold(struct parse *p, struct str word, size_t n, size_t *out)
{
    int64_t k;

    if (str_eq(word, S("all")))
        k = (int64_t)n;
    else if (str_eq(word, S("any")))
        k = 1;
    else if (note_decimal(word, &k) != OK || k < 1 || k > (int64_t)n)
        return bad_word(p, word, "is neither \"all\" nor \"any\" nor a number of members");
    *out = (size_t)k;
    return OK;
}

/* group <name> <k>|all|any <name>... */
static enum err
group_line(struct parse *p)
{
    struct named *g;

    if (p->n < 4)
        return bad(p, S("a group is \"group <name> <number>|all|any <member>...\""));
    TRY(define(p, p->words[1], &g));
    g->is_group = true;
    g->n = p->n - 3;
    TRY(threshold(p, p->words[2], g->n, &g->k));
    g->members = arena_array(p->a, size_t, g->n);
    for (size_t i = 0; i < g->n; i++) {
        size_t member = find(p->p, p->words[3 + i]);

        if (member == SIZE_MAX)
            return bad_word(p, p->words[3 + i], "is not defined on an earlier line");
        if (p->p->named[member].is_member)
            return bad_word(p, p->words[3 + i], "is a member already");
        p->p->named[member].is_member = true;
        g->members[i] = member;
    }
    p->p->n_named++;
    return OK;
}

/* quorum <name> */
static enum err
quorum_line(struct parse *p)
{
    if (p->n != 2)
        return bad(p, S("a quorum is \"quorum <name>\""));
    if (p->p->has_quorum)
        return bad(p, S("a second quorum"));
    p->p->has_quorum = true;
    p->p->any_quorum = str_eq(p->words[1], S("none"));
    p->p->quorum = find(p->p, p->words[1]);
    if (!p->p->any_quorum && p->p->quorum == SIZE_MAX)
        return bad_word(p, p->words[1], "is not defined on an earlier line");
    return OK;
}

static enum err
one_line(struct parse *p, struct str line)
{
    static const struct {
        struct str word;
        enum err (*take)(struct parse *p);
    } kinds[] = {{S("log"), log_line},
                 {S("witness"), witness_line},
                 {S("group"), group_line},
                 {S("quorum"), quorum_line}};

    if (!octets_are_allowed(line))
        return bad(p, S("a control character"));
    if (str_has_prefix(str_trim(line), S("#")))
        return OK;
    if (!split(p, line))
        return bad(p, S("too many words"));
    if (p->n == 0)
        return OK;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_eq(p->words[0], kinds[i].word))
            return kinds[i].take(p);
    return bad_word(p, p->words[0], "is none of log, witness, group, quorum");
}

enum err
policy_parse(struct arena *a, struct str text, struct policy **out, struct str *why)
{
    struct policy *p = arena_new(a, struct policy);
    struct parse parse = {.a = a, .p = p, .why = why};
    struct str rest = text, line;

    if (text.n > POLICY_MAX) {
        *why = S("the policy is too long");
        return ERR_TOO_LARGE;
    }
    p->logs = arena_array(a, struct note_key, POLICY_NAMES_MAX);
    p->witnesses = arena_array(a, struct policy_witness, POLICY_NAMES_MAX);
    p->named = arena_array(a, struct named, POLICY_NAMES_MAX);
    while (str_cut(&rest, '\n', &line)) {
        parse.line++;
        TRY(one_line(&parse, line));
    }
    if (!p->has_quorum)
        return bad(&parse, S("the end, and no quorum is given"));
    *out = p;
    return OK;
}

size_t
policy_logs(const struct policy *p, const struct note_key **out)
{
    *out = p->logs;
    return p->n_logs;
}

size_t
policy_witnesses(const struct policy *p, const struct policy_witness **out)
{
    *out = p->witnesses;
    return p->n_witnesses;
}

/* ---- judging a checkpoint ---- */

struct judge {
    const struct policy *p;
    struct arena *a;
    const struct note *n;
    int64_t oldest;
    struct str *why;
};

static bool
refuse(const struct judge *j, const char *what, struct str name)
{
    struct str s = shown(j->a, name);

    *j->why = arena_fmt(j->a, "%s %.*s", what, STR_ARG(s));
    return false;
}

static bool
log_signed(const struct judge *j)
{
    struct checkpoint c;
    bool good = false;

    if (checkpoint_parse(j->n->text, &c) != OK) {
        *j->why = S("the note is no checkpoint");
        return false;
    }
    for (size_t i = 0; i < j->p->n_logs; i++) {
        enum note_verdict v = note_check(j->n, &j->p->logs[i], NULL);

        if (v == NOTE_BAD)
            return refuse(j, "a wrong signature of the log", j->p->logs[i].name);
        good = good || (v == NOTE_GOOD && str_eq(j->p->logs[i].name, c.origin));
    }
    return good || refuse(j, "no log of the policy has signed the checkpoint of", c.origin);
}

/* Which witnesses count; false: a signature is wrong. `missing` says of the others why not. */
static bool
witnessed(const struct judge *j, bool *counts, struct buf *missing)
{
    for (size_t i = 0; i < j->p->n_witnesses; i++) {
        const struct policy_witness *w = &j->p->witnesses[i];
        int64_t when = 0;
        enum note_verdict v = note_check(j->n, &w->key, &when);

        if (v == NOTE_BAD)
            return refuse(j, "a wrong cosignature of the witness", w->name);
        counts[i] = v == NOTE_GOOD && when >= j->oldest;
        if (!counts[i] && policy_quorum_names(j->p, i)) {
            buf_cstr(missing, missing->n > 0 ? ", " : "");
            buf_str(missing, shown(j->a, w->name));
            buf_cstr(missing, v == NOTE_GOOD ? " (too old)" : "");
        }
    }
    return true;
}

/* Members are defined in front of their groups: one pass settles all. */
bool
policy_quorum_is_met(const struct policy *p, struct arena *a, const bool *counts)
{
    bool *met = arena_array(a, bool, p->n_named + 1);

    for (size_t i = 0; i < p->n_named; i++) {
        const struct named *x = &p->named[i];
        size_t have = 0;

        for (size_t m = 0; m < x->n; m++)
            have += met[x->members[m]];
        met[i] = x->is_group ? have >= x->k : counts[x->witness];
    }
    return p->any_quorum || met[p->quorum];
}

/* Members have smaller numbers than their group, and are members of one only: so this ends. */
static bool
holds(const struct policy *p, size_t name, size_t witness)
{
    const struct named *x = &p->named[name];

    if (!x->is_group)
        return x->witness == witness;
    for (size_t m = 0; m < x->n; m++)
        if (holds(p, x->members[m], witness))
            return true;
    return false;
}

bool
policy_quorum_names(const struct policy *p, size_t witness)
{
    return !p->any_quorum && holds(p, p->quorum, witness);
}

static void
say_group(const struct policy *p, struct buf *b, size_t name)
{
    const struct named *x = &p->named[name];

    if (b->n > QUORUM_TEXT_MAX)
        return;
    text_visible(b, utf8_cut(x->name, SHOWN_MAX));
    if (!x->is_group)
        return;
    buf_fmt(b, " (%zu of %zu: ", x->k, x->n);
    for (size_t m = 0; m < x->n; m++) {
        if (b->n > QUORUM_TEXT_MAX)
            break;
        buf_cstr(b, m > 0 ? ", " : "");
        say_group(p, b, x->members[m]);
    }
    buf_cstr(b, b->n > QUORUM_TEXT_MAX ? "…)" : ")");
}

struct str
policy_quorum_text(const struct policy *p, struct arena *a)
{
    struct buf *b = buf_in(a, QUORUM_TEXT_MAX * 8);

    if (p->any_quorum)
        return S("none");
    say_group(p, b, p->quorum);
    return buf_view(b);
}

bool
policy_satisfied(const struct policy *p, struct arena *a, const struct note *n, int64_t oldest,
                 struct str *why)
{
    struct judge j = {p, a, n, oldest, why};

    return log_signed(&j) && policy_cosigned(p, a, n, oldest, why);
}

bool
policy_cosigned(const struct policy *p, struct arena *a, const struct note *n, int64_t oldest,
                struct str *why)
{
    struct judge j = {p, a, n, oldest, why};
    bool *counts = arena_array(a, bool, p->n_witnesses + 1);
    struct buf *missing = buf_in(a, POLICY_NAMES_MAX * (SHOWN_MAX * 10 + 32));
    struct str list;

    if (!witnessed(&j, counts, missing))
        return false;
    if (policy_quorum_is_met(p, a, counts))
        return true;
    list = buf_view(missing);
    *why = arena_fmt(a, "the quorum is not reached without %.*s", STR_ARG(list));
    return false;
}
