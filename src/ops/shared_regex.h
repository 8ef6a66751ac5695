/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions in RE2's syntax, matched against whole strings in time linear in the text: a machine of states
 * that are all followed at once (Thompson 1968, Pike's VM), so no pattern can make it slow. */
#ifndef PITH_OPS_SHARED_REGEX_H
#define PITH_OPS_SHARED_REGEX_H

#include "base/base.h"

#define PITHI_REGEX_MAX_STATES 20000

/* Lies in a caller's block; offsets only, so that it may be copied. */
typedef struct pithi_regex {
    int n_states, n_ranges;
    size_t n_bytes; /* with the room that matching needs */
} pithi_regex;

/* Reads the pattern. `block` NULL: only measures, fills *regex. Else the block has regex->n_bytes bytes, aligned to
 * 8, and begins with the machine. False: *fault_out says what RE2 doesn't have or pith doesn't take, and where. */
bool pithi_regex_compile(const char *pattern, pithi_regex *regex, void *block, const char **fault_out,
                         size_t *place_out);
/* True if the whole text matches. The block holds the states that are followed: one match at a time. */
bool pithi_regex_matches(const pithi_regex *regex, void *block, const char *text, size_t n_bytes);

#endif
