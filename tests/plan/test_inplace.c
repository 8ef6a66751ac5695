/* SPDX-License-Identifier: Apache-2.0 */
/* A value that a node reads twice, there for the last time: what scatters reads it as data and as something else, so
 * that its result may not lie on it. */
#include "support/graph_text.h"

static const struct {
    const char *name, *text;
} graphs[] = {
    { "scatter_elements", "input x s64[5]\nconst n s64[1]{0}\n"
      "const c s64[5]{4,3,2,1,0}\nconst u s64[5]{10,11,12,13,14}\n"
      "z = bitwise_and x n\nv = add z c\ny = scatter_elements v v u\noutput y\n" },
    { "scatter_nd", "input x s64[5,1]\nconst n s64[1]{0}\n"
      "const c s64[5,1]{4,3,2,1,0}\nconst u s64[5,1]{10,11,12,13,14}\n"
      "z = bitwise_and x n\nv = add z c\ny = scatter_nd v v u\noutput y\n" },
    { "tensor_scatter", "input x f32[1,4,2]\nconst at s64[1]{1}\nv = sin x\n"
      "y = tensor_scatter v v at | mode=circular\noutput y\n" },
    { "operators that read both at the same element", "input x f32[3,7]\nu = sin x\nv = pow u u\nw = prelu v v\n"
      "s = sum w w w\nt = max s s\ny = mul t t\noutput y\n" },
};

void test_inplace(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(graphs); i++) {
        pith_test_case(test, "%s", graphs[i].name);
        pith_test_run(test, graphs[i].text, 2, 1e-5);
    }
}
