#include "backoff_p.h"
#include <mountmail/base/clock.h>
#include <sys/random.h>

uint32_t backoff_ms(unsigned failures, uint32_t first_ms, uint32_t max_ms, uint32_t random)
{
	uint64_t whole = first_ms;

	for (unsigned i = 1; i < failures && whole < max_ms; i++)
		whole *= 2;
	if (whole > max_ms)
		whole = max_ms;
	return (uint32_t)(whole - whole / 2 + random % (whole / 2 + 1));
}

uint32_t backoff_told_ms(uint32_t told_ms, uint32_t random)
{
	if (told_ms > BACKOFF_TOLD_MAX_MS)
		told_ms = BACKOFF_TOLD_MAX_MS;
	return told_ms + random % (told_ms / 10 + 1);
}

uint32_t backoff_random(void)
{
	uint32_t bits;

	/* Before the pool is ready the clock does: nothing secret hangs on it. */
	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
		bits = (uint32_t)clock_now_ms() * 2654435761u;
	return bits;
}
