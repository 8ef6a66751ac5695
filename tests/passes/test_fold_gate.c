/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ (const pith_pass *const[]){ &pithi_pass_fold_gate }, 1,
                                             PITH_STAGE_SHAPE, 2e-5, before, after });
}

void test_fold_gate(pith_test *test)
{
    static const char gated[] = "input x f32[1,9,8,5]\n"
                                "input g f32[1,1,1,5]\n"
                                "const w f32[4,5,1,1]\n"
                                "const b f32[4]\n"
                                "a = mul g x\n"
                                "y = conv a w b | channels_last=1 activation=3\n"
                                "output y\n";
    check(test, "a gate goes into the weights", gated,
          "inputs %x:f32[1,9,8,5], %g:f32[1,1,1,5]\n"
          "%pith:1:f32[1,5,1,1] = reshape(%g, %pith:0)\n"
          "%pith:2:f32[4,5,1,1] = mul(%w, %pith:1)\n"
          "%y:f32[1,9,8,4] = conv(%x, %pith:2, %b) channels_last=1 activation=3\n"
          "outputs %y:f32[1,9,8,4]\n");
    pith_test_case(test, "a session with a gate");
    pith_test_run(test, gated, 3, 1e-5);
    check(test, "few pixels, two pictures, kernels with neighbours and products that others read stay",
          "input x f32[1,3,4,5]\n"
          "input z f32[2,9,8,5]\n"
          "input l f32[1,9,8,5]\n"
          "input g f32[1,1,1,5]\n"
          "const w f32[4,5,1,1]\n"
          "const v f32[4,5,3,3]\n"
          "a = mul x g\n"
          "b = conv a w | channels_last=1\n"
          "c = mul z g\n"
          "d = conv c w | channels_last=1\n"
          "e = mul l g\n"
          "f = conv e v | channels_last=1\n"
          "h = mul l g\n"
          "i = conv h w | channels_last=1\n"
          "output b\noutput d\noutput f\noutput i\noutput h\n",
          "inputs %x:f32[1,3,4,5], %z:f32[2,9,8,5], %l:f32[1,9,8,5], %g:f32[1,1,1,5]\n"
          "%a:f32[1,3,4,5] = mul(%x, %g)\n"
          "%b:f32[1,3,4,4] = conv(%a, %w) channels_last=1\n"
          "%c:f32[2,9,8,5] = mul(%z, %g)\n"
          "%d:f32[2,9,8,4] = conv(%c, %w) channels_last=1\n"
          "%e:f32[1,9,8,5] = mul(%l, %g)\n"
          "%f:f32[1,7,6,4] = conv(%e, %v) channels_last=1\n"
          "%h:f32[1,9,8,5] = mul(%l, %g)\n"
          "%i:f32[1,9,8,4] = conv(%h, %w) channels_last=1\n"
          "outputs %b:f32[1,3,4,4], %d:f32[2,9,8,4], %f:f32[1,7,6,4], %i:f32[1,9,8,4], %h:f32[1,9,8,5]\n");
}
