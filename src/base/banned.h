/* Force-included before every source file: banned functions become compile errors.
 *
 * The headers that declare them come first, so that the system's own use of the names is past when
 * they are poisoned. `rand` and `system` are ordinary words (a member `system` is fine), so these
 * two are declared unavailable instead. VLAs are refused by -Wvla. */
#ifndef RECOUNT_BASE_BANNED_H
#define RECOUNT_BASE_BANNED_H

#include <alloca.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <wchar.h>

/* Some of them are macros of the C library, depending on compiler and hardening. */
#undef alloca
#undef sprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strtok
#undef atoi
/* Use struct str, struct buf, arena_fmt; gmtime_r or civil_of; str_int64; fork and execve. */
#pragma GCC poison strcpy strcat sprintf strncpy strtok gmtime localtime atoi popen alloca

#if defined(__clang__) || __GNUC__ >= 12
extern int rand(void) __attribute__((unavailable("use rand_bytes")));
extern int system(const char *command) __attribute__((unavailable("use fork and execve")));
#endif

#endif
