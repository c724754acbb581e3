/* Runs a fuzz target over its corpus, and then over seeded pseudo-random changes of it: so that what
 * fuzzing once found is an ordinary test, with every compiler and under the sanitizers.
 *
 *   replay_NAME DIRECTORY [CHANGES]      every file of the directory, then CHANGES changed inputs
 *                                        (RECOUNT_LONG: a hundred times as many)
 *   replay_NAME FILE                     that one input
 *
 * The changes are the same in every run; what was running when the process dies is written to
 * "found-NAME" in the present folder. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX  ((size_t)1 << 20) /* bytes of a file */
#define GROWN_MAX  ((size_t)8 << 10) /* bytes a changed input may grow to */
#define FILES_MAX  1024
#define STEPS_MAX  6 /* changes made to one input */
#define LONG_TIMES 100

struct input {
    uint8_t *p;
    size_t n;
};

static struct input corpus[FILES_MAX];
static size_t n_corpus;

/* ---- one input ---- */

static struct input running;
static char found[256];

/* Keeps the input that was running; async-signal-safe. */
static void
keep_running(void)
{
    static const char said[] = "replay: the input is kept in ";
    int fd = open(found, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, running.p, running.n) != (ssize_t)running.n ||
        write(STDERR_FILENO, said, sizeof said - 1) < 0 ||
        write(STDERR_FILENO, found, strlen(found)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
        _exit(99);
    close(fd);
}

static void
on_death(int sig)
{
    keep_running();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Present in a build with sanitizers only: called before a report ends the process. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*fn)(void));

static void
watch(const char *program)
{
    const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;

    if (strncmp(name, "replay_", 7) == 0)
        name += 7;
    snprintf(found, sizeof found, "found-%s", name);
    signal(SIGABRT, on_death);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(keep_running);
        return;
    }
    signal(SIGSEGV, on_death);
    signal(SIGBUS, on_death);
}

/* In memory of exactly its size, so that the sanitizers see a read behind its end. */
static void
run(const uint8_t *p, size_t n)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);

    if (exact == NULL)
        abort();
    if (n > 0)
        memcpy(exact, p, n);
    running = (struct input){exact, n};
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

/* ---- the corpus ---- */

static void
load(const char *path)
{
    FILE *f = fopen(path, "rbe");
    uint8_t *p = malloc(INPUT_MAX);
    size_t n;

    if (f == NULL || p == NULL || n_corpus == FILES_MAX) {
        fprintf(stderr, "replay: can not read %s\n", path);
        exit(1);
    }
    n = fread(p, 1, INPUT_MAX, f);
    fclose(f);
    corpus[n_corpus++] = (struct input){realloc(p, n > 0 ? n : 1), n};
}

static int
not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* In the order of names, so that each run makes the same changes. */
static void
load_all(const char *dir)
{
    struct dirent **names;
    int n = scandir(dir, &names, not_hidden, alphasort);
    char path[4096];

    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        load(path);
        free(names[i]);
    }
    if (n > 0)
        free(names);
}

/* ---- changes ---- */

static uint64_t seed = 1;

static size_t
below(size_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return n == 0 ? 0 : (size_t)(seed >> 33) % n;
}

/* Bytes that borders are made of. */
static uint8_t
odd_byte(void)
{
    static const char odd[] = "\0\x01\x7f\x80\xbf\xc0\xed\xf4\xff\t\r\n \"'\\,;:=&%+-./[]{}0189aZ";

    return below(4) == 0 ? (uint8_t)below(256) : (uint8_t)odd[below(sizeof odd - 1)];
}

static void
insert(struct input *in, size_t at, const uint8_t *p, size_t n)
{
    if (n > GROWN_MAX - in->n)
        n = GROWN_MAX - in->n;
    memmove(in->p + at + n, in->p + at, in->n - at);
    memmove(in->p + at, p, n);
    in->n += n;
}

static void
cut(struct input *in, size_t at, size_t n)
{
    memmove(in->p + at, in->p + at + n, in->n - at - n);
    in->n -= n;
}

/* A run of one byte, or a piece of some input of the corpus. */
static void
insert_piece(struct input *in, size_t at)
{
    static uint8_t piece[GROWN_MAX];
    const struct input *other = &corpus[below(n_corpus)];
    size_t from = below(other->n), n = below(below(other->n - from + 1) + 1);

    if (below(4) == 0)
        memset(piece, odd_byte(), n = below(300));
    else
        memcpy(piece, other->p + from, n = n < GROWN_MAX ? n : GROWN_MAX);
    insert(in, at, piece, n);
}

static void
change(struct input *in)
{
    size_t at = below(in->n);
    uint8_t c = odd_byte();

    switch (in->n == 0 ? 4 : below(10)) {
    case 0:
    case 1:
        in->p[at] ^= (uint8_t)(1u << below(8));
        break;
    case 2:
    case 3:
        in->p[at] = c;
        break;
    case 4:
    case 5:
        insert(in, at, &c, 1);
        break;
    case 6:
    case 7:
        insert_piece(in, at);
        break;
    case 8:
        cut(in, at, 1 + below(below(in->n - at)));
        break;
    default:
        in->n = at; /* ends early */
        break;
    }
}

static void
run_changed(size_t count)
{
    static uint8_t bytes[GROWN_MAX];

    for (size_t i = 0; i < count; i++) {
        const struct input *from = &corpus[below(n_corpus)];
        struct input in = {bytes, from->n < GROWN_MAX ? from->n : GROWN_MAX};

        memcpy(bytes, from->p, in.n);
        for (size_t steps = 1 + below(STEPS_MAX); steps > 0; steps--)
            change(&in);
        run(in.p, in.n);
    }
}

int
main(int argc, char **argv)
{
    size_t changes = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 0;
    struct stat st;

    if (argc < 2 || stat(argv[1], &st) != 0) {
        fprintf(stderr, "usage: %s DIRECTORY|FILE [CHANGES]\n", argv[0]);
        return 2;
    }
    watch(argv[0]);
    if (S_ISDIR(st.st_mode))
        load_all(argv[1]);
    else
        load(argv[1]);
    if (n_corpus == 0) {
        fprintf(stderr, "replay: %s holds no input\n", argv[1]);
        return 1;
    }
    if (getenv("RECOUNT_LONG") != NULL)
        changes *= LONG_TIMES;
    run(NULL, 0);
    for (size_t i = 0; i < n_corpus; i++)
        run(corpus[i].p, corpus[i].n);
    run_changed(changes);
    printf("%zu inputs and %zu changed ones\n", n_corpus, changes);
    for (size_t i = 0; i < n_corpus; i++)
        free(corpus[i].p);
    return 0;
}
