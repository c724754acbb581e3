/* The table of common passwords: sorted FNV-1a hashes (str_hash) of folded words, made at build
 * time by tools/commonpw.py from packaged word lists. */
#ifndef RECOUNT_CORE_COMMONPW_H
#define RECOUNT_CORE_COMMONPW_H

#include <stddef.h>
#include <stdint.h>

extern const size_t commonpw_count;
extern const uint64_t commonpw_hashes[];

#endif
