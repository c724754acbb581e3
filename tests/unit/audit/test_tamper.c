/* Random bytes of a SQLite store, with erased events, legal holds and an announced retention in it, are
 * changed, one at a time, and a child process reads the log: lists, searches, export, proofs, holds; and verifies it, deep. A change that alters anything that is read, or makes the store
 * unreadable, must be found; a change that is not found must alter nothing. No change may crash or hang.
 *
 *   RECOUNT_LONG=1      10,000 changes, else 150
 *   RECOUNT_CHANGES=N   so many
 *   RECOUNT_SEED=N      other ones */
#include <fcntl.h>
#include <sys/stat.h>

#include "tamper_support.h"

#define FEW    150
#define EVENTS 420

/* ---- the store ---- */

static struct {
    char path[400], wal[400], shm[400];
    int64_t size;
} files[16];
static size_t n_files;
static int64_t n_bytes;

static void
add_files(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *f;
    struct stat st;
    assert_non_null(d);
    while ((f = readdir(d)) != NULL) {
        struct str name = str_of(f->d_name);
        if (!str_has_suffix(name, S(".db")) || n_files == sizeof files / sizeof files[0])
            continue;
        snprintf(files[n_files].path, sizeof files[0].path, "%s/%s", dir, f->d_name);
        snprintf(files[n_files].wal, sizeof files[0].wal, "%s/%s-wal", dir, f->d_name);
        snprintf(files[n_files].shm, sizeof files[0].shm, "%s/%s-shm", dir, f->d_name);
        assert_int_equal(stat(files[n_files].path, &st), 0);
        files[n_files].size = st.st_size;
        n_bytes += st.st_size;
        n_files++;
    }
    closedir(d);
}

/* What a reader leaves beside a file that it may not write. */
static void
remove_rests(void)
{
    for (size_t i = 0; i < n_files; i++) {
        (void)unlink(files[i].wal);
        (void)unlink(files[i].shm);
    }
}

static uint8_t
change_byte(size_t file, int64_t at, uint8_t bits)
{
    uint8_t b = 0;
    int fd = open(files[file].path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= bits;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
    return b;
}

/* Where rows lie that say what may leave the log: every third change aims at their neighbourhood. */
static struct spot {
    size_t file;
    int64_t at;
} spots[4096];
static size_t n_spots;

#define SPOT_BEFORE 60
#define SPOT_BYTES  240

static void
find_spots(void)
{
    static const char *const words[] = {"crequest00000000000000001", "7F3A9C21B0", "chold1",
                                        "chold2"};
    for (size_t f = 0; f < n_files; f++) {
        char *b = malloc((size_t)files[f].size);
        int fd = open(files[f].path, O_RDONLY | O_CLOEXEC);
        assert_non_null(b);
        assert_int_equal(pread(fd, b, (size_t)files[f].size, 0), files[f].size);
        close(fd);
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            for (char *p = b; n_spots < sizeof spots / sizeof spots[0]; p++) {
                p = memmem(p, (size_t)(b + files[f].size - p), words[w], strlen(words[w]));
                if (p == NULL)
                    break;
                spots[n_spots++] = (struct spot){f, p - b};
            }
        free(b);
    }
    assert_true(n_spots > 20);
}

static void
one_change(bool aimed)
{
    int64_t at = (int64_t)(next_random() % (uint64_t)n_bytes);
    uint8_t bits = (uint8_t)(next_random() % 255 + 1);
    struct seen o;
    size_t file = 0;
    for (; at >= files[file].size; file++)
        at -= files[file].size;
    if (aimed) {
        const struct spot *s = &spots[next_random() % n_spots];
        file = s->file;
        at = s->at - SPOT_BEFORE + (int64_t)(next_random() % SPOT_BYTES);
        at = at < 0 ? 0 : at < files[file].size ? at : files[file].size - 1;
    }
    change_byte(file, at, bits);
    bool ended = in_child(&o);
    change_byte(file, at, bits);
    remove_rests();
    judge(&o, ended,
          text("%s, byte %lld ^ %02x", strrchr(files[file].path, '/') + 1, (long long)at, bits));
}

static void
every_change_is_found_or_harmless(void **unused)
{
    char dir[128];
    int64_t n = changes_wanted(FEW, UINT64_C(20261125));
    (void)unused;
    make_store(EVENTS);
    snprintf(dir, sizeof dir, "%s/audit", t.dir);
    add_files(t.dir);
    add_files(dir);
    assert_int_equal(n_files, 6);
    find_spots();
    look_at_untouched();
    remove_rests();
    for (int64_t i = 0; i < n; i++)
        one_change(i % 3 == 0);
    print_message(
        "%lld changes of %lld bytes in %zu files: %lld found, %lld changed nothing that is read\n",
        (long long)n, (long long)n_bytes, n_files, (long long)n_found, (long long)n_harmless);
    assert_true(n_found > n / 20); /* it is the log that was hit */
    open_store();
    open_log();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        every_change_is_found_or_harmless, begin_sqlite, end_signed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
