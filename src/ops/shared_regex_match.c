/* SPDX-License-Identifier: Apache-2.0 */
/* The matcher: all states that can be reached with the text so far, one character after the other. */
#include "ops/shared_regex.h"
#include "ops/shared_regex_machine.h"
#include "ops/shared_unicode.h"

#define NOTHING 0xffffffffu /* no character: in front of the text and behind it */

typedef struct machine {
    const pithi_regex_state *states;
    const pithi_regex_range *ranges;
    int32_t *now, *next, *stack, *marks; /* marks: the step at which a state was reached last */
    int n_now, n_next;
    int32_t step;
} machine;

static bool is_word(uint32_t point)
{
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') || (point >= 'a' && point <= 'z') ||
           point == '_';
}

static bool is_place(int32_t place, uint32_t before, uint32_t after)
{
    bool is_edge = is_word(before) != is_word(after);
    switch (place) {
    case PITHI_REGEX_TEXT_START: return before == NOTHING;
    case PITHI_REGEX_TEXT_END: return after == NOTHING;
    case PITHI_REGEX_LINE_START: return before == NOTHING || before == '\n';
    case PITHI_REGEX_LINE_END: return after == NOTHING || after == '\n';
    case PITHI_REGEX_WORD_EDGE: return is_edge;
    case PITHI_REGEX_NO_WORD_EDGE: return !is_edge;
    default: return true;
    }
}

static bool is_in_ranges(const machine *m, const pithi_regex_state *state, uint32_t point)
{
    for (int32_t i = 0; i < state->second; i++) {
        const pithi_regex_range *range = &m->ranges[state->first + i];
        if (point >= range->low && point <= range->high) {
            return true;
        }
    }
    return false;
}

static bool takes(const machine *m, const pithi_regex_state *state, uint32_t point)
{
    bool is_in = is_in_ranges(m, state, point);
    if (!is_in && state->ignores_case) {
        uint32_t lower = pithi_unicode_lower(point);
        is_in = is_in_ranges(m, state, lower) || is_in_ranges(m, state, pithi_unicode_upper(lower));
    }
    return is_in != (state->is_negated != 0);
}

static void push(machine *m, int *n_stack, int32_t at)
{
    if (m->marks[at] != m->step) {
        m->marks[at] = m->step;
        m->stack[(*n_stack)++] = at;
    }
}

/* Follows what needs no character; states that take one join the list. True if the end is reached. */
static bool follow(machine *m, int32_t start, uint32_t before, uint32_t after)
{
    int n_stack = 0;
    bool ends = false;
    push(m, &n_stack, start);
    while (n_stack > 0) {
        int32_t at = m->stack[--n_stack];
        const pithi_regex_state *state = &m->states[at];
        if (state->kind == PITHI_REGEX_CLASS) {
            m->next[m->n_next++] = at;
        } else if (state->kind == PITHI_REGEX_END) {
            ends = true;
        } else if (state->kind == PITHI_REGEX_SPLIT) {
            push(m, &n_stack, at + state->first);
            push(m, &n_stack, at + state->second);
        } else if (is_place(state->first, before, after)) {
            push(m, &n_stack, at + 1);
        }
    }
    return ends;
}

static void turn_page(machine *m)
{
    int32_t *former = m->now;
    m->now = m->next;
    m->next = former;
    m->n_now = m->n_next;
    m->n_next = 0;
}

bool pithi_regex_matches(const pithi_regex *regex, void *block, const char *text, size_t n_bytes)
{
    machine m = { .states = block };
    m.ranges = (const pithi_regex_range *)(m.states + regex->n_states);
    int32_t *room = (int32_t *)(uintptr_t)(m.ranges + regex->n_ranges);
    m.now = room;
    m.next = room + regex->n_states;
    m.stack = m.next + regex->n_states;
    m.marks = m.stack + regex->n_states;
    memset(m.marks, 0, (size_t)regex->n_states * sizeof *m.marks);
    size_t at = 0, look = 0;
    uint32_t before = NOTHING, point = n_bytes > 0 ? pithi_utf8_next(text, n_bytes, &look) : NOTHING;
    m.step = 1;
    bool ends = follow(&m, 0, before, point);
    while (point != NOTHING) {
        turn_page(&m);
        at = look;
        before = point;
        uint32_t after = at < n_bytes ? pithi_utf8_next(text, n_bytes, &look) : NOTHING;
        ends = false;
        m.step = m.step < INT32_MAX ? m.step + 1 : 1;
        if (m.step == 1) {
            memset(m.marks, 0, (size_t)regex->n_states * sizeof *m.marks);
        }
        for (int i = 0; i < m.n_now; i++) {
            if (takes(&m, &m.states[m.now[i]], point)) {
                ends |= follow(&m, m.now[i] + 1, before, after);
            }
        }
        if (m.n_next == 0 && !ends) {
            return false;
        }
        point = after;
    }
    return ends;
}
