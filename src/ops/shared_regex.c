/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler. Blocks of states jump by distances only, so a repetition is a copy of a block.
 * Syntax: https://github.com/google/re2/wiki/Syntax. Greediness and groups don't matter for a full match. */
#include "ops/shared_regex.h"

#include "ops/shared_regex_machine.h"
#include "ops/shared_unicode.h"

#define MAX_DEPTH 200
#define MAX_REPEAT 1000 /* as in RE2 */
#define MAX_POINT 0x10ffffu

typedef struct compiler {
    const char *start, *at, *end;
    pithi_regex_state *states; /* NULL while measuring, as ranges */
    pithi_regex_range *ranges;
    int n_states, n_ranges, depth;
    bool ignores_case, dot_is_all, is_multiline;
    const char *fault;
} compiler;

/* What a class is built from: ranges from `first` on, so far without negation. */
typedef struct class_builder {
    int first;
    bool is_negated;
} class_builder;

static bool fail(compiler *c, const char *fault)
{
    c->fault = c->fault ? c->fault : fault;
    return false;
}

static bool at_end(const compiler *c) { return c->at == c->end; }

static bool take(compiler *c, char wanted)
{
    if (at_end(c) || *c->at != wanted) {
        return false;
    }
    c->at++;
    return true;
}

static bool take_text(compiler *c, const char *wanted)
{
    size_t n_bytes = strlen(wanted);
    if ((size_t)(c->end - c->at) < n_bytes || memcmp(c->at, wanted, n_bytes) != 0) {
        return false;
    }
    c->at += n_bytes;
    return true;
}

static uint32_t take_point(compiler *c)
{
    size_t at = 0;
    uint32_t point = pithi_utf8_next(c->at, (size_t)(c->end - c->at), &at);
    c->at += at;
    return point;
}

/* ---- states ------------------------------------------------------------------------------- */

static bool emit(compiler *c, pithi_regex_state state)
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
static bool insert(compiler *c, int start, pithi_regex_state state)
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

static bool copy_block(compiler *c, int start, int length)
{
    for (int i = 0; i < length; i++) {
        if (!emit(c, c->states ? c->states[start + i] : (pithi_regex_state){ 0 })) {
            return false;
        }
    }
    return true;
}

static bool add_range(compiler *c, uint32_t low, uint32_t high)
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

static bool emit_class(compiler *c, const class_builder *class)
{
    return emit(c, (pithi_regex_state){ .kind = PITHI_REGEX_CLASS, .first = class->first,
                                        .second = c->n_ranges - class->first, .is_negated = class->is_negated,
                                        .ignores_case = c->ignores_case });
}

static bool emit_point(compiler *c, uint32_t point)
{
    class_builder class = { c->n_ranges, false };
    return add_range(c, point, point) && emit_class(c, &class);
}

/* ---- classes ------------------------------------------------------------------------------ */

typedef struct named_class {
    const char *name, *ranges; /* pairs of characters, ascending */
} named_class;

/* Perl's classes and POSIX's, which are ASCII in RE2. */
static const named_class perl[] = { { "d", "09" }, { "w", "09AZ__az" }, { "s", "\t\n\f\r  " } };
static const named_class posix[] = {
    { "alnum:]", "09AZaz" }, { "alpha:]", "AZaz" },   { "ascii:]", "\x01\x7f" }, { "blank:]", "\t\t  " },
    { "cntrl:]", "\x01\x1f\x7f\x7f" }, { "digit:]", "09" }, { "graph:]", "!~" }, { "lower:]", "az" },
    { "print:]", " ~" },     { "punct:]", "!/:@[`{~" }, { "space:]", "\t\r  " }, { "upper:]", "AZ" },
    { "word:]", "09AZ__az" }, { "xdigit:]", "09AFaf" },
};

/* The ranges of a named class, or what lies between them. */
static bool add_named(compiler *c, const named_class *class, bool is_negated)
{
    const char *pairs = class->ranges;
    bool has_zero = pairs[0] == 1; /* NUL can't stand in the table */
    uint32_t below = 0;
    for (int i = 0; pairs[i]; i += 2) {
        uint32_t low = has_zero && i == 0 ? 0 : (unsigned char)pairs[i], high = (unsigned char)pairs[i + 1];
        if (!is_negated && !add_range(c, low, high)) {
            return false;
        }
        if (is_negated && low > below && !add_range(c, below, low - 1)) {
            return false;
        }
        below = high + 1;
    }
    return !is_negated || add_range(c, below, MAX_POINT);
}

/* \d, \W and their like, the backslash taken; false if something else follows. */
static bool take_perl(compiler *c, bool *failed)
{
    char letter = at_end(c) ? '\0' : *c->at, low = (char)(letter | 0x20);
    for (int i = 0; i < PITH_COUNT(perl); i++) {
        if (letter != '\0' && perl[i].name[0] == low) {
            c->at++;
            *failed = !add_named(c, &perl[i], letter != low);
            return true;
        }
    }
    return false;
}

static int hex_digit(char letter)
{
    return letter >= '0' && letter <= '9' ? letter - '0'
           : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
           : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
}

/* \x7F, \x{10FFFF}; the x is taken. */
static bool take_hex(compiler *c, uint32_t *point_out)
{
    bool has_braces = take(c, '{');
    uint32_t point = 0;
    int n_digits = 0;
    for (; !at_end(c) && hex_digit(*c->at) >= 0 && (has_braces || n_digits < 2) && point <= MAX_POINT; n_digits++) {
        point = point * 16 + (uint32_t)hex_digit(*c->at++);
    }
    *point_out = point;
    bool is_good = (has_braces ? n_digits > 0 && take(c, '}') : n_digits == 2) && point <= MAX_POINT;
    return is_good || fail(c, "a \\x isn't followed by two digits or {digits} up to 10FFFF");
}

/* One character after a backslash. */
static bool take_escape(compiler *c, uint32_t *point_out)
{
    static const char letters[] = "aftnrv", values[] = "\a\f\t\n\r\v";
    if (at_end(c)) {
        return fail(c, "a backslash ends the pattern");
    }
    char letter = *c->at;
    const char *known = strchr(letters, letter);
    if (letter >= '0' && letter <= '7') { /* octal: \0 alone or with up to two digits, else three */
        uint32_t point = 0;
        int n_digits = 0;
        for (; n_digits < 3 && !at_end(c) && *c->at >= '0' && *c->at <= '7'; n_digits++) {
            point = point * 8 + (uint32_t)(*c->at++ - '0');
        }
        *point_out = point;
        return letter == '0' || n_digits == 3 || fail(c, "RE2 has no backreferences");
    }
    if (known) {
        c->at++;
        *point_out = (unsigned char)values[known - letters];
        return true;
    }
    if (letter == 'x') {
        c->at++;
        return take_hex(c, point_out);
    }
    bool is_word = hex_digit(letter) >= 0 || (letter >= 'g' && letter <= 'z') || (letter >= 'G' && letter <= 'Z') ||
                   letter == '_';
    if (is_word) {
        return fail(c, letter == 'p' || letter == 'P' ? "Unicode properties (\\p) aren't supported"
                                                      : "this escape isn't known");
    }
    *point_out = take_point(c);
    return true;
}

/* One end of a range. */
static bool take_class_point(compiler *c, uint32_t *point_out)
{
    if (at_end(c)) {
        return fail(c, "a class has no closing bracket");
    }
    if (take(c, '\\')) {
        return take_escape(c, point_out);
    }
    *point_out = take_point(c);
    return true;
}

static bool take_posix(compiler *c, bool *failed)
{
    if (!take_text(c, "[:")) {
        return false;
    }
    bool is_negated = take(c, '^');
    for (int i = 0; i < PITH_COUNT(posix); i++) {
        if (take_text(c, posix[i].name)) {
            *failed = !add_named(c, &posix[i], is_negated);
            return true;
        }
    }
    *failed = !fail(c, "this [:class:] isn't known");
    return true;
}

static bool take_class_item(compiler *c)
{
    uint32_t low, high;
    bool failed = false;
    const char *start = c->at;
    if (take_posix(c, &failed)) {
        return !failed;
    }
    if (take(c, '\\')) {
        if (take_perl(c, &failed)) {
            return !failed;
        }
        c->at = start;
    }
    if (!take_class_point(c, &low)) {
        return false;
    }
    high = low;
    bool is_range = c->end - c->at >= 2 && c->at[0] == '-' && c->at[1] != ']';
    if (is_range) {
        c->at++;
        if (!take_class_point(c, &high)) {
            return false;
        }
        if (high < low) {
            return fail(c, "a range of characters runs backwards");
        }
    }
    return add_range(c, low, high);
}

/* The bracket is taken. */
static bool parse_class(compiler *c)
{
    class_builder class = { c->n_ranges, take(c, '^') };
    bool is_first = true;
    while (is_first || !take(c, ']')) {
        if (at_end(c)) {
            return fail(c, "a class has no closing bracket");
        }
        if (!take_class_item(c)) {
            return false;
        }
        is_first = false;
    }
    return emit_class(c, &class);
}

/* ---- atoms -------------------------------------------------------------------------------- */

static bool parse_alternatives(compiler *c);

static bool emit_assertion(compiler *c, pithi_regex_place place)
{
    return emit(c, (pithi_regex_state){ .kind = PITHI_REGEX_ASSERT, .first = (int32_t)place });
}

/* Text between \Q and \E. */
static bool parse_quoted(compiler *c)
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
static bool parse_escape(compiler *c)
{
    static const struct {
        char letter;
        pithi_regex_place place;
    } places[] = { { 'A', PITHI_REGEX_TEXT_START }, { 'z', PITHI_REGEX_TEXT_END },
                   { 'b', PITHI_REGEX_WORD_EDGE },  { 'B', PITHI_REGEX_NO_WORD_EDGE } };
    class_builder class = { c->n_ranges, false };
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
    if (take_perl(c, &failed)) {
        return !failed && emit_class(c, &class);
    }
    return take_escape(c, &point) && emit_point(c, point);
}

/* (?flags) and (?flags:...): i, m, s, U, off behind "-". True if a group follows. */
static bool parse_flags(compiler *c, bool *has_group)
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

static bool skip_name(compiler *c)
{
    const char *start = c->at;
    while (!at_end(c) && *c->at != '>') {
        c->at++;
    }
    return (c->at > start && take(c, '>')) || fail(c, "a group's name is empty or has no end");
}

/* The bracket is taken. */
static bool parse_group(compiler *c)
{
    const compiler before = *c; /* flags hold up to the end of the group around */
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

static bool parse_dot(compiler *c)
{
    class_builder class = { c->n_ranges, true };
    return (c->dot_is_all || add_range(c, '\n', '\n')) && emit_class(c, &class);
}

static bool parse_atom(compiler *c)
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

static bool take_number(compiler *c, int *number_out)
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
static bool take_counts(compiler *c, int *least, int *most)
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

static bool jump(compiler *c, int distance)
{
    return emit(c, (pithi_regex_state){ .kind = PITHI_REGEX_SPLIT, .first = distance, .second = distance });
}

/* The block from `start` to the end `least` to `most` times. */
static bool repeat(compiler *c, int start, int least, int most)
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

static bool parse_repeated(compiler *c)
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

static bool parse_sequence(compiler *c)
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
static bool parse_alternatives(compiler *c)
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
    compiler c = { .start = pattern, .at = pattern, .end = pattern + strlen(pattern) };
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
