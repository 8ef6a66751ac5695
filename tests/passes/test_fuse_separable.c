/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_separable, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_SHAPE, 2e-5, before, after });
}

static void check_fused(pith_test *test)
{
    check(test, "an inverted residual of a large image becomes one operator",
          "input x f32[1,64,64,3]\n"
          "input r f32[1,32,32,5]\n"
          "const e f32[48,3,1,1]\n"
          "const eb f32[48]\n"
          "const d f32[48,1,3,3]\n"
          "const p f32[5,48,1,1]\n"
          "const pb f32[5]\n"
          "a = conv x e eb | channels_last=1 activation=3\n"
          "b = conv a d | channels_last=1 group=48 pads=[1,1,1,1] strides=[2,2] activation=4 activation_beta=1\n"
          "y = conv b p pb r | channels_last=1\n"
          "output y\n",
          "inputs %x:f32[1,64,64,3], %r:f32[1,32,32,5]\n"
          "%y:f32[1,32,32,5] = separable_conv(%x, %d, -, %r, %e, %eb, %p, %pb) pads=[1,1,1,1] strides=[2,2] "
          "expand_activation=3 depthwise_activation=4 depthwise_beta=1\n"
          "outputs %y:f32[1,32,32,5]\n");
    check(test, "pairs in either order",
          "input x f32[1,64,64,48]\n"
          "const d f32[48,1,3,3]\n"
          "const p f32[49,48,1,1]\n"
          "const f f32[49,1,3,3]\n"
          "const q f32[50,49,1,1]\n"
          "const h f32[50,1,5,5]\n"
          "a = conv x d | channels_last=1 group=48 auto_pad=SAME_UPPER\n"
          "y = conv a p | channels_last=1 activation=3\n"
          "c = conv y q | channels_last=1\n"
          "z = conv c h | channels_last=1 group=50 pads=[2,2,2,2] activation=3\n"
          "output y\n"
          "output z\n",
          "inputs %x:f32[1,64,64,48]\n"
          "%y:f32[1,64,64,49] = separable_conv(%x, %d, -, -, -, -, %p, -) auto_pad=SAME_UPPER activation=3\n"
          "%z:f32[1,64,64,50] = separable_conv(%y, %h, -, -, %q, -, -, -) pads=[2,2,2,2] activation=3\n"
          "outputs %y:f32[1,64,64,49], %z:f32[1,64,64,50]\n");
    check(test, "slopes per channel come along",
          "input x f32[1,64,64,48]\n"
          "const d f32[48,1,3,3]\n"
          "const p f32[49,48,1,1]\n"
          "const s f32[48]\n"
          "a = conv x d - - s | channels_last=1 group=48 pads=[1,1,1,1] activation=5\n"
          "y = conv a p | channels_last=1\n"
          "output y\n",
          "inputs %x:f32[1,64,64,48]\n"
          "%y:f32[1,64,64,49] = separable_conv(%x, %d, -, -, -, -, %p, -, -, %s, -) pads=[1,1,1,1] "
          "depthwise_activation=5\n"
          "outputs %y:f32[1,64,64,49]\n");
}

static void check_order(pith_test *test)
{
    check(test, "an expanded image stays within, even if a depthwise convolution stands in front of its expansion",
          "input x f32[1,64,64,48]\n"
          "const d f32[48,1,3,3]\n"
          "const e f32[144,48,1,1]\n"
          "const f f32[144,1,3,3]\n"
          "const p f32[6,144,1,1]\n"
          "a = conv x d | channels_last=1 group=48 pads=[1,1,1,1]\n"
          "b = conv a e | channels_last=1\n"
          "c = conv b f | channels_last=1 group=144 pads=[1,1,1,1]\n"
          "y = conv c p | channels_last=1\n"
          "output y\n",
          "inputs %x:f32[1,64,64,48]\n"
          "%a:f32[1,64,64,48] = conv(%x, %d) group=48 pads=[1,1,1,1] channels_last=1\n"
          "%y:f32[1,64,64,6] = separable_conv(%a, %f, -, -, %e, -, %p, -) pads=[1,1,1,1]\n"
          "outputs %y:f32[1,64,64,6]\n");
}

static void check_kept(pith_test *test)
{
    check(test, "small images, values that others read, and other kernels stay",
          "input x f32[1,64,64,48]\n"
          "input s f32[1,8,8,48]\n"
          "const d f32[48,1,3,3]\n"
          "const p f32[2,48,1,1]\n"
          "const k f32[2,48,1,2]\n"
          "a = conv s d | channels_last=1 group=48\n"
          "b = conv a p | channels_last=1\n"
          "c = conv x d | channels_last=1 group=48 pads=[1,1,1,1]\n"
          "e = conv c p | channels_last=1\n"
          "f = conv x d | channels_last=1 group=48 pads=[1,1,1,1]\n"
          "g = conv f k | channels_last=1\n"
          "output b\n"
          "output c\n"
          "output e\n"
          "output g\n",
          "inputs %x:f32[1,64,64,48], %s:f32[1,8,8,48]\n"
          "%a:f32[1,6,6,48] = conv(%s, %d) group=48 channels_last=1\n"
          "%b:f32[1,6,6,2] = conv(%a, %p) channels_last=1\n"
          "%c:f32[1,64,64,48] = conv(%x, %d) group=48 pads=[1,1,1,1] channels_last=1\n"
          "%e:f32[1,64,64,2] = conv(%c, %p) channels_last=1\n"
          "%f:f32[1,64,64,48] = conv(%x, %d) group=48 pads=[1,1,1,1] channels_last=1\n"
          "%g:f32[1,64,63,2] = conv(%f, %k) channels_last=1\n"
          "outputs %b:f32[1,6,6,2], %c:f32[1,64,64,48], %e:f32[1,64,64,2], %g:f32[1,64,63,2]\n");
}

void test_fuse_separable(pith_test *test)
{
    check_fused(test);
    check_order(test);
    check_kept(test);
}
