/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text and back. Floats get the fewest digits that give them back, plain from 1e-4 up to
 * 1e16 ("0.1", "100.0", "1e-05"), NaN, INF and -INF as the standard spells them. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/shared_cast.h"

#define TEXT_BYTES 40    /* of any number that is written */
#define NUMBER_BYTES 800 /* longest number that is read: no double needs more digits */

/* ---- to text ------------------------------------------------------------------------------ */

/* True if the text reads back as the same element. */
static bool reads_back(const char *text, double value, pith_dtype dtype)
{
    uint64_t bits[2] = { 0 };
    pith_tensor element = { .dtype = dtype, .data = bits };
    pithi_tensor_set_f64(&element, 0, strtod(text, NULL));
    return pithi_tensor_get_f64(&element, 0) == value;
}

/* "12.5", "100.0", "1e-05": plain from 1e-4 up to 1e16. */
static int write_float(double value, pith_dtype dtype, char text[TEXT_BYTES])
{
    char scientific[TEXT_BYTES], digits[24];
    int n_digits = 0, n_chars = 0;
    for (int precision = 0; precision < 17; precision++) {
        snprintf(scientific, sizeof scientific, "%.*e", precision, fabs(value));
        if (reads_back(scientific, fabs(value), dtype)) {
            break;
        }
    }
    const char *e = strchr(scientific, 'e');
    for (const char *at = scientific; at < e; at++) { /* the point depends on the locale of the process */
        if (isdigit((unsigned char)*at)) {
            digits[n_digits++] = *at;
        }
    }
    int exponent = atoi(e + 1);
    if (signbit(value)) {
        text[n_chars++] = '-';
    }
    if (exponent < -4 || exponent >= 16) {
        return n_chars + snprintf(text + n_chars, TEXT_BYTES - (size_t)n_chars, "%c%s%.*se%+03d", digits[0],
                                  n_digits > 1 ? "." : "", n_digits - 1, digits + 1, exponent);
    }
    /* Weights 10^w from the first digit (or 1) down to the last digit (or a tenth). */
    for (int w = exponent > 0 ? exponent : 0; w >= 0 || w > exponent - n_digits || w == -1; w--) {
        int index = exponent - w;
        text[n_chars++] = index >= 0 && index < n_digits ? digits[index] : '0';
        if (w == 0) {
            text[n_chars++] = '.';
        }
    }
    return n_chars;
}

static int write_number(const pith_tensor *x, int64_t index, char text[TEXT_BYTES])
{
    if (pithi_dtype_is_float(x->dtype)) {
        double value = pithi_tensor_get_f64(x, index);
        return isnan(value)   ? snprintf(text, TEXT_BYTES, "NaN")
               : isinf(value) ? snprintf(text, TEXT_BYTES, "%s", value < 0 ? "-INF" : "INF")
                              : write_float(value, x->dtype, text);
    }
    int64_t value = pithi_tensor_get_s64(x, index);
    if (x->dtype == PITH_DTYPE_BOOL) {
        return snprintf(text, TEXT_BYTES, "%s", value ? "True" : "False");
    }
    return x->dtype == PITH_DTYPE_U64 ? snprintf(text, TEXT_BYTES, "%llu", (unsigned long long)value)
                                      : snprintf(text, TEXT_BYTES, "%lld", (long long)value);
}

/* ---- from text ---------------------------------------------------------------------------- */

static bool is_word(const char *text, const char *lower)
{
    while (*lower && tolower((unsigned char)*text) == *lower) {
        text++;
        lower++;
    }
    return *text == *lower;
}

/* A terminated copy without white space around; with the point of the process's locale. */
static bool trim(const pith_string *string, char text[NUMBER_BYTES])
{
    char half[8];
    size_t begin = 0, end = string->n_bytes;
    while (begin < end && isspace((unsigned char)string->data[begin])) {
        begin++;
    }
    while (end > begin && isspace((unsigned char)string->data[end - 1])) {
        end--;
    }
    if (end == begin || end - begin >= NUMBER_BYTES) {
        return false;
    }
    snprintf(half, sizeof half, "%.1f", 0.5);
    for (size_t i = begin; i < end; i++) {
        char letter = string->data[i];
        text[i - begin] = letter == '.' ? half[1] : letter;
    }
    text[end - begin] = '\0';
    return true;
}

static bool read_whole(const char *text, pith_tensor *y, int64_t index)
{
    size_t n_sign = *text == '-' || *text == '+';
    if (text[n_sign] == '\0' || strspn(text + n_sign, "0123456789") != strlen(text + n_sign)) {
        return false;
    }
    int64_t value = y->dtype == PITH_DTYPE_U64 && *text != '-' ? (int64_t)strtoull(text, NULL, 10)
                                                               : strtoll(text, NULL, 10);
    pithi_tensor_set_s64(y, index, value);
    return true;
}

static bool read_float(const char *text, pith_tensor *y, int64_t index)
{
    const char *word = text + (*text == '-' || *text == '+');
    char *end = NULL;
    bool is_special = is_word(word, "nan") || is_word(word, "inf") || is_word(word, "infinity");
    if (!is_special && (strpbrk(word, "xXpPnN") || !strpbrk(word, "0123456789"))) {
        return false; /* C reads hexadecimal floats and nan(...), the standard doesn't have them */
    }
    double value = y->dtype == PITH_DTYPE_F32 ? (double)strtof(text, &end) : strtod(text, &end);
    if (*end != '\0') {
        return false;
    }
    pithi_tensor_set_f64(y, index, value);
    return true;
}

static bool read_number(const pith_string *string, pith_tensor *y, int64_t index)
{
    char text[NUMBER_BYTES];
    if (!trim(string, text)) {
        return false;
    }
    if (y->dtype == PITH_DTYPE_BOOL && (is_word(text, "true") || is_word(text, "false"))) {
        pithi_tensor_set_s64(y, index, is_word(text, "true"));
        return true;
    }
    return (!pithi_dtype_is_float(y->dtype) && read_whole(text, y, index)) || read_float(text, y, index);
}

void pithi_cast_text(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    char text[TEXT_BYTES];
    for (int64_t i = 0; i < pith_shape_elements(&y->shape); i++) {
        if (x->dtype != PITH_DTYPE_STRING) {
            int n_bytes = write_number(x, i, text);
            if (!pithi_run_string(run, text, (size_t)n_bytes, (pith_string *)y->data + i)) {
                return;
            }
        } else if (y->dtype == PITH_DTYPE_STRING) {
            ((pith_string *)y->data)[i] = ((const pith_string *)x->data)[i];
        } else if (!read_number((const pith_string *)x->data + i, y, i)) {
            const pith_string *string = (const pith_string *)x->data + i;
            pithi_run_fault(run, "string %lld, '%.*s', is no number", (long long)i,
                            string->n_bytes > 40 ? 40 : (int)string->n_bytes, string->n_bytes ? string->data : "");
            pithi_tensor_set_s64(y, i, 0);
        }
    }
}
