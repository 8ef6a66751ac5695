/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamically quantised products of few channels or terms compute in floats: within half a step of x for each term. */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_widen_dynamic, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 2e-2, before, after });
}

#define TAIL "c = cast m | to=f32\nf = mul s ws\ny = mul c f\noutput y\n"

void test_widen_dynamic(pith_test *test)
{
    check(test, "depthwise, zero points and scales for each channel",
          "input x f32[2,50,7,6]{-3:5}\nconst w u8[50,1,3,3]{0:256}\nconst wz u8[50]{99:160}\n"
          "const ws f32[1,50,1,1]{0.001:0.002}\nq s z = dynamic_quantize_linear x\n"
          "m = conv_integer q w z wz | group=50 pads=[1,1,1,1] strides=[2,1]\n" TAIL,
          "inputs %x:f32[2,50,7,6]\n"
          "%y:f32[2,50,4,6] = conv(%x, %pith:0) group=50 pads=[1,1,1,1] strides=[2,1]\n"
          "outputs %y:f32[2,50,4,6]\n");
    check(test, "few columns", "input x f32[7,90]{-3:5}\nconst w s8[90,40]{-128:128}\nconst ws f32[40]{0.0002:0.0004}\n"
          "q s z = dynamic_quantize_linear x\nm = matmul_integer q w z\n" TAIL,
          "inputs %x:f32[7,90]\n%y:f32[7,40] = matmul(%x, %pith:0)\noutputs %y:f32[7,40]\n");
    check(test, "few terms", "input x f32[7,31]{-3:5}\nconst w s8[31,90]{-128:128}\nconst ws f32[]{0.0005}\n"
          "q s z = dynamic_quantize_linear x\nm = matmul_integer q w z\n" TAIL,
          "inputs %x:f32[7,31]\n%y:f32[7,90] = matmul(%x, %pith:0)\noutputs %y:f32[7,90]\n");
    check(test, "quantised with a zero point, multiplied without one",
          "input x f32[7,31]{-3:5}\nconst w s8[31,90]{-128:128}\nconst ws f32[]{0.0005}\n"
          "q s z = dynamic_quantize_linear x\nm = matmul_integer q w\n" TAIL,
          "inputs %x:f32[7,31]\n%q:u8[7,31], %s:f32[], %z:u8[] = dynamic_quantize_linear(%x)\n"
          "%m:s32[7,90] = matmul_integer(%q, %w)\n%c:f32[7,90] = cast(%m) to=f32\n%f:f32[] = mul(%s, %ws)\n"
          "%y:f32[7,90] = mul(%c, %f)\noutputs %y:f32[7,90]\n");
    check(test, "multiplied with a zero point of its own",
          "input x f32[1,5,9,9]{-3:5}\nconst w s8[4,5,3,3]{-128:128}\nconst ws f32[]{0.0005}\nconst own u8[]{7}\n"
          "q s z = dynamic_quantize_linear x\nm = conv_integer q w own\n" TAIL,
          "inputs %x:f32[1,5,9,9]\n%q:u8[1,5,9,9], %s:f32[], %z:u8[] = dynamic_quantize_linear(%x)\n"
          "%m:s32[1,4,7,7] = conv_integer(%q, %w, %own)\n%c:f32[1,4,7,7] = cast(%m) to=f32\n"
          "%f:f32[] = mul(%s, %ws)\n%y:f32[1,4,7,7] = mul(%c, %f)\noutputs %y:f32[1,4,7,7]\n");
    check(test, "enough of both", "input x f32[7,32]{-3:5}\nconst w s8[32,48]{-128:128}\nconst ws f32[]{0.0005}\n"
          "q s z = dynamic_quantize_linear x\nm = matmul_integer q w z\n" TAIL,
          "inputs %x:f32[7,32]\n%q:u8[7,32], %s:f32[], %z:u8[] = dynamic_quantize_linear(%x)\n"
          "%m:s32[7,48] = matmul_integer(%q, %w, %z)\n%c:f32[7,48] = cast(%m) to=f32\n%f:f32[] = mul(%s, %ws)\n"
          "%y:f32[7,48] = mul(%c, %f)\noutputs %y:f32[7,48]\n");
}
