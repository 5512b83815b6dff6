/*
 * faulty_vfs.h - SQLite's file system with a fault in it, for the crash suite.
 * faulty_vfs_register is called by main before any database is opened; what it counts may be
 * written on any thread.
 *
 * The environment decides:
 *   CRASH_SQLITE=KIND:N[:on]  the Nth call that can fail so does: io (a write, nothing of it is on
 *                             disk), full (a write, the first half is on disk) or sync. With :on
 *                             every later one fails as well.
 *   CRASH_SQLITE_LOG=FILE     a line "N KIND NAME" for every call that was counted; what can be
 *                             io can be full
 * Counted is from faulty_vfs_arm on, writes and syncs apart.
 */
#ifndef MOUNTMAIL_TESTS_FAULTY_VFS_H
#define MOUNTMAIL_TESTS_FAULTY_VFS_H

/* Makes it the default one. Ends the program when that cannot be done. */
void faulty_vfs_register(void);
void faulty_vfs_arm(void);

#endif
