/* SPDX-License-Identifier: Apache-2.0 */
/* Integer products in whole networks: what nodes share, and geometries and lists that only a hostile model has. */
#include <stdio.h>

#include "passes/pass.h"
#include "support/graph_text.h"

#define WIDE "input x u16[3,8]{0:65536}\nconst xs f32[]{0.0001}\nconst xz u16[]{32000}\n"
#define RESULT "const ys f32[]{0.0005}\nconst yz u16[]{30000}\n"

static void test_shared_weights(pith_test *test)
{
    pith_test_case(test, "16-bit products share weights, each with a zero point of its own");
    pith_test_run(test,
                  WIDE RESULT
                  "const w s8[8,6]{-128:128}\nconst ws f32[]{0.01}\nconst u s8[]{3}\nconst v s8[]{-70}\n"
                  "y = qlinear_matmul x xs xz w ws u ys yz\n"
                  "z = qlinear_matmul x xs xz w ws v ys yz\n"
                  "output y\noutput z\n",
                  2, 0.0);
    pith_test_case(test, "16-bit convolutions share weights, each with a zero point of its own");
    pith_test_run(test,
                  "input x s16[1,4,6,5]{-32768:32768}\nconst xs f32[]{0.0001}\nconst xz s16[]{-300}\n"
                  "const ys f32[]{0.0005}\nconst yz s16[]{40}\n"
                  "const w u8[6,4,3,3]{0:256}\nconst ws f32[]{0.01}\nconst u u8[]{128}\nconst v u8[]{90}\n"
                  "y = qlinear_conv x xs xz w ws u ys yz - | pads=[1,1,1,1]\n"
                  "z = qlinear_conv x xs xz w ws v ys yz - | pads=[1,1,1,1]\n"
                  "output y\noutput z\n",
                  2, 0.0);
}

/* Windows of four pixels 2^20 apart over an image of one: gathering would take 2^42 elements. */
static void test_absurd_geometry(pith_test *test)
{
#define FAR_WINDOW(type)                                                                                             \
    "input x " type "[1,4,1,1]{0:100}\nconst xs f32[]{0.01}\nconst xz " type "[]{3}\n"                               \
    "const w s8[6,4,2,2]{-128:128}\nconst ws f32[]{0.01}\nconst wz s8[]{0}\nconst ys f32[]{0.05}\n"                  \
    "const yz " type "[]{7}\n"                                                                                       \
    "y = qlinear_conv x xs xz w ws wz ys yz - | dilations=[1048576,1048576] pads=[1048576,1048576,0,0]\noutput y\n"
    pith_test_case(test, "an 8-bit convolution whose gathered size would overflow");
    pith_test_run(test, FAR_WINDOW("u8"), 1, 0.0);
    pith_test_case(test, "a 16-bit convolution whose gathered size would overflow");
    pith_test_run(test, FAR_WINDOW("u16"), 1, 0.0);
}

static void test_offsets(pith_test *test)
{
    static const struct {
        const char *offset;
        bool fits;
    } cases[] = { { "f32[5]", true }, { "f32[1]", false }, { "f32[4]", false }, { "f32[10]", false } };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        char text[300];
        pith_test_case(test, "an offset %s of five columns", cases[i].offset);
        snprintf(text, sizeof text,
                 "input a u8[3,4]{0:256}\nconst b s8[4,5]{-128:128}\nconst f f32[]{0.01}\nconst g f32[]{0.02}\n"
                 "const o %s\ny = matmul_integer a b - - f g o\noutput y\n", cases[i].offset);
        pith_graph *graph = pith_test_graph(test, text);
        pith_status status = graph ? pithi_graph_infer(graph) : PITH_STATUS_INTERNAL;
        TEST_CHECK(test, (status == PITH_OK) == cases[i].fits);
        TEST_CHECK(test, cases[i].fits || strstr(pith_ctx_error(test->ctx), "offset must have 5 elements"));
        pith_ctx_clear_error(test->ctx);
        pithi_graph_destroy(graph);
    }
}

void test_integer_products(pith_test *test)
{
    test_shared_weights(test);
    test_absurd_geometry(test);
    test_offsets(test);
}
