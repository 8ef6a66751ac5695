/* SPDX-License-Identifier: Apache-2.0 */
/* Words and numbers of the text form. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "import/text/text.h"

#define MAX_NUMBER 63 /* characters of a number */

pith_status pithi_scan_fail(const pithi_scan *scan, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    PITH_FAIL(scan->ctx, PITH_STATUS_FORMAT, "line %d: %s", scan->line, what);
}

void pithi_scan_blanks(pithi_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r')) {
        scan->at++;
    }
    if (scan->at < scan->end && *scan->at == ';') {
        while (scan->at < scan->end && *scan->at != '\n') {
            scan->at++;
        }
    }
}

char pithi_scan_peek(pithi_scan *scan)
{
    pithi_scan_blanks(scan);
    return scan->at < scan->end ? *scan->at : '\0';
}

bool pithi_scan_take(pithi_scan *scan, char c)
{
    pithi_scan_blanks(scan);
    if (scan->at < scan->end && *scan->at == c) {
        scan->at++;
        return true;
    }
    return false;
}

pith_status pithi_scan_expect(pithi_scan *scan, char c)
{
    if (pithi_scan_take(scan, c)) {
        return PITH_OK;
    }
    if (scan->at == scan->end || *scan->at == '\n') {
        return pithi_scan_fail(scan, "'%c' is missing at the end of the line", c);
    }
    bool is_visible = *scan->at > 0x20 && *scan->at < 0x7f;
    return pithi_scan_fail(scan, "'%c' is missing in front of '%c'", c, is_visible ? *scan->at : '?');
}

pith_status pithi_scan_line_end(pithi_scan *scan)
{
    pithi_scan_blanks(scan);
    if (scan->at < scan->end && *scan->at != '\n') {
        bool is_visible = *scan->at > 0x20 && *scan->at < 0x7f;
        return pithi_scan_fail(scan, "the statement should end in front of '%c'", is_visible ? *scan->at : '?');
    }
    return PITH_OK;
}

bool pithi_scan_next_line(pithi_scan *scan)
{
    for (;;) {
        pithi_scan_blanks(scan);
        if (scan->at == scan->end) {
            return false;
        }
        if (*scan->at != '\n') {
            return true;
        }
        scan->at++;
        scan->line++;
    }
}

pithi_word pithi_scan_bare(pithi_scan *scan)
{
    pithi_scan_blanks(scan);
    pithi_word word = { scan->at, 0 };
    while (scan->at < scan->end && (isalnum((unsigned char)*scan->at) || (*scan->at && strchr("_./-", *scan->at)))) {
        scan->at++;
    }
    word.n_bytes = (size_t)(scan->at - word.text);
    return word;
}

bool pithi_word_is(pithi_word word, const char *text)
{
    return strlen(text) == word.n_bytes && memcmp(word.text, text, word.n_bytes) == 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

pith_status pithi_scan_quoted(pithi_scan *scan, pithi_arena *arena, const char **text_out, size_t *n_bytes_out)
{
    PITH_TRY(pithi_scan_expect(scan, '"'));
    const char *start = scan->at, *end = start;
    while (end < scan->end && *end != '"' && *end != '\n') {
        end++;
    }
    if (end == scan->end || *end == '\n') {
        return pithi_scan_fail(scan, "a quoted text doesn't end");
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(arena, (size_t)(end - start) + 1, &block));
    char *text = block;
    size_t n_bytes = 0;
    for (const char *at = start; at < end; at++) {
        text[n_bytes] = *at;
        if (*at == '\\') {
            int high = end - at > 3 && at[1] == 'x' ? hex_digit(at[2]) : -1;
            int low = high >= 0 ? hex_digit(at[3]) : -1;
            if (low < 0) {
                return pithi_scan_fail(scan, "after a backslash stands x and two small hexadecimal digits");
            }
            text[n_bytes] = (char)(high * 16 + low);
            at += 3;
        }
        n_bytes++;
    }
    scan->at = end + 1;
    *text_out = text;
    *n_bytes_out = n_bytes;
    return PITH_OK;
}

pith_status pithi_scan_word(pithi_scan *scan, pithi_arena *arena, const char **text_out)
{
    size_t n_bytes = 0;
    if (pithi_scan_peek(scan) != '"') {
        pithi_word word = pithi_scan_bare(scan);
        if (word.n_bytes == 0) {
            return pithi_scan_fail(scan, "a name is missing");
        }
        return pithi_arena_text(arena, word.text, word.n_bytes, text_out);
    }
    PITH_TRY(pithi_scan_quoted(scan, arena, text_out, &n_bytes));
    return strlen(*text_out) == n_bytes ? PITH_OK : pithi_scan_fail(scan, "a name holds a zero byte");
}

/* The characters of a number, terminated. */
static pith_status number_text(pithi_scan *scan, char text[MAX_NUMBER + 1])
{
    size_t n_bytes = 0;
    pithi_scan_blanks(scan);
    while (scan->at < scan->end && n_bytes <= MAX_NUMBER &&
           (isalnum((unsigned char)*scan->at) || *scan->at == '+' || *scan->at == '-' || *scan->at == '.')) {
        text[n_bytes < MAX_NUMBER ? n_bytes : MAX_NUMBER - 1] = *scan->at++;
        n_bytes++;
    }
    if (n_bytes == 0 || n_bytes > MAX_NUMBER) {
        return pithi_scan_fail(scan, n_bytes ? "a number is longer than %d characters" : "a number is missing",
                               MAX_NUMBER);
    }
    text[n_bytes] = '\0';
    return PITH_OK;
}

static pith_status whole(pithi_scan *scan, bool may_be_negative, bool *negative_out, uint64_t *value_out)
{
    char text[MAX_NUMBER + 1];
    PITH_TRY(number_text(scan, text));
    const char *digit = text;
    uint64_t value = 0;
    *negative_out = may_be_negative && *digit == '-';
    digit += *negative_out;
    bool fits = *digit != '\0';
    for (; fits && *digit; digit++) {
        fits = *digit >= '0' && *digit <= '9' && !__builtin_mul_overflow(value, 10u, &value) &&
               !__builtin_add_overflow(value, (uint64_t)(*digit - '0'), &value);
    }
    *value_out = value;
    return fits ? PITH_OK : pithi_scan_fail(scan, "'%s' is no whole number of 64 bits", text);
}

pith_status pithi_scan_s64(pithi_scan *scan, int64_t *value_out)
{
    uint64_t value = 0;
    bool negative = false;
    PITH_TRY(whole(scan, true, &negative, &value));
    if (value > (uint64_t)INT64_MAX + negative) {
        return pithi_scan_fail(scan, "a number doesn't fit 64 bits with a sign");
    }
    *value_out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return PITH_OK;
}

pith_status pithi_scan_u64(pithi_scan *scan, uint64_t *value_out)
{
    bool negative = false;
    return whole(scan, false, &negative, value_out);
}

pith_status pithi_scan_f64(pithi_scan *scan, double *value_out)
{
    char text[MAX_NUMBER + 1], *end = NULL;
    PITH_TRY(number_text(scan, text));
    *value_out = strtod(text, &end);
    return *end == '\0' ? PITH_OK : pithi_scan_fail(scan, "'%s' is no number", text);
}

pith_status pithi_scan_hash(pithi_scan *scan, uint64_t *value_out)
{
    *value_out = 0;
    for (int i = 0; i < 16; i++) {
        int digit = scan->at < scan->end ? hex_digit(*scan->at) : -1;
        if (digit < 0) {
            return pithi_scan_fail(scan, "a hash has 16 hexadecimal digits");
        }
        *value_out = *value_out << 4 | (uint64_t)digit;
        scan->at++;
    }
    return PITH_OK;
}
