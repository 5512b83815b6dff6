#include "backoff_p.h"
#include "narrow_p.h"

/* Batches of 64, 8, 1; and back by 8, 64, 512. */
#define NARROW_FIRST 64u
#define NARROW_FACTOR 8u
#define NARROW_LAST 512u
/* What a backend likes, or less. */
#define NARROW_WIDE 2000u
/* One loss is nobody's fault. */
#define NARROW_AFTER 2u

#define NARROW_PAUSE_MS 100u
#define NARROW_PAUSE_MAX_MS 5000u

bool narrow_lost(struct narrow *narrow, uint32_t exists)
{
	narrow->exists = exists;
	narrow->losses++;
	/* The one to blame was not even asked for. */
	if (narrow->stub)
		narrow->stubs = NARROW_STUBS_MAX;
	narrow->stub = false;
	if (narrow->stubs >= NARROW_STUBS_MAX ||
		narrow->losses < (narrow->most ? 1 : NARROW_AFTER))
		return false;
	if (!narrow->most) {
		narrow->suspects = NARROW_WIDE;
		narrow->most = NARROW_FIRST;
	} else if (narrow->most > 1) {
		narrow->suspects = narrow->most;
		narrow->most /= NARROW_FACTOR;
	} else {
		narrow->stub = narrow->losses >= NARROW_AFTER;
	}
	return true;
}

bool narrow_stub_stands(const struct narrow *narrow, uint32_t exists)
{
	return exists >= narrow->exists;
}

bool narrow_came(struct narrow *narrow, uint32_t messages)
{
	if (narrow->stub) {
		narrow->stub = false;
		narrow->stubs++;
		narrow->suspects = 0;
	} else {
		narrow->stubs = 0;
		narrow->losses = 0;
	}
	if (!narrow->most)
		return false;
	narrow->suspects -= messages < narrow->suspects ? messages : narrow->suspects;
	if (narrow->suspects)
		return false;
	narrow->most = narrow->most < NARROW_LAST ? narrow->most * NARROW_FACTOR : 0;
	narrow->suspects = narrow->most;
	return true;
}

uint32_t narrow_pause_ms(const struct narrow *narrow, uint32_t random)
{
	unsigned doublings = narrow->losses ? narrow->losses - 1 : 0;

	return backoff_ms(doublings, NARROW_PAUSE_MS, NARROW_PAUSE_MAX_MS, random);
}
