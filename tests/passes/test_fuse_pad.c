/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_pad, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 1e-6, before, after });
}

static void check_fused(pith_test *test)
{
    check(test, "zeros in front of a convolution add to its padding, by all axes or some",
          "input x f32[1,2,5,5]\n"
          "const w f32[3,2,3,3]\n"
          "const v f32[3,3,3,3]\n"
          "const pads s64[8]{0,0,1,2,0,0,0,1}\n"
          "const some s64[2]{2,0}\n"
          "const axis s64[1]{-1}\n"
          "const zero f32[]{0}\n"
          "a = pad x pads\n"
          "b = conv a w | pads=[0,1,0,0]\n"
          "c = pad b some zero axis\n"
          "y = conv c v | auto_pad=VALID\n"
          "output y\n",
          "inputs %x:f32[1,2,5,5]\n"
          "%b:f32[1,3,4,7] = conv(%x, %w) pads=[1,3,0,1]\n"
          "%y:f32[1,3,2,7] = conv(%b, %v) pads=[0,2,0,0]\n"
          "outputs %y:f32[1,3,2,7]\n");
    check(test, "an average counts the zeros, a maximum never sees the smallest number",
          "input x f32[1,2,5,5]\n"
          "const pads s64[8]{0,0,1,1,0,0,1,1}\n"
          "const least f32[]{-inf}\n"
          "a = pad x pads\n"
          "y = average_pool a | kernel_shape=[3,3]\n"
          "b = pad x pads least\n"
          "z = max_pool b | kernel_shape=[3,3] strides=[2,2]\n"
          "output y\n"
          "output z\n",
          "inputs %x:f32[1,2,5,5]\n"
          "%y:f32[1,2,5,5] = average_pool(%x) kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1\n"
          "%z:f32[1,2,3,3] = max_pool(%x) kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]\n"
          "outputs %y:f32[1,2,5,5], %z:f32[1,2,3,3]\n");
}

static void check_kept(pith_test *test)
{
    check(test, "other values, modes, channels, and averages that don't count their own padding, stay",
          "input x f32[1,2,5,5]\n"
          "const w f32[3,2,3,3]\n"
          "const v f32[3,3,3,3]\n"
          "const pads s64[8]{0,0,1,1,0,0,1,1}\n"
          "const deep s64[8]{0,1,0,0,0,0,0,0}\n"
          "const one f32[]{1}\n"
          "a = pad x pads one\n"
          "b = conv a w\n"
          "c = pad x pads | mode=edge\n"
          "d = conv c w\n"
          "e = pad x deep\n"
          "f = conv e v\n"
          "g = pad x pads\n"
          "h = average_pool g | kernel_shape=[3,3] pads=[1,1,1,1]\n"
          "i = max_pool g | kernel_shape=[3,3]\n"
          "output b\n"
          "output d\n"
          "output f\n"
          "output h\n"
          "output i\n",
          "inputs %x:f32[1,2,5,5]\n"
          "%a:f32[1,2,7,7] = pad(%x, %pads, %one)\n"
          "%b:f32[1,3,5,5] = conv(%a, %w)\n"
          "%c:f32[1,2,7,7] = pad(%x, %pads) mode=edge\n"
          "%d:f32[1,3,5,5] = conv(%c, %w)\n"
          "%e:f32[1,3,5,5] = pad(%x, %deep)\n"
          "%f:f32[1,3,3,3] = conv(%e, %v)\n"
          "%g:f32[1,2,7,7] = pad(%x, %pads)\n"
          "%h:f32[1,2,7,7] = average_pool(%g) kernel_shape=[3,3] pads=[1,1,1,1]\n"
          "%i:f32[1,2,5,5] = max_pool(%g) kernel_shape=[3,3]\n"
          "outputs %b:f32[1,3,5,5], %d:f32[1,3,5,5], %f:f32[1,3,3,3], %h:f32[1,2,7,7], %i:f32[1,2,5,5]\n");
}

void test_fuse_pad(pith_test *test)
{
    check_fused(test);
    check_kept(test);
}
