/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_unicode.h"

#include "ops/shared_unicode_classes.h"
#include "ops/shared_unicode_data.h"

#define REPLACEMENT 0xfffdu

/* ---- UTF-8 (RFC 3629) --------------------------------------------------------------------- */

uint32_t pithi_utf8_next(const char *text, size_t n_bytes, size_t *at)
{
    static const uint32_t smallest[] = { 0, 0x80, 0x800, 0x10000 };
    unsigned char first = (unsigned char)text[(*at)++];
    size_t n_more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : 3;
    if (n_more == 0) {
        return first;
    }
    if (first < 0xc2 || first > 0xf4 || n_bytes - *at < n_more) {
        return REPLACEMENT;
    }
    uint32_t point = first & (0x3fu >> n_more);
    for (size_t i = 0; i < n_more; i++) {
        unsigned char next = (unsigned char)text[*at + i];
        if ((next & 0xc0) != 0x80) {
            return REPLACEMENT;
        }
        point = point << 6 | (next & 0x3f);
    }
    if (point < smallest[n_more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
        return REPLACEMENT;
    }
    *at += n_more;
    return point;
}

size_t pithi_utf8_put(uint32_t point, char text[PITHI_UTF8_MAX])
{
    size_t n_more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = { 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n_more; i > 0; i--) {
        text[i] = (char)(unsigned char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    text[0] = (char)(unsigned char)(leads[n_more] | point);
    return n_more + 1;
}

/* ---- case --------------------------------------------------------------------------------- */

static uint32_t map_point(const case_range *ranges, int n_ranges, uint32_t point)
{
    int low = 0, high = n_ranges; /* ranges[low..high-1] may hold it; steps of 2 leave gaps, so neighbours overlap */
    while (low < high) {
        int middle = (low + high) / 2;
        const case_range *range = &ranges[middle];
        if (point < range->first) {
            high = middle;
        } else if (point > range->last) {
            low = middle + 1;
        } else {
            bool is_in = (point - range->first) % (uint32_t)range->step == 0;
            return is_in ? (uint32_t)((int32_t)point + range->delta) : point;
        }
    }
    return point;
}

uint32_t pithi_unicode_lower(uint32_t point) { return map_point(to_lower, PITH_COUNT(to_lower), point); }
uint32_t pithi_unicode_upper(uint32_t point) { return map_point(to_upper, PITH_COUNT(to_upper), point); }

bool pithi_unicode_is_space(uint32_t point)
{
    static const uint16_t others[] = { 0x20, 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000 };
    bool is_space = (point >= 9 && point <= 13) || (point >= 0x2000 && point <= 0x200a);
    for (int i = 0; i < PITH_COUNT(others); i++) {
        is_space |= point == others[i];
    }
    return is_space;
}

static bool is_letter(uint32_t point) /* one with case */
{
    return pithi_unicode_lower(point) != point || pithi_unicode_upper(point) != point;
}

/* A sigma that ends a word has a form of its own (SpecialCasing.txt, Final_Sigma). */
static bool ends_word(const char *text, size_t n_bytes, size_t at, uint32_t before)
{
    return is_letter(before) && (at == n_bytes || !is_letter(pithi_utf8_next(text, n_bytes, &at)));
}

/* Code points of `point` in the other case. */
static int map_full(uint32_t point, bool to_upper_case, uint32_t to[3])
{
    const case_full *list = to_upper_case ? to_full_upper : to_full_lower;
    int n_list = to_upper_case ? PITH_COUNT(to_full_upper) : PITH_COUNT(to_full_lower);
    for (int i = 0; i < n_list; i++) {
        if (list[i].from == point) {
            int count = 0;
            for (; count < 3 && list[i].to[count]; count++) {
                to[count] = list[i].to[count];
            }
            return count;
        }
    }
    to[0] = to_upper_case ? pithi_unicode_upper(point) : pithi_unicode_lower(point);
    return 1;
}

/* The i of Turkish and Azeri; 0: any other letter. */
static uint32_t map_turkic(uint32_t point, bool to_upper_case)
{
    if (to_upper_case) {
        return point == 'i' ? 0x130 : 0;
    }
    return point == 'I' ? 0x131 : point == 0x130 ? 'i' : 0;
}

size_t pithi_unicode_convert(const char *text, size_t n_bytes, pithi_case to_case, bool is_turkic, char *to)
{
    size_t at = 0, n_out = 0;
    bool to_upper_case = to_case == PITHI_CASE_UPPER;
    uint32_t before = ' ';
    while (at < n_bytes) {
        uint32_t mapped[3], point = pithi_utf8_next(text, n_bytes, &at);
        int count = 1;
        mapped[0] = is_turkic ? map_turkic(point, to_upper_case) : 0;
        if (to_case == PITHI_CASE_NONE) {
            mapped[0] = point;
        } else if (!to_upper_case && point == 0x3a3 && ends_word(text, n_bytes, at, before)) {
            mapped[0] = 0x3c2;
        } else if (mapped[0] == 0) {
            count = map_full(point, to_upper_case, mapped);
        }
        for (int i = 0; i < count; i++) {
            char bytes[PITHI_UTF8_MAX];
            size_t n = pithi_utf8_put(mapped[i], bytes);
            if (to) {
                memcpy(to + n_out, bytes, n);
            }
            n_out += n;
        }
        before = point;
    }
    return n_out;
}

/* ---- classes ------------------------------------------------------------------------------ */

bool pithi_unicode_find_class(const char *name, size_t n_bytes, pithi_unicode_class *class_out)
{
    *class_out = (pithi_unicode_class){ .at = category_runs, .end = category_runs + sizeof category_runs,
                                        .number = -1 };
    if (n_bytes == 3 && memcmp(name, "Any", 3) == 0) {
        return true;
    }
    for (int i = 0; n_bytes <= 2 && i < (int)sizeof CATEGORIES - 1; i += 2) {
        if (n_bytes > 0 && memcmp(&CATEGORIES[i], name, n_bytes) == 0) {
            class_out->group = n_bytes == 1 ? name[0] : 0;
            class_out->number = i / 2;
            return true;
        }
    }
    *class_out = (pithi_unicode_class){ .at = script_runs, .end = script_runs + sizeof script_runs, .is_script = true };
    for (const char *at = script_names; *at; at += strcspn(at, ",") + 1) {
        class_out->number++;
        if (strcspn(at, ",") == n_bytes && memcmp(at, name, n_bytes) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t read_length(pithi_unicode_class *class)
{
    uint32_t length = 0;
    int shift = 0;
    do {
        length |= (uint32_t)(*class->at & 0x7f) << shift;
        shift += 7;
    } while (*class->at++ & 0x80);
    return length;
}

static bool has_number(const pithi_unicode_class *class, int number)
{
    bool is_category = !class->is_script && 2 * number < (int)sizeof CATEGORIES - 1;
    return class->number < 0 || number == class->number ||
           (class->group && is_category && CATEGORIES[2 * number] == class->group);
}

bool pithi_unicode_next_run(pithi_unicode_class *class, uint32_t *low, uint32_t *high)
{
    while (class->n_in_turns > 0 || class->at < class->end) {
        uint32_t length = 1;
        bool is_in;
        if (class->n_in_turns > 0) { /* the number left is even in front of an Lu */
            is_in = has_number(class, class->n_in_turns-- % 2 == 0 ? UPPER : LOWER);
        } else {
            int number = class->is_script ? *class->at++ : *class->at >> 3;
            length = class->is_script                ? read_length(class)
                     : (*class->at & LONG) == LONG ? (class->at++, read_length(class))
                                                     : (uint32_t)(*class->at++ & LONG) + 1;
            if (number == IN_TURNS && !class->is_script) {
                class->n_in_turns = length;
                continue;
            }
            is_in = has_number(class, number);
        }
        *low = class->next;
        class->next += length;
        *high = class->next - 1;
        if (is_in) {
            return true;
        }
    }
    return false;
}
