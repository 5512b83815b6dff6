/*
 * fuzz_name.c - names of messages and folders from any bytes.
 *
 * The input is cut at NULs: sender (or level), subject (or another level); its first twelve
 * bytes are UID and date.
 */
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/view/name.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                        \
	do {                                                                                   \
		if (!(condition))                                                              \
			abort();                                                               \
	} while (0)

static bool is_nfc(const char *name, size_t len)
{
	size_t normal_len = 0;
	uint8_t *normal =
		u8_normalize(UNINORM_NFC, (const uint8_t *)name, len, NULL, &normal_len);
	bool same = normal && normal_len == len && memcmp(normal, name, len) == 0;

	free(normal);
	return same;
}

static void check_message(uint32_t uid, int64_t date, const char *sender, const char *subject)
{
	char name[NAME_MAX_BYTES + 1], again[NAME_MAX_BYTES + 1];
	size_t len = name_of_message(uid, date, sender, subject, name);
	uint32_t back = 0;
	char *level = NULL;

	must(len == strlen(name) && len <= NAME_MAX_BYTES);
	must(name_is_safe(name, len) && is_nfc(name, len));
	must(name[0] != '.' && name[0] != '-');
	must(name_parse_message(name, &back) && back == uid);
	must(name_of_message(uid, date, sender, subject, again) == len);
	must(memcmp(name, again, len) == 0);
	must(name_parse_folder(name, &level) == -ENOENT);
}

/* Returns what name_parse_folder said. */
static int check_folder(const char *level, char name[NAME_MAX_BYTES + 1])
{
	size_t len = name_of_folder(level, name);
	char *back = NULL;
	uint32_t uid;
	int result;

	must(len == strlen(name) && len && len <= NAME_MAX_BYTES);
	must(name_is_safe(name, len) && !name_parse_message(name, &uid));
	must(name[0] != '.' && name[0] != '-');
	result = name_parse_folder(name, &back);
	must(result == 0 ? strcmp(back, level) == 0 : result == -E2BIG);
	must(result == 0 || strlen(level) > NAME_MAX_BYTES / 3 - 2);
	free(back);
	return result;
}

/* A name that leads to a level is that level's one name. */
static void check_file_name(const char *name)
{
	char real[NAME_MAX_BYTES + 1];
	char *level = NULL;

	if (name_parse_folder(name, &level) == 0) {
		name_of_folder(level, real);
		must(strcmp(real, name) == 0);
	}
	free(level);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char first_name[NAME_MAX_BYTES + 1], second_name[NAME_MAX_BYTES + 1];
	char *first, *second;
	uint32_t uid;
	int64_t date;

	if (size < sizeof(uid) + sizeof(date))
		return 0;
	memcpy(&uid, data, sizeof(uid));
	memcpy(&date, data + sizeof(uid), sizeof(date));
	data += sizeof(uid) + sizeof(date);
	size -= sizeof(uid) + sizeof(date);
	first = xstrndup((const char *)data, size); /* up to the first NUL */
	data += strlen(first);
	size -= strlen(first);
	second = size ? xstrndup((const char *)data + 1, size - 1) : xstrdup("");
	check_message(uid ? uid : 1, date, first, second);
	check_message(uid ? uid : 1, date % 10000000000, second, first);
	check_folder(first, first_name);
	check_folder(second, second_name);
	must((strcmp(first, second) == 0) == (strcmp(first_name, second_name) == 0));
	check_file_name(first);
	check_file_name(second);
	free(first);
	free(second);
	return 0;
}
