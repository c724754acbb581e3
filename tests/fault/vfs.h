/* An SQLite VFS for fault tests: every file behaves as on a machine that can lose its power or
 * whose disk can refuse a write. One instance in a process; not for use from several threads while faults
 * are being set. */
#ifndef RECOUNT_TESTS_FAULT_VFS_H
#define RECOUNT_TESTS_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

#define VFS_NAME "fault"

enum vfs_fault { VFS_FAIL_IOERR, VFS_FAIL_FULL };

/* Registers the VFS over the default one. */
void vfs_register(void);
/* Forgets all faults, counts and unsynced writes; the power is on. */
void vfs_reset(void);
/* The n-th write, truncation or fsync from now on fails (1: the next), and with `sticky` all after
 * it. 0: none. */
void vfs_fail_nth(int64_t n, enum vfs_fault how, bool sticky);
/* Whether the planned fault was met. */
bool vfs_failed(void);
/* Writes, truncations and fsyncs since vfs_reset(). */
int64_t vfs_operations(void);
/* The power goes after n more operations (0: never); what follows fails, as vfs_powercut(). */
void vfs_powercut_after(int64_t n, uint64_t seed);
/* Cuts the power: everything not yet fsynced is lost (seed 0), or any part of it, in any order
 * (other seeds). All further I/O fails until vfs_reset(). Close the store, reset, open it again. */
void vfs_powercut(uint64_t seed);
bool vfs_is_dark(void);

#endif
