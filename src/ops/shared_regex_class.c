/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of characters and escapes. */
#include "ops/shared_regex_compiler.h"

#define MAX_POINT 0x10ffffu

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
static bool add_named(pithi_regex_compiler *c, const named_class *class, bool is_negated)
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
static bool take_perl(pithi_regex_compiler *c, bool *failed)
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

/* The runs of a class of Unicode, or what lies between them. */
static bool add_unicode(pithi_regex_compiler *c, pithi_unicode_class *class, bool is_negated)
{
    uint32_t low, high, start = 0, end = 0; /* start..end-1: what is known so far */
    bool is_good = true;
    while (is_good && pithi_unicode_next_run(class, &low, &high)) {
        if (low == end && !is_negated) {
            end = high + 1;
            continue;
        }
        if (is_negated) {
            is_good = low <= end || add_range(c, end, low - 1);
        } else {
            is_good = end == start || add_range(c, start, end - 1);
            start = low;
        }
        end = high + 1;
    }
    if (is_negated) {
        return is_good && (end > MAX_POINT || add_range(c, end, MAX_POINT));
    }
    return is_good && (end == start || add_range(c, start, end - 1));
}

/* \pL, \p{Greek}, \P{Lu}, \p{^Lu}, the backslash taken; false if something else follows. */
static bool take_unicode(pithi_regex_compiler *c, bool *failed)
{
    if (at_end(c) || (*c->at != 'p' && *c->at != 'P')) {
        return false;
    }
    bool is_negated = *c->at++ == 'P';
    const char *name = c->at, *end = at_end(c) ? c->at : c->at + 1;
    if (take(c, '{')) {
        is_negated = take(c, '^') != is_negated;
        name = c->at;
        end = memchr(name, '}', (size_t)(c->end - name));
    }
    pithi_unicode_class class;
    *failed = true;
    if (!end || !pithi_unicode_find_class(name, (size_t)(end - name), &class)) {
        fail(c, "this \\p is no general category and no script of Unicode");
        return true;
    }
    c->at = end + (c->at[-1] == '{' || c->at[-1] == '^');
    *failed = !add_unicode(c, &class, is_negated);
    return true;
}

bool pithi_regex_take_class(pithi_regex_compiler *c, bool *failed)
{
    return take_perl(c, failed) || take_unicode(c, failed);
}

static int hex_digit(char letter)
{
    return letter >= '0' && letter <= '9' ? letter - '0'
           : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
           : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
}

/* \x7F, \x{10FFFF}; the x is taken. */
static bool take_hex(pithi_regex_compiler *c, uint32_t *point_out)
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

bool pithi_regex_take_escape(pithi_regex_compiler *c, uint32_t *point_out)
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
        return fail(c, "this escape isn't known");
    }
    *point_out = take_point(c);
    return true;
}

/* One end of a range. */
static bool take_class_point(pithi_regex_compiler *c, uint32_t *point_out)
{
    if (at_end(c)) {
        return fail(c, "a class has no closing bracket");
    }
    if (take(c, '\\')) {
        return pithi_regex_take_escape(c, point_out);
    }
    *point_out = take_point(c);
    return true;
}

static bool take_posix(pithi_regex_compiler *c, bool *failed)
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

static bool take_class_item(pithi_regex_compiler *c)
{
    uint32_t low, high;
    bool failed = false;
    const char *start = c->at;
    if (take_posix(c, &failed)) {
        return !failed;
    }
    if (take(c, '\\')) {
        if (pithi_regex_take_class(c, &failed)) {
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

bool pithi_regex_take_brackets(pithi_regex_compiler *c, pithi_regex_class *class_out)
{
    *class_out = (pithi_regex_class){ c->n_ranges, take(c, '^') };
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
    return true;
}
