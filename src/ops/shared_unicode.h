/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 and letter case. Bytes that are no UTF-8 read as U+FFFD, one by one. */
#ifndef PITH_OPS_SHARED_UNICODE_H
#define PITH_OPS_SHARED_UNICODE_H

#include "base/base.h"

#define PITHI_UTF8_MAX 4 /* bytes of one code point */

/* The code point at text[*at], *at < n_bytes; *at moves behind it. */
uint32_t pithi_utf8_next(const char *text, size_t n_bytes, size_t *at);
/* Writes a code point, returns its bytes. */
size_t pithi_utf8_put(uint32_t point, char text[PITHI_UTF8_MAX]);

/* Simple case mapping: to one code point. */
uint32_t pithi_unicode_lower(uint32_t point);
uint32_t pithi_unicode_upper(uint32_t point);
bool pithi_unicode_is_space(uint32_t point); /* property White_Space */

typedef enum pithi_case { PITHI_CASE_NONE, PITHI_CASE_LOWER, PITHI_CASE_UPPER } pithi_case;

/* Writes the text in the other case (full mapping: "ss" for a German sharp s), and returns its bytes; `to` NULL: only
 * counts them. `is_turkic`: locales tr and az, where the dot on an i is kept. */
size_t pithi_unicode_convert(const char *text, size_t n_bytes, pithi_case to_case, bool is_turkic, char *to);

#endif
