/* SPDX-License-Identifier: Apache-2.0 */
/* Steps write to their results and their scratch memory only: values that lie in the arena meanwhile, at its beginning
 * too, are read after the step. */
#include <stdio.h>

#include "support/graph_text.h"

/* A resize that leaves rows, columns or both as they are: each row of the result is made of one, so none is kept, and
 * no scratch memory is there to write to. */
static void test_resize(pith_test *test)
{
    static const char *const sizes[] = { "1,4,6,7", "1,4,6,14", "1,4,12,7", "1,4,6,3", "1,4,12,14" };
    static const char *const modes[] = { "linear", "cubic", "nearest" };
    for (int i = 0; i < PITH_COUNT(sizes); i++) {
        for (int k = 0; k < PITH_COUNT(modes); k++) {
            char text[800];
            pith_test_case(test, "resize to %s, %s", sizes[i], modes[k]);
            snprintf(text, sizeof text,
                     "input x f32[1,4,6,7]\n"
                     "const w f32[4,4,1,1]\n"
                     "a = conv x w\n"
                     "const sizes s64[4]{%s}\n"
                     "b = resize a - - sizes | mode=%s\n"
                     "c = conv b w\n"
                     "d = conv a w\n"
                     "output c\noutput d\noutput a\n", sizes[i], modes[k]);
            pith_test_run(test, text, 1, 1e-5);
        }
    }
}

void test_scratch(pith_test *test)
{
    test_resize(test);
}
