/* SPDX-License-Identifier: Apache-2.0 */
/* Text: regular expressions (expected results from Python's re), letter case (Python's str), numbers as text
 * (numpy); see tools/make_string_cases.py. */
#include <math.h>
#include <stdlib.h>

#include "graph/attrs.h"
#include "graph/object.h"
#include "ops/op.h"
#include "ops/shared_regex.h"
#include "ops/shared_unicode.h"
#include "support/test.h"

/* ---- regular expressions ------------------------------------------------------------------ */

static const struct {
    const char *pattern, *text;
    bool matches;
} matches[] = {
#include "strings_regex.inc"
};

static const struct {
    const char *pattern, *part;
} bad_patterns[] = {
    { "(", "no closing bracket" }, { ")", "closing bracket has no group" }, { "[a", "no closing bracket" },
    { "a**", "follows a repetition" }, { "*a", "nothing to repeat" }, { "a{3,2}", "must ascend" },
    { "a{1001}", "at most 1000" }, { "\\1", "backreferences" }, { "(?=a)", "this group" }, { "(?<=a)", "this group" },
    { "[z-a]", "backwards" }, { "\\p{Nope}", "no general category" }, { "\\p{Greek", "no general category" },
    { "\\x{110000}", "10FFFF" }, { "\\", "backslash ends" },
    { "[[:what:]]", "isn't known" }, { "((a{1000}){1000})", "20000 states" }, { "(((){1000}){1000}){1000}", "states" },
    { "(?P<>a)", "name" },
};

/* Unicode's classes: bit k of what RE2 says of text k. */
static const char *const class_texts[] = {
    "a", "Ab", "\316\261\316\262\316\263", "\316\251\316\274\316\255\316\263\316\2611", "\303\251",
    "\346\274\242\345\255\227", "\331\2434", "\342\202\254", "+", "\321\217 !", "\314\201\340\244\203",
    "\360\220\220\200\360\220\220\250", "", "\304\260", "\307\205", "_",
};
static const struct {
    const char *pattern;
    unsigned matches;
} class_patterns[] = {
    { "\\pL+", 0x6837 }, { "\\p{Lu}\\p{Ll}*", 0x2802 }, { "\\P{L}", 0x8180 }, { "\\p{^L}", 0x8180 },
    { "\\P{^L}", 0x6011 }, { "[\\p{Greek}\\pN]+", 0x4c }, { "[^\\p{Latin}]+", 0x8fec }, { "\\p{Han}+", 0x20 },
    { "\\p{Nd}*", 0x1040 }, { "(?i)\\p{Lu}+", 0x6817 }, { "\\p{Any}", 0xe191 }, { "[\\P{Latin}a]+", 0x8fed },
    { "\\p{Sm}|\\p{Sc}", 0x180 }, { "\\p{Cyrillic}\\pZ\\p{Common}", 0x200 }, { "\\pM*", 0x1400 },
};

static bool run_regex(pith_test *test, const char *pattern, const char *text)
{
    pithi_regex regex = { 0 };
    const char *fault = NULL;
    size_t place = 0;
    bool is_good = pithi_regex_compile(pattern, &regex, NULL, &fault, &place);
    void *block = malloc(regex.n_bytes + 1);
    TEST_CHECK_MESSAGE(test, is_good && pithi_regex_compile(pattern, &regex, block, &fault, &place), "%s: %s", pattern,
                       fault ? fault : "");
    bool result = is_good && pithi_regex_matches(&regex, block, text, strlen(text));
    free(block);
    return result;
}

static void test_regex(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(matches); i++) {
        pith_test_case(test, "regex %d: %s on \"%s\"", i, matches[i].pattern, matches[i].text);
        TEST_CHECK(test, run_regex(test, matches[i].pattern, matches[i].text) == matches[i].matches);
    }
    for (int i = 0; i < PITH_COUNT(class_patterns); i++) {
        pith_test_case(test, "regex of classes: %s", class_patterns[i].pattern);
        for (int k = 0; k < PITH_COUNT(class_texts); k++) {
            bool wanted = class_patterns[i].matches >> k & 1u;
            TEST_CHECK_MESSAGE(test, run_regex(test, class_patterns[i].pattern, class_texts[k]) == wanted,
                               "\"%s\" should be %d", class_texts[k], wanted);
        }
    }
    for (int i = 0; i < PITH_COUNT(bad_patterns); i++) {
        pithi_regex regex;
        const char *fault = "";
        size_t place;
        pith_test_case(test, "regex refused: %s", bad_patterns[i].pattern);
        TEST_CHECK(test, !pithi_regex_compile(bad_patterns[i].pattern, &regex, NULL, &fault, &place));
        TEST_CHECK_MESSAGE(test, strstr(fault, bad_patterns[i].part), "the fault is \"%s\"", fault);
    }
    pith_test_case(test, "regex: no backtracking");
    char text[2001];
    memset(text, 'a', 2000);
    text[2000] = '\0';
    TEST_CHECK(test, !run_regex(test, "(a*)*(a|aa)*(a*)*b", text));
    TEST_CHECK(test, run_regex(test, "(a?){100}a*", text));
}

/* ---- letter case -------------------------------------------------------------------------- */

static void test_case_mapping(pith_test *test)
{
    static const struct {
        const char *text, *lower, *upper;
    } cases[] = {
#include "strings_case.inc"
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        const char *wanted[] = { [PITHI_CASE_LOWER] = cases[i].lower, [PITHI_CASE_UPPER] = cases[i].upper };
        pith_test_case(test, "letter case of %s", cases[i].text);
        for (int k = PITHI_CASE_LOWER; k <= PITHI_CASE_UPPER; k++) {
            char out[200];
            size_t n = pithi_unicode_convert(cases[i].text, strlen(cases[i].text), (pithi_case)k, false, out);
            TEST_CHECK_MESSAGE(test, n == strlen(wanted[k]) && memcmp(out, wanted[k], n) == 0, "%.*s, wanted %s",
                               (int)n, out, wanted[k]);
        }
    }
    pith_test_case(test, "the Turkish i");
    char out[20];
    TEST_CHECK(test, pithi_unicode_convert("Ii", 2, PITHI_CASE_LOWER, true, out) == 3 && !memcmp(out, "\xc4\xb1i", 3));
    TEST_CHECK(test, pithi_unicode_convert("Ii", 2, PITHI_CASE_UPPER, true, out) == 3 && !memcmp(out, "I\xc4\xb0", 3));
    pith_test_case(test, "bytes that are no UTF-8");
    TEST_CHECK(test, pithi_unicode_convert("\xff\xc3", 2, PITHI_CASE_LOWER, false, out) == 6);
}

/* ---- numbers as text ---------------------------------------------------------------------- */

static const struct {
    pith_dtype dtype;
    double value;
    const char *text;
} numbers[] = {
#include "strings_numbers.inc"
};

static pith_status cast_one(pith_test *test, pithi_arena *heap, const pith_tensor *x, pith_tensor *y)
{
    pith_node node = { .op = pithi_op_find("cast"), .name = "", .source_op = "Cast" };
    PITH_TRY(pithi_attrs_new(&node.op->head, heap, &node.attrs));
    pith_status status = pithi_attr_set_int(test->ctx, &node, "to", y->dtype);
    return status == PITH_OK ? pithi_op_eval_into(heap, &node, x, 1, y, 1) : status;
}

static void test_numbers(pith_test *test)
{
    pithi_arena heap = { .ctx = test->ctx };
    for (int i = 0; i < PITH_COUNT(numbers); i++) {
        uint64_t bits = 0, back = 0;
        pith_string string = { 0 };
        pith_tensor number = { .dtype = numbers[i].dtype, .data = &bits };
        pith_tensor text = { .dtype = PITH_DTYPE_STRING, .data = &string };
        pith_tensor again = { .dtype = numbers[i].dtype, .data = &back };
        pith_test_case(test, "%s as text: %s", pith_dtype_name(numbers[i].dtype), numbers[i].text);
        pithi_tensor_set_f64(&number, 0, numbers[i].value);
        TEST_OK(test, cast_one(test, &heap, &number, &text));
        TEST_CHECK_MESSAGE(test, string.n_bytes == strlen(numbers[i].text) &&
                                     memcmp(string.data, numbers[i].text, string.n_bytes) == 0,
                           "is %.*s", (int)string.n_bytes, string.data);
        TEST_OK(test, cast_one(test, &heap, &text, &again));
        TEST_CHECK(test, bits == back || numbers[i].value != numbers[i].value);
    }
    static const char *const bad[] = { "", "  ", "hello", "1.5.2", "0x10", "nan(1)", "1e", "- 1" };
    for (int i = 0; i < PITH_COUNT(bad); i++) {
        float value;
        pith_string string = { bad[i], strlen(bad[i]) };
        pith_tensor text = { .dtype = PITH_DTYPE_STRING, .data = &string };
        pith_tensor number = { .dtype = PITH_DTYPE_F32, .data = &value };
        pith_test_case(test, "no number: '%s'", bad[i]);
        TEST_STATUS(test, cast_one(test, &heap, &text, &number), PITH_STATUS_ARG, "is no number");
    }
    pithi_arena_deinit(&heap);
}

void test_strings(pith_test *test)
{
    test_regex(test);
    test_case_mapping(test);
    test_numbers(test);
}
