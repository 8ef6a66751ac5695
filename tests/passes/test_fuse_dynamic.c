/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamically quantised products make floats of their sums; not a bit changes. */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_dynamic, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 0.0, before, after });
}

#define PRODUCT                                                                                                        \
    "input x f32[2,7,9]{-3:5}\nconst w s8[9,20]{-128:128}\nconst ws f32[20]{0.01:0.03}\n"                             \
    "const bias f32[20]{-2:2}\n"                                                                                      \
    "q s z = dynamic_quantize_linear x\n"                                                                              \
    "m = matmul_integer q w z\nc = cast m | to=f32\n"

void test_fuse_dynamic(pith_test *test)
{
    check(test, "scales and a bias",
          PRODUCT "f = mul s ws\ng = mul c f\ny = add g bias\noutput y\n",
          "inputs %x:f32[2,7,9]\n"
          "%q:u8[2,7,9], %s:f32[], %z:u8[] = dynamic_quantize_linear(%x)\n"
          "%y:f32[2,7,20] = matmul_integer(%q, %w, %z, -, %s, %ws, %bias)\n"
          "outputs %y:f32[2,7,20]\n");
    check(test, "operands the other way round, no bias",
          PRODUCT "f = mul ws s\ny = mul f c\noutput y\n",
          "inputs %x:f32[2,7,9]\n"
          "%q:u8[2,7,9], %s:f32[], %z:u8[] = dynamic_quantize_linear(%x)\n"
          "%y:f32[2,7,20] = matmul_integer(%q, %w, %z, -, %s, %ws)\n"
          "outputs %y:f32[2,7,20]\n");
    check(test, "sums that others read stay",
          PRODUCT "f = mul s ws\ny = mul c f\noutput y\noutput m\n",
          "inputs %x:f32[2,7,9]\n"
          "%q:u8[2,7,9], %s:f32[], %z:u8[] = dynamic_quantize_linear(%x)\n"
          "%m:s32[2,7,20] = matmul_integer(%q, %w, %z)\n"
          "%c:f32[2,7,20] = cast(%m) to=f32\n"
          "%f:f32[20] = mul(%s, %ws)\n"
          "%y:f32[2,7,20] = mul(%c, %f)\n"
          "outputs %y:f32[2,7,20], %m:s32[2,7,20]\n");
}
