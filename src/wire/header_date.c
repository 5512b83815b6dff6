#include "header_p.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* What a Date field is made of, in whatever order it comes. */
struct date {
	int day, month, year;	  /* 0 to 11 for the month; -1: not seen yet */
	int hour, minute, second; /* hour -1: not seen yet */
	int zone;		  /* minutes east of Greenwich */
	bool zoned;
};

static const char *const date_months[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};

/* RFC 5322 section 4.3. Any other name says nothing, and so means Greenwich. */
static const struct {
	const char *name;
	int zone;
} date_zones[] = {{"EST", -300}, {"EDT", -240}, {"CST", -360}, {"CDT", -300}, {"MST", -420},
	{"MDT", -360}, {"PST", -480}, {"PDT", -420}};

/* Behind blanks, commas and comments (which nest). */
static const char *date_skip(const char *at)
{
	unsigned depth = 0;

	for (; *at; at++) {
		if (*at == '(')
			depth++;
		else if (*at == ')' && depth)
			depth--;
		else if (*at == '\\' && depth && at[1])
			at++;
		else if (!depth && *at != ' ' && *at != '\t' && *at != ',')
			break;
	}
	return at;
}

/* Up to max digits. False for none, and for more. */
static bool date_number(const char **at, size_t max, int *out, size_t *digits_out)
{
	size_t digits = strspn(*at, "0123456789");

	if (!digits || digits > max)
		return false;
	*out = 0;
	for (size_t i = 0; i < digits; i++)
		*out = *out * 10 + (*(*at)++ - '0');
	*digits_out = digits;
	return true;
}

/* A name: of a month, a zone, or a day of the week, which the date has anyway. */
static bool date_take_name(struct date *date, const char **at)
{
	const char *name = *at;
	size_t len = 0;

	while (isalpha((unsigned char)name[len]))
		len++;
	*at += len;
	for (int i = 0; len >= 3 && date->month < 0 && i < 12; i++) {
		if (strncasecmp(name, date_months[i], 3) == 0) {
			date->month = i;
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(date_zones) / sizeof(date_zones[0]); i++) {
		if (date->zoned || date->hour < 0 || len != 3 ||
			strncasecmp(name, date_zones[i].name, 3) != 0)
			continue;
		date->zone = date_zones[i].zone;
		date->zoned = true;
	}
	return true;
}

/* "+0200". What is beyond a day cannot be meant. */
static bool date_take_zone(struct date *date, const char **at)
{
	int sign = *(*at)++ == '-' ? -1 : 1, value;
	size_t digits;

	if (!date_number(at, 4, &value, &digits) || digits != 4)
		return false;
	if (date->zoned || value / 100 > 23 || value % 100 > 59)
		return true;
	date->zone = sign * (value / 100 * 60 + value % 100);
	date->zoned = true;
	return true;
}

/* What follows "09:". */
static bool date_take_time(struct date *date, const char **at, int hour)
{
	size_t digits;

	if (date->hour >= 0 || !date_number(at, 2, &date->minute, &digits))
		return false;
	date->hour = hour;
	if (**at != ':')
		return true;
	(*at)++;
	return date_number(at, 2, &date->second, &digits);
}

/* RFC 5322 section 4.3 on years of two and three digits. */
static int date_year(int value, size_t digits)
{
	if (digits == 2)
		return value < 50 ? value + 2000 : value + 1900;
	return digits == 3 ? value + 1900 : value;
}

static bool date_take_number(struct date *date, const char **at)
{
	size_t digits;
	int value;

	if (!date_number(at, 4, &value, &digits))
		return false;
	if (**at == ':' && digits <= 2) {
		(*at)++;
		return date_take_time(date, at, value);
	}
	if (date->day < 0 && digits <= 2)
		date->day = value;
	else if (date->year < 0 && digits >= 2)
		date->year = date_year(value, digits);
	else
		return false;
	/* "21-Nov-97" */
	if (**at == '-' && isalpha((unsigned char)(*at)[1]))
		(*at)++;
	return true;
}

static bool date_take(struct date *date, const char **at)
{
	if (isalpha((unsigned char)**at)) {
		bool taken = date_take_name(date, at);

		/* "Nov-97", and a name that is cut: "Nov." */
		if ((**at == '-' && date->year < 0 && isdigit((unsigned char)(*at)[1])) ||
			**at == '.')
			(*at)++;
		return taken;
	}
	if (isdigit((unsigned char)**at))
		return date_take_number(date, at);
	if (**at == '+' || **at == '-')
		return date_take_zone(date, at);
	return false;
}

static bool date_is_sound(const struct date *date)
{
	static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (date->year % 4 == 0 && date->year % 100 != 0) || date->year % 400 == 0;

	return date->month >= 0 && date->year >= 0 && date->day >= 1 &&
	       date->day <= lengths[date->month] &&
	       (date->month != 1 || date->day < 29 || leap) && date->hour >= 0 &&
	       date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

bool header_date(const char *text, int64_t *seconds_out)
{
	struct date date = {.day = -1, .month = -1, .year = -1, .hour = -1};
	struct tm tm;

	for (const char *at = date_skip(text); *at; at = date_skip(at)) {
		if (date_take(&date, &at))
			continue;
		/* What follows a whole date takes nothing from it. */
		if (!date_is_sound(&date))
			return false;
		break;
	}
	if (!date_is_sound(&date))
		return false;
	tm = (struct tm){.tm_year = date.year - 1900,
		.tm_mon = date.month,
		.tm_mday = date.day,
		.tm_hour = date.hour,
		.tm_min = date.minute,
		.tm_sec = date.second};
	*seconds_out = (int64_t)timegm(&tm) - date.zone * 60;
	return true;
}
