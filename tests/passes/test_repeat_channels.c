/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ (const pith_pass *const[]){ &pithi_pass_repeat_channels }, 1,
                                             PITH_STAGE_SHAPE, 2e-5, before, after });
}

/* Sizes, strides, residuals and functions, against the reference of the convolution as it was. */
static void check_random(pith_test *test)
{
    for (int k = 0; k < 16; k++) {
        const int n_in = 2 + (int)(pith_test_random(test) % 30), factor = 2 + (k % 4 == 3);
        const int side = 5 + (int)(pith_test_random(test) % 20), stride = 1 + k % 2, kernel = k % 3 == 2 ? 5 : 3;
        char text[1024];
        snprintf(text, sizeof text,
                 "input x f32[2,%d,%d,%d]\nconst w f32[%d,1,%d,%d]\nconst b f32[%d]\n"
                 "a = conv x w b | group=%d strides=[%d,%d] pads=[1,1,1,1]\ny = %s a\noutput y\n",
                 n_in, side, side + 3, n_in * factor, kernel, kernel, n_in * factor, n_in, stride, stride,
                 k % 4 == 3 ? "tanh" : "relu");
        pith_test_case(test, "random convolution %d", k);
        pith_test_run(test, text, 3, 2e-5);
    }
}

void test_repeat_channels(pith_test *test)
{
    check(test, "two outputs of each channel",
          "input x f32[1,9,8,5]\n"
          "const w f32[10,1,3,3]\n"
          "y = conv x w | channels_last=1 group=5 activation=3\n"
          "output y\n",
          "inputs %x:f32[1,9,8,5]\n"
          "%pith:1:f32[1,9,8,5,1] = reshape(%x, %pith:0)\n"
          "%pith:3:f32[1,9,8,5,2] = expand(%pith:1, %pith:2)\n"
          "%pith:5:f32[1,9,8,10] = reshape(%pith:3, %pith:4)\n"
          "%y:f32[1,7,6,10] = conv(%pith:5, %w) group=10 channels_last=1 activation=3\n"
          "outputs %y:f32[1,7,6,10]\n");
    check(test, "one output of each, a single channel and groups of several stay",
          "input x f32[1,9,8,4]\n"
          "input z f32[1,9,8,1]\n"
          "const u f32[4,1,3,3]\n"
          "const v f32[4,1,3,3]\n"
          "const w f32[4,2,3,3]\n"
          "a = conv x u | channels_last=1 group=4\n"
          "b = conv z v | channels_last=1\n"
          "c = conv x w | channels_last=1 group=2\n"
          "output a\n"
          "output b\n"
          "output c\n",
          "inputs %x:f32[1,9,8,4], %z:f32[1,9,8,1]\n"
          "%a:f32[1,7,6,4] = conv(%x, %u) group=4 channels_last=1\n"
          "%b:f32[1,7,6,4] = conv(%z, %v) channels_last=1\n"
          "%c:f32[1,7,6,4] = conv(%x, %w) group=2 channels_last=1\n"
          "outputs %a:f32[1,7,6,4], %b:f32[1,7,6,4], %c:f32[1,7,6,4]\n");
    check(test, "only products in float32 are faster",
          "input x f16[1,9,8,5]\n"
          "const w f16[10,1,3,3]\n"
          "y = conv x w | channels_last=1 group=5\n"
          "output y\n",
          "inputs %x:f16[1,9,8,5]\n"
          "%y:f16[1,7,6,10] = conv(%x, %w) group=5 channels_last=1\n"
          "outputs %y:f16[1,7,6,10]\n");
    check_random(test);
}
