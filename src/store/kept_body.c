#include "kept_p.h"
#include "pread_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* Why the bytes are not those of the row; NULL when they are. */
static const char *body_compare(int fd, const struct kept_row *row)
{
	enum { PIECE = 256 << 10 };
	char *piece = xmalloc(PIECE);
	XXH3_state_t *hash = XXH3_createState();
	const char *why = NULL;
	uint64_t done = 0;

	if (!hash)
		abort();
	XXH3_64bits_reset(hash);
	while (!why && done < row->length) {
		uint64_t left = row->length - done;
		ssize_t n = pread_all(fd, piece, left < PIECE ? (size_t)left : PIECE, done);

		if (n <= 0) {
			why = n < 0 ? strerror((int)-n) : "it has another length";
			break;
		}
		XXH3_64bits_update(hash, piece, (size_t)n);
		done += (uint64_t)n;
	}
	if (!why && XXH3_64bits_digest(hash) != row->checksum)
		why = "its bytes have changed";
	XXH3_freeState(hash);
	free(piece);
	return why;
}

/* What says that the file is not ours, and not that there is no room for one more. */
static bool body_is_away(int error)
{
	return error == ENOENT || error == ELOOP || error == EISDIR || error == ENXIO ||
	       error == EACCES || error == EIO;
}

int kept_body_open(
	struct kept *kept, uint32_t uid, const struct kept_row *row, const char **why_out)
{
	char name[KEPT_NAME_MAX];
	struct stat stat;
	int fd;

	kept_name(uid, name);
	/* Whatever was put there: it is not waited for. */
	fd = openat(kept->bodies_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && !body_is_away(errno)) {
		log_error("kept mail: %s/" KEPT_FOLDER "/%s cannot be opened: %s", kept->dir,
			name, strerror(errno));
		return -EIO;
	}
	if (fd < 0) {
		*why_out = strerror(errno);
		return -ENODATA;
	}
	if (fstat(fd, &stat) < 0)
		*why_out = strerror(errno);
	else if (!S_ISREG(stat.st_mode))
		*why_out = "it is no file";
	else if ((uint64_t)stat.st_size != row->length)
		*why_out = "it has another length";
	else
		*why_out = body_compare(fd, row);
	if (!*why_out)
		return fd;
	close(fd);
	return -ENODATA;
}

/*
 * A descriptor of what was read through, and the generation it was found in; what was found is
 * noted. -ENOENT, -EIO.
 */
static int body_find(
	struct kept *kept, uint32_t uid, struct kept_row *row, uint64_t *generation_out)
{
	for (;;) {
		const char *why = NULL;
		bool same;
		int result, fd;

		*generation_out = kept_generation(kept, uid);
		result = kept_row_read(kept, uid, row);
		if (result <= 0)
			return result < 0 ? -EIO : -ENOENT;
		fd = kept_body_open(kept, uid, row, &why);
		if (fd == -EIO)
			return -EIO;
		same = fd >= 0 ? kept_note_whole(kept, uid, *generation_out)
			       : kept_note_damage(kept, uid, *generation_out, why);
		if (same)
			return fd >= 0 ? fd : -EIO;
		/* It was dropped, or kept anew, between the row and the file. */
		if (fd >= 0)
			close(fd);
	}
}

int kept_check(struct kept *kept, uint32_t uid)
{
	uint64_t generation;
	struct kept_row row;
	int fd = body_find(kept, uid, &row, &generation);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* 0, -ENOENT, -EIO. */
static int body_file(struct kept *kept, uint32_t uid, struct kept_file **file_out)
{
	for (;;) {
		uint64_t generation;
		struct kept_row row;
		int fd;

		*file_out = kept_file_get(kept, uid);
		if (*file_out)
			return 0;
		fd = body_find(kept, uid, &row, &generation);
		if (fd < 0)
			return fd;
		*file_out = kept_file_add(kept, uid, fd, row.length, generation);
		if (*file_out)
			return 0;
	}
}

ssize_t kept_read(struct kept *kept, uint32_t uid, void *data, size_t len, uint64_t offset)
{
	uint64_t generation = kept_generation(kept, uid);
	struct kept_file *file;
	ssize_t result = body_file(kept, uid, &file);

	if (result < 0)
		return result;
	if (offset >= file->length)
		len = 0;
	else if (len > file->length - offset)
		len = (size_t)(file->length - offset);
	result = pread_all(file->fd, data, len, offset);
	if (result >= 0 && (size_t)result == len) {
		kept_file_put(kept, file);
		return result;
	}
	/* It was whole when it was opened: it is read through again when it is next asked for.
	 */
	kept_note_damage(kept, uid, generation,
		result < 0 ? strerror((int)-result) : "it has been cut off");
	kept_file_put(kept, file);
	return -EIO;
}
