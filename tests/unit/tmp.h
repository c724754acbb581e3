/* Where tests make their folders: in TMPDIR, or /tmp without one. tools/check.sh names a file system in memory where
 * there is room: fsync there takes no time, and no test here needs a disk that keeps what it was given, since
 * power is cut in a model of the disk (../fault/vfs.c). */
#ifndef TEST_TMP_H
#define TEST_TMP_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Makes a folder whose name begins with `name`; its path is in dir. */
static inline bool
temp_dir(char *dir, size_t size, const char *name)
{
    const char *in = getenv("TMPDIR");
    int n = snprintf(dir, size, "%s/%s.XXXXXX", in != NULL && *in != '\0' ? in : "/tmp", name);
    return n > 0 && (size_t)n < size && mkdtemp(dir) != NULL;
}

#endif
