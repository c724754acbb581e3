/* Randomness from the kernel (getrandom). Never fails: aborts when the kernel has none. */
#ifndef RECOUNT_BASE_RAND_H
#define RECOUNT_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *p, size_t n);
uint64_t rand_u64(void);
/* Uniform in [0, n); n > 0. */
uint64_t rand_below(uint64_t n);

#endif
