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

#define TAIL(shape)                                                                                                    \
    "c = cast m | to=f32\nf = mul s ws\ng = mul c f\nb = add g bias\ninput r f32" shape "\nt = add b r\n"           \
    "y = leaky_relu t\noutput y\n"

/* In a session: integer kernels with all that follows, against the nodes one by one. */
static void check_runs(pith_test *test)
{
    static const struct {
        const char *what, *text;
    } cases[] = {
        { "3x3, unsigned weights with a zero point for each channel",
          "input x f32[2,9,17,15]{-3:5}\nconst w u8[70,9,3,3]{0:256}\nconst wz u8[70]{0:256}\n"
          "const ws f32[1,70,1,1]{0.001:0.002}\nconst bias f32[70,1,1]{-2:2}\nq s z = dynamic_quantize_linear x\n"
          "m = conv_integer q w z wz | pads=[1,1,0,2] dilations=[2,1]\n" TAIL("[2,70,14,16]") },
        { "1x1, many channels of results",
          "input x f32[1,40,30,29]{-3:5}\nconst w s8[300,40,1,1]{-128:128}\nconst ws f32[]{0.001}\n"
          "const bias f32[1,300,1,1]{-2:2}\nq s z = dynamic_quantize_linear x\n"
          "m = conv_integer q w z\n" TAIL("[1,300,30,29]") },
        { "groups, one axis",
          "input x f32[1,80,19]{-3:5}\nconst w u8[100,40,2]{0:256}\nconst wz u8[]{120}\nconst ws f32[]{0.001}\n"
          "const bias f32[100,1]{-2:2}\nq s z = dynamic_quantize_linear x\n"
          "m = conv_integer q w z wz | group=2\n" TAIL("[1,100,18]") },
        { "rows",
          "input x f32[3,60,70]{-3:5}\nconst w u8[70,150]{0:256}\nconst wz u8[150]{0:256}\n"
          "const ws f32[150]{0.001:0.002}\nconst bias f32[150]{-2:2}\nq s z = dynamic_quantize_linear x\n"
          "m = matmul_integer q w z wz\n" TAIL("[3,60,150]") },
        { "sums alone",
          "input x f32[1,9,17,15]{-3:5}\nconst w u8[70,9,3,3]{0:256}\nconst wz u8[]{99}\n"
          "q s z = dynamic_quantize_linear x\n"
          "y = conv_integer q w z wz | strides=[2,2] auto_pad=SAME_UPPER\noutput y\n" },
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        pith_test_case(test, "%s", cases[i].what);
        pith_test_run(test, cases[i].text, 1, 1e-6);
        pith_test_run(test, cases[i].text, 3, 1e-6);
    }
}

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
    check(test, "a convolution with an activation behind it",
          "input x f32[2,9,7,6]{-3:5}\nconst w u8[20,9,3,1]{0:256}\nconst wz u8[]{131}\nconst ws f32[]{0.01}\n"
          "const bias f32[1,20,1,1]{-2:2}\n"
          "q s z = dynamic_quantize_linear x\n"
          "m = conv_integer q w z wz | pads=[1,0,1,0] strides=[1,2]\nc = cast m | to=f32\n"
          "f = mul s ws\ng = mul c f\nb = add g bias\ny = relu b\noutput y\n",
          "inputs %x:f32[2,9,7,6]\n"
          "%q:u8[2,9,7,6], %s:f32[], %z:u8[] = dynamic_quantize_linear(%x)\n"
          "%b:f32[2,20,7,3] = conv_integer(%q, %w, %z, %wz, %s, %ws, %bias) pads=[1,0,1,0] strides=[1,2]\n"
          "%y:f32[2,20,7,3] = relu(%b)\n"
          "outputs %y:f32[2,20,7,3]\n");
    check(test, "a list along another axis stays",
          "input x f32[1,9,7,9]{-3:5}\nconst w u8[9,9,3,1]{0:256}\nconst ws f32[9]{0.01:0.02}\n"
          "q s z = dynamic_quantize_linear x\n"
          "m = conv_integer q w z\nc = cast m | to=f32\nf = mul s ws\ny = mul c f\noutput y\n",
          "inputs %x:f32[1,9,7,9]\n"
          "%q:u8[1,9,7,9], %s:f32[], %z:u8[] = dynamic_quantize_linear(%x)\n"
          "%m:s32[1,9,5,9] = conv_integer(%q, %w, %z)\n"
          "%c:f32[1,9,5,9] = cast(%m) to=f32\n"
          "%f:f32[9] = mul(%s, %ws)\n"
          "%y:f32[1,9,5,9] = mul(%c, %f)\n"
          "outputs %y:f32[1,9,5,9]\n");
    check_runs(test);
}
