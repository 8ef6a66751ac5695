/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of shared_regex: the compiler's state, and reading a pattern. */
#ifndef PITH_OPS_SHARED_REGEX_COMPILER_H
#define PITH_OPS_SHARED_REGEX_COMPILER_H

#include "ops/shared_regex.h"
#include "ops/shared_regex_machine.h"
#include "ops/shared_unicode.h"

typedef struct pithi_regex_compiler {
    const char *start, *at, *end;
    pithi_regex_state *states; /* NULL while measuring, as ranges */
    pithi_regex_range *ranges;
    int n_states, n_ranges, depth;
    bool ignores_case, dot_is_all, is_multiline;
    const char *fault;
} pithi_regex_compiler;

/* What a class is built from: ranges from `first` on, so far without negation. */
typedef struct pithi_regex_class {
    int first;
    bool is_negated;
} pithi_regex_class;

static inline bool fail(pithi_regex_compiler *c, const char *fault)
{
    c->fault = c->fault ? c->fault : fault;
    return false;
}

static inline bool at_end(const pithi_regex_compiler *c) { return c->at == c->end; }

static inline bool take(pithi_regex_compiler *c, char wanted)
{
    if (at_end(c) || *c->at != wanted) {
        return false;
    }
    c->at++;
    return true;
}

static inline bool take_text(pithi_regex_compiler *c, const char *wanted)
{
    size_t n_bytes = strlen(wanted);
    if ((size_t)(c->end - c->at) < n_bytes || memcmp(c->at, wanted, n_bytes) != 0) {
        return false;
    }
    c->at += n_bytes;
    return true;
}

static inline uint32_t take_point(pithi_regex_compiler *c)
{
    size_t at = 0;
    uint32_t point = pithi_utf8_next(c->at, (size_t)(c->end - c->at), &at);
    c->at += at;
    return point;
}

static inline bool add_range(pithi_regex_compiler *c, uint32_t low, uint32_t high)
{
    if (c->n_ranges >= PITHI_REGEX_MAX_STATES) {
        return fail(c, "the pattern has more than 20000 ranges of characters");
    }
    if (c->ranges) {
        c->ranges[c->n_ranges] = (pithi_regex_range){ low, high };
    }
    c->n_ranges++;
    return true;
}

/* One character after a backslash. */
bool pithi_regex_take_escape(pithi_regex_compiler *c, uint32_t *point_out);
/* A class of characters after a backslash (\d, \pL and their like): its ranges are added. False if something else
 * follows; *failed: it does, but can't be read. */
bool pithi_regex_take_class(pithi_regex_compiler *c, bool *failed);
/* What stands between brackets; the first of them is taken. */
bool pithi_regex_take_brackets(pithi_regex_compiler *c, pithi_regex_class *class_out);

#endif
