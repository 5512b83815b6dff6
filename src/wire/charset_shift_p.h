/*
 * wire/charset_shift_p.h - 7-bit encodings with escape sequences, taken to their 8-bit forms.
 * Called by charset.c; one thread.
 *
 * Our own, for three reasons: iconv's ISO-2022-JP refuses the half-width and vendor characters
 * that Japanese mail is full of, it has no HZ at all, and text cut inside a two-byte run is
 * common.
 */
#ifndef MOUNTMAIL_WIRE_CHARSET_SHIFT_P_H
#define MOUNTMAIL_WIRE_CHARSET_SHIFT_P_H

#include <mountmail/base/buf.h>
#include <stddef.h>
#include <stdint.h>

/* ISO-2022-JP (RFC 1468, 2237, and what Windows adds) to EUC-JP; appends. */
void charset_shift_jis7(const uint8_t *data, size_t len, struct buf *out);

/* HZ (RFC 1843) to GB 2312 with the high bits set; appends. */
void charset_shift_hz(const uint8_t *data, size_t len, struct buf *out);

#endif
