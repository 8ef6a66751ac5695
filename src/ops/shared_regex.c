/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler. Blocks of states jump by distances only, so a repetition is a copy of a block.
 * Syntax: https://github.com/google/re2/wiki/Syntax. Greediness and groups don't matter for a full match. */
#include "ops/shared_regex_compiler.h"

#define MAX_DEPTH 200
#define MAX_REPEAT 1000 /* as in RE2 */

/* ---- states ------------------------------------------------------------------------------- */

static bool emit(pithi_regex_compiler *c, pithi_regex_state state)
{
    if (c->n_states >= PITHI_REGEX_MAX_STATES) {
        return fail(c, "the pattern needs more than 20000 states");
    }
    if (c->states) {
        c->states[c->n_states] = state;
    }
    c->n_states++;
    return true;
}

/* Makes room for one state in front of the block that begins at `start`. */
static bool insert(pithi_regex_compiler *c, int start, pithi_regex_state state)
{
    if (!emit(c, state)) {
        return false;
    }
    if (c->states) {
        memmove(c->states + start + 1, c->states + start, (size_t)(c->n_states - 1 - start) * sizeof state);
        c->states[start] = state;
    }
    return true;
}

static bool copy_block(pithi_regex_compiler *c, int start, int length)
{
    for (int i = 0; i < length; i++) {
        if (!emit(c, c->states ? c->states[start + i] : (pithi_regex_state){ 0 })) {
            return false;
        }
    }
    return true;
}

static bool emit_class(pithi_regex_compiler *c, const pithi_regex_class *class)
{
    return emit(c, (pithi_regex_state){ .kind = PITHI_REGEX_CLASS, .first = class->first,
                                        .second = c->n_ranges - class->first, .is_negated = class->is_negated,
                                        .ignores_case = c->ignores_case });
}

static bool emit_point(pithi_regex_compiler *c, uint32_t point)
{
    pithi_regex_class class = { c->n_ranges, false };
    return add_range(c, point, point) && emit_class(c, &class);
}

/* ---- atoms -------------------------------------------------------------------------------- */

static bool parse_alternatives(pithi_regex_compiler *c);

/* The bracket is taken. */
static bool parse_class(pithi_regex_compiler *c)
{
    pithi_regex_class class;
    return pithi_regex_take_brackets(c, &class) && emit_class(c, &class);
}

static bool emit_assertion(pithi_regex_compiler *c, pithi_regex_place place)
{
    return emit(c, (pithi_regex_state){ .kind = PITHI_REGEX_ASSERT, .first = (int32_t)place });
}

/* Text between \Q and \E. */
static bool parse_quoted(pithi_regex_compiler *c)
{
    int start = c->n_states;
    while (!at_end(c) && !take_text(c, "\\E")) {
        if (!emit_point(c, take_point(c))) {
            return false;
        }
    }
    return c->n_states > start || emit_assertion(c, PITHI_REGEX_ANYWHERE);
}

/* The backslash is taken. */
static bool parse_escape(pithi_regex_compiler *c)
{
    static const struct {
        char letter;
        pithi_regex_place place;
    } places[] = { { 'A', PITHI_REGEX_TEXT_START }, { 'z', PITHI_REGEX_TEXT_END },
                   { 'b', PITHI_REGEX_WORD_EDGE },  { 'B', PITHI_REGEX_NO_WORD_EDGE } };
    pithi_regex_class class = { c->n_ranges, false };
    bool failed = false;
    uint32_t point;
    for (int i = 0; i < PITH_COUNT(places); i++) {
        if (take(c, places[i].letter)) {
            return emit_assertion(c, places[i].place);
        }
    }
    if (take(c, 'Q')) {
        return parse_quoted(c);
    }
    if (pithi_regex_take_class(c, &failed)) {
        return !failed && emit_class(c, &class);
    }
    return pithi_regex_take_escape(c, &point) && emit_point(c, point);
}

/* (?flags) and (?flags:...): i, m, s, U, off behind "-". True if a group follows. */
static bool parse_flags(pithi_regex_compiler *c, bool *has_group)
{
    bool on = true;
    for (; !at_end(c) && *c->at != ')' && *c->at != ':'; c->at++) {
        bool *flag = *c->at == 'i' ? &c->ignores_case : *c->at == 'm' ? &c->is_multiline
                   : *c->at == 's' ? &c->dot_is_all : NULL;
        if (*c->at == '-' && on) {
            on = false;
        } else if (flag) {
            *flag = on;
        } else if (*c->at != 'U') { /* which swaps greediness */
            return fail(c, "this group isn't known: (?: (?P<name> (?<name> (?imsU) and (?imsU: are");
        }
    }
    *has_group = take(c, ':');
    return *has_group || take(c, ')') || fail(c, "a group has no closing bracket");
}

static bool skip_name(pithi_regex_compiler *c)
{
    const char *start = c->at;
    while (!at_end(c) && *c->at != '>') {
        c->at++;
    }
    return (c->at > start && take(c, '>')) || fail(c, "a group's name is empty or has no end");
}

/* The bracket is taken. */
static bool parse_group(pithi_regex_compiler *c)
{
    const pithi_regex_compiler before = *c; /* flags hold up to the end of the group around */
    bool has_group = true;
    if (++c->depth > MAX_DEPTH) {
        return fail(c, "groups are nested deeper than 200");
    }
    if (take(c, '?')) {
        if (take_text(c, "P<") || (c->end - c->at > 1 && *c->at == '<' && c->at[1] != '=' && c->at[1] != '!' &&
                                   take(c, '<'))) {
            if (!skip_name(c)) {
                return false;
            }
        } else if (!parse_flags(c, &has_group)) {
            return false;
        }
    }
    if (!has_group) {
        c->depth--;
        return emit_assertion(c, PITHI_REGEX_ANYWHERE);
    }
    if (!parse_alternatives(c) || !(take(c, ')') || fail(c, "a group has no closing bracket"))) {
        return false;
    }
    c->depth--;
    c->ignores_case = before.ignores_case;
    c->dot_is_all = before.dot_is_all;
    c->is_multiline = before.is_multiline;
    return true;
}

static bool parse_dot(pithi_regex_compiler *c)
{
    pithi_regex_class class = { c->n_ranges, true };
    return (c->dot_is_all || add_range(c, '\n', '\n')) && emit_class(c, &class);
}

static bool parse_atom(pithi_regex_compiler *c)
{
    switch (*c->at) {
    case '(': c->at++; return parse_group(c);
    case '[': c->at++; return parse_class(c);
    case '.': c->at++; return parse_dot(c);
    case '\\': c->at++; return parse_escape(c);
    case '^': c->at++; return emit_assertion(c, c->is_multiline ? PITHI_REGEX_LINE_START : PITHI_REGEX_TEXT_START);
    case '$': c->at++; return emit_assertion(c, c->is_multiline ? PITHI_REGEX_LINE_END : PITHI_REGEX_TEXT_END);
    case '*': case '+': case '?': return fail(c, "there is nothing to repeat");
    default: return emit_point(c, take_point(c));
    }
}

/* ---- repetition, sequence, alternatives --------------------------------------------------- */

static bool take_number(pithi_regex_compiler *c, int *number_out)
{
    const char *start = c->at;
    int number = 0;
    while (!at_end(c) && *c->at >= '0' && *c->at <= '9' && number <= MAX_REPEAT) {
        number = number * 10 + (*c->at++ - '0');
    }
    *number_out = number;
    return c->at > start;
}

/* {n}, {n,}, {n,m}; anything else in braces is plain text. most -1: no limit. */
static bool take_counts(pithi_regex_compiler *c, int *least, int *most)
{
    const char *start = c->at;
    bool has_counts = take(c, '{') && take_number(c, least);
    *most = *least;
    if (has_counts && take(c, ',') && !take_number(c, most)) {
        *most = -1;
    }
    if (!has_counts || !take(c, '}')) {
        c->at = start;
        return false;
    }
    return true;
}

static bool jump(pithi_regex_compiler *c, int distance)
{
    return emit(c, (pithi_regex_state){ .kind = PITHI_REGEX_SPLIT, .first = distance, .second = distance });
}

/* The block from `start` to the end `least` to `most` times. */
static bool repeat(pithi_regex_compiler *c, int start, int least, int most)
{
    int length = c->n_states - start;
    const pithi_regex_state once = { .kind = PITHI_REGEX_SPLIT, .first = 1, .second = length + 1 };
    const pithi_regex_state again = { .kind = PITHI_REGEX_SPLIT, .first = 1, .second = length + 2 };
    if (least == 0 && most == 0) {
        c->n_states = start;
        return emit_assertion(c, PITHI_REGEX_ANYWHERE);
    }
    for (int i = 1; i < least; i++) {
        if (!copy_block(c, start, length)) {
            return false;
        }
    }
    if (most < 0 && least > 0) { /* the last copy may come again */
        return emit(c, (pithi_regex_state){ .kind = PITHI_REGEX_SPLIT, .first = -length, .second = 1 });
    }
    if (most < 0) {
        return insert(c, start, again) && jump(c, -length - 1);
    }
    if (least == 0 && !insert(c, start, once)) {
        return false;
    }
    int block = start + (least == 0);
    for (int i = least > 0 ? least : 1; i < most; i++) {
        if (!emit(c, once) || !copy_block(c, block, length)) {
            return false;
        }
    }
    return true;
}

static bool parse_repeated(pithi_regex_compiler *c)
{
    int start = c->n_states, least = 0, most = 0;
    if (!parse_atom(c)) {
        return false;
    }
    for (bool is_first = true; !at_end(c); is_first = false) {
        const char *before = c->at;
        bool is_star = take(c, '*'), is_plus = !is_star && take(c, '+');
        bool is_maybe = !is_star && !is_plus && take(c, '?');
        if (is_star || is_plus || is_maybe) {
            least = is_plus;
            most = is_maybe ? 1 : -1;
        } else if (!take_counts(c, &least, &most)) {
            return true;
        }
        if (!is_first) {
            c->at = before;
            return fail(c, "a repetition follows a repetition");
        }
        if (least > MAX_REPEAT || most > MAX_REPEAT || (most >= 0 && most < least)) {
            return fail(c, "counts of a repetition must ascend and be at most 1000");
        }
        take(c, '?'); /* less greedy: the same strings match */
        if (!repeat(c, start, least, most)) {
            return false;
        }
    }
    return true;
}

static bool parse_sequence(pithi_regex_compiler *c)
{
    int start = c->n_states;
    while (!at_end(c) && *c->at != '|' && *c->at != ')') {
        if (!parse_repeated(c)) {
            return false;
        }
    }
    return c->n_states > start || emit_assertion(c, PITHI_REGEX_ANYWHERE);
}

/* Each alternative but the last has a split in front, and a jump to the end behind it; until the end is known,
 * jumps hold the distance to the one before. */
static bool parse_alternatives(pithi_regex_compiler *c)
{
    int last_jump = -1;
    for (;;) {
        int start = c->n_states;
        if (!parse_sequence(c)) {
            return false;
        }
        if (!take(c, '|')) {
            break;
        }
        int length = c->n_states - start;
        if (!insert(c, start, (pithi_regex_state){ .kind = PITHI_REGEX_SPLIT, .first = 1, .second = length + 2 }) ||
            !jump(c, last_jump)) {
            return false;
        }
        last_jump = c->n_states - 1;
    }
    while (c->states && last_jump >= 0) {
        pithi_regex_state *state = &c->states[last_jump];
        int before = state->first;
        state->first = state->second = c->n_states - last_jump;
        last_jump = before;
    }
    return true;
}

/* ---- entry -------------------------------------------------------------------------------- */

bool pithi_regex_compile(const char *pattern, pithi_regex *regex, void *block, const char **fault_out,
                         size_t *place_out)
{
    pithi_regex_compiler c = { .start = pattern, .at = pattern, .end = pattern + strlen(pattern) };
    if (block) {
        c.states = block;
        c.ranges = (pithi_regex_range *)(c.states + regex->n_states);
    }
    bool is_good = parse_alternatives(&c) && (at_end(&c) || fail(&c, "a closing bracket has no group")) &&
                   emit(&c, (pithi_regex_state){ .kind = PITHI_REGEX_END });
    *fault_out = c.fault;
    *place_out = (size_t)(c.at - c.start);
    if (is_good && !block) {
        regex->n_states = c.n_states;
        regex->n_ranges = c.n_ranges;
        regex->n_bytes = pithi_regex_block_bytes(c.n_states, c.n_ranges);
    }
    return is_good;
}
