#include "faulty_vfs.h"
#include <fcntl.h>
#include <mountmail/base/str.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct faulty_file {
	sqlite3_file base; /* first */
	const char
		*name; /* within its folder; borrowed: SQLite keeps it while the file is open */
	sqlite3_file *real; /* behind this struct */
};

static struct {
	bool sync;   /* fails, else writes do */
	bool half;   /* of a write */
	bool on;     /* and later ones */
	int code;    /* SQLITE_IOERR_WRITE, ... */
	uint64_t at; /* 0: never */
	int log;
} faulty = {.log = -1};

static atomic_bool faulty_armed;
static atomic_uint_fast64_t faulty_writes, faulty_syncs;

static sqlite3_file *faulty_real(sqlite3_file *file)
{
	return ((struct faulty_file *)file)->real;
}

/* Counts a call. Whether it is to fail. */
static bool faulty_hits(sqlite3_file *file, bool sync)
{
	const char *name = ((struct faulty_file *)file)->name;
	char line[128];
	uint64_t number;
	int len;

	if (!atomic_load(&faulty_armed))
		return false;
	number = atomic_fetch_add(sync ? &faulty_syncs : &faulty_writes, 1) + 1;
	len = snprintf(line, sizeof(line), "%llu %s %s\n", (unsigned long long)number,
		sync ? "sync" : "io", name ? name : "-");
	if (faulty.log >= 0 && write(faulty.log, line, (size_t)len) != len)
		abort(); /* without its log a test cannot be believed */
	return faulty.at && sync == faulty.sync &&
	       (number == faulty.at || (faulty.on && number > faulty.at));
}

static int faulty_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	sqlite3_file *real = faulty_real(file);

	if (!faulty_hits(file, false))
		return real->pMethods->xWrite(real, data, len, at);
	if (faulty.half)
		(void)real->pMethods->xWrite(real, data, len / 2, at);
	return faulty.code;
}

static int faulty_sync(sqlite3_file *file, int flags)
{
	sqlite3_file *real = faulty_real(file);

	return faulty_hits(file, true) ? faulty.code : real->pMethods->xSync(real, flags);
}

static int faulty_close(sqlite3_file *file)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xClose(real);
}

static int faulty_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xRead(real, data, len, at);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xTruncate(real, size);
}

static int faulty_size(sqlite3_file *file, sqlite3_int64 *size_out)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xFileSize(real, size_out);
}

static int faulty_lock(sqlite3_file *file, int kind)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xLock(real, kind);
}

static int faulty_unlock(sqlite3_file *file, int kind)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xUnlock(real, kind);
}

static int faulty_reserved(sqlite3_file *file, int *reserved_out)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xCheckReservedLock(real, reserved_out);
}

static int faulty_control(sqlite3_file *file, int what, void *arg)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xFileControl(real, what, arg);
}

static int faulty_sector(sqlite3_file *file)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xSectorSize(real);
}

static int faulty_device(sqlite3_file *file)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xDeviceCharacteristics(real);
}

static int faulty_shm_map(
	sqlite3_file *file, int region, int size, int extend, void volatile **map_out)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xShmMap(real, region, size, extend, map_out);
}

static int faulty_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xShmLock(real, offset, count, flags);
}

static void faulty_shm_barrier(sqlite3_file *file)
{
	sqlite3_file *real = faulty_real(file);

	real->pMethods->xShmBarrier(real);
}

static int faulty_shm_unmap(sqlite3_file *file, int remove)
{
	sqlite3_file *real = faulty_real(file);

	return real->pMethods->xShmUnmap(real, remove);
}

/* Version 2: without memory mapping, which nobody here uses and which writes past this. */
static const sqlite3_io_methods faulty_methods = {
	.iVersion = 2,
	.xClose = faulty_close,
	.xRead = faulty_read,
	.xWrite = faulty_write,
	.xTruncate = faulty_truncate,
	.xSync = faulty_sync,
	.xFileSize = faulty_size,
	.xLock = faulty_lock,
	.xUnlock = faulty_unlock,
	.xCheckReservedLock = faulty_reserved,
	.xFileControl = faulty_control,
	.xSectorSize = faulty_sector,
	.xDeviceCharacteristics = faulty_device,
	.xShmMap = faulty_shm_map,
	.xShmLock = faulty_shm_lock,
	.xShmBarrier = faulty_shm_barrier,
	.xShmUnmap = faulty_shm_unmap,
};

static int faulty_open(
	sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *flags_out)
{
	sqlite3_vfs *under = vfs->pAppData;
	struct faulty_file *faulty_file = (struct faulty_file *)file;
	const char *slash = path ? strrchr(path, '/') : NULL;
	int result;

	faulty_file->base.pMethods = NULL;
	faulty_file->name = slash ? slash + 1 : path;
	faulty_file->real = (sqlite3_file *)(faulty_file + 1);
	result = under->xOpen(under, path, faulty_file->real, flags, flags_out);
	if (faulty_file->real->pMethods)
		faulty_file->base.pMethods = &faulty_methods;
	return result;
}

/* KIND:N[:on] */
static void faulty_read_wish(const char *wish)
{
	const char *colon = wish ? strchr(wish, ':') : NULL;
	char number[24];

	if (!wish)
		return;
	if (colon)
		snprintf(number, sizeof(number), "%.*s", (int)strcspn(colon + 1, ":"),
			colon + 1);
	if (!colon || str_to_u64(number, UINT32_MAX, &faulty.at) < 0) {
		fprintf(stderr, "CRASH_SQLITE=%s: no such fault\n", wish);
		exit(2);
	}
	faulty.sync = str_starts(wish, "sync:");
	faulty.half = str_starts(wish, "full:");
	faulty.on = strstr(colon + 1, ":on") != NULL;
	faulty.code = faulty.sync ? SQLITE_IOERR_FSYNC
				  : (faulty.half ? SQLITE_FULL : SQLITE_IOERR_WRITE);
}

void faulty_vfs_register(void)
{
	static sqlite3_vfs vfs;
	sqlite3_vfs *under = sqlite3_vfs_find(NULL);
	const char *log = getenv("CRASH_SQLITE_LOG");

	faulty_read_wish(getenv("CRASH_SQLITE"));
	if (log)
		faulty.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	vfs = *under;
	vfs.zName = "faulty";
	vfs.pAppData = under;
	vfs.szOsFile = under->szOsFile + (int)sizeof(struct faulty_file);
	vfs.xOpen = faulty_open;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) {
		fprintf(stderr, "SQLite takes no other file system\n");
		exit(2);
	}
}

void faulty_vfs_arm(void)
{
	atomic_store(&faulty_armed, true);
}
