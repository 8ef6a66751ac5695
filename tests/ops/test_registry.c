/* SPDX-License-Identifier: Apache-2.0 */
/* Operators are found by name and by spelling, in whatever order they are looked at. */
#include "ops/op.h"
#include "support/test.h"

static void test_names(pith_test *test)
{
    pith_test_case(test, "operators are sorted by name, and found by it");
    for (int i = 0; i < pithi_op_count(); i++) {
        const char *name = pithi_op_at(i)->head.name;
        TEST_CHECK_MESSAGE(test, i == 0 || strcmp(pithi_op_at(i - 1)->head.name, name) < 0, "%s is out of order", name);
        TEST_CHECK_MESSAGE(test, pithi_op_find(name) == pithi_op_at(i), "%s isn't found", name);
    }
    TEST_CHECK(test, !pithi_op_find("") && !pithi_op_find("conv_") && !pithi_op_find("~"));
}

static bool has_spelling(const pith_op *op, const pith_spelling *wanted)
{
    for (int k = 0; k < op->n_spellings; k++) {
        const pith_spelling *spelling = &op->spellings[k];
        if (pithi_same_text(spelling->name, wanted->name) && pithi_same_text(spelling->domain, wanted->domain) &&
            pithi_same_text(spelling->format, wanted->format)) {
            return true;
        }
    }
    return false;
}

static void test_spellings(pith_test *test)
{
    pith_test_case(test, "spellings are one operator's, and found");
    for (int i = 0; i < pithi_op_count(); i++) {
        const pith_op *op = pithi_op_at(i);
        for (int k = 0; k < op->n_spellings; k++) {
            const pith_spelling *s = &op->spellings[k], *found = NULL;
            int since = 0;
            TEST_CHECK_MESSAGE(test, pithi_op_spelled(s->format, s->domain, s->name, s->since, &found, &since) == op &&
                                         found == s && since <= s->since, "%s %d isn't found", s->name, s->since);
            for (int other = i + 1; other < pithi_op_count(); other++) {
                TEST_CHECK_MESSAGE(test, !has_spelling(pithi_op_at(other), s), "%s is also %s", s->name,
                                   pithi_op_at(other)->head.name);
            }
        }
    }
}

static void test_unknown(pith_test *test)
{
    const pith_spelling *spelling = NULL;
    int since = 0;
    pith_test_case(test, "an opset before the first one, and names that nobody has");
    TEST_CHECK(test, !pithi_op_spelled("onnx", "", "Det", 10, &spelling, &since) && !spelling);
    TEST_CHECK(test, since == 11);
    TEST_CHECK(test, !pithi_op_spelled("onnx", "", "Zorn", 20, &spelling, &since) && !spelling && since == 0);
    TEST_CHECK(test, !pithi_op_spelled("onnx", "", "", 20, &spelling, &since) && !spelling && since == 0);
}

void test_registry(pith_test *test)
{
    test_names(test);
    test_spellings(test);
    test_unknown(test);
}
