/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of shared_regex: the machine that the compiler writes. */
#ifndef PITH_OPS_SHARED_REGEX_MACHINE_H
#define PITH_OPS_SHARED_REGEX_MACHINE_H

#include <stddef.h>
#include <stdint.h>

typedef enum pithi_regex_kind {
    PITHI_REGEX_CLASS,  /* takes one character: ranges first..first+second-1 */
    PITHI_REGEX_SPLIT,  /* goes on at both distances `first` and `second` */
    PITHI_REGEX_ASSERT, /* goes on if the place is as `first` says */
    PITHI_REGEX_END     /* matches at the end of the text */
} pithi_regex_kind;

typedef enum pithi_regex_place {
    PITHI_REGEX_ANYWHERE,
    PITHI_REGEX_TEXT_START,
    PITHI_REGEX_TEXT_END,
    PITHI_REGEX_LINE_START,
    PITHI_REGEX_LINE_END,
    PITHI_REGEX_WORD_EDGE,
    PITHI_REGEX_NO_WORD_EDGE
} pithi_regex_place;

typedef struct pithi_regex_state {
    int32_t first, second;
    uint8_t kind, is_negated, ignores_case, reserved;
} pithi_regex_state;

typedef struct pithi_regex_range {
    uint32_t low, high;
} pithi_regex_range;

/* States, ranges; then two lists of states that are followed, a stack, and a mark per state. */
static inline size_t pithi_regex_block_bytes(int n_states, int n_ranges)
{
    return (size_t)n_states * (sizeof(pithi_regex_state) + 5 * sizeof(int32_t)) +
           (size_t)n_ranges * sizeof(pithi_regex_range) + 2 * sizeof(int32_t);
}

#endif
