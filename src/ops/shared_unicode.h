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

/* A general category ("Lu"), a group of them ("L"), a script ("Greek") or "Any": runs of code points, ascending. */
typedef struct pithi_unicode_class {
    const unsigned char *at, *end;
    uint32_t next, n_in_turns; /* n_in_turns: what is left of a run of Lu and Ll in turns */
    int group;                 /* letter of a group of categories, or 0 */
    int number;                /* of the category or script; -1: any */
    bool is_script;
} pithi_unicode_class;

/* False: nothing has that name. */
bool pithi_unicode_find_class(const char *name, size_t n_bytes, pithi_unicode_class *class_out);
/* False: there are no more runs. Neighbouring runs may touch. */
bool pithi_unicode_next_run(pithi_unicode_class *class, uint32_t *low, uint32_t *high);

/* Writes the text in the other case (full mapping: "ss" for a German sharp s), and returns its bytes; `to` NULL: only
 * counts them. `is_turkic`: locales tr and az, where the dot on an i is kept. */
size_t pithi_unicode_convert(const char *text, size_t n_bytes, pithi_case to_case, bool is_turkic, char *to);

#endif
