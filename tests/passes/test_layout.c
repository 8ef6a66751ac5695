/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_layout, &pithi_pass_merge_transpose,
                                               &pithi_pass_merge_reshape, &pithi_pass_remove_identity,
                                               &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 5, PITH_STAGE_SHAPE, 1e-6, before, after });
}

static void check_integers(pith_test *test)
{
    check(test, "integer convolutions with weights that aren't known stay as they are",
          "input x u8[1,8,16,16]\ninput w s8[16,8,3,3]\nconst z u8[]{7}\ny = conv_integer x w z\noutput y\n",
          "inputs %x:u8[1,8,16,16], %w:s8[16,8,3,3]\n%y:s32[1,16,14,14] = conv_integer(%x, %w, %z)\n"
          "outputs %y:s32[1,16,14,14]\n");
}

static void check_elementwise(pith_test *test)
{
    check(test, "elementwise work between two pools stays channels-last, constants are permuted",
          "input x f32[2,3,8,8]\n"
          "const bias f32[3,1,1]\n"
          "const image f32[1,3,4,4]\n"
          "const one f32[]{2}\n"
          "a = max_pool x | kernel_shape=[2,2] strides=[2,2]\n"
          "b = add a bias\n"
          "c = mul b image\n"
          "d = mul c one\n"
          "y = average_pool d | kernel_shape=[2,2]\n"
          "output y\n",
          "inputs %x:f32[2,3,8,8]\n"
          "%pith:0:f32[2,8,8,3] = transpose(%x) perm=[0,2,3,1]\n"
          "%a:f32[2,4,4,3] = max_pool(%pith:0) kernel_shape=[2,2] strides=[2,2] channels_last=1\n"
          "%b:f32[2,4,4,3] = add(%a, %pith:1)\n"
          "%c:f32[2,4,4,3] = mul(%b, %pith:2)\n"
          "%d:f32[2,4,4,3] = mul(%c, %one)\n"
          "%pith:3:f32[2,3,3,3] = average_pool(%d) kernel_shape=[2,2] channels_last=1\n"
          "%y:f32[2,3,3,3] = transpose(%pith:3) perm=[0,3,1,2]\n"
          "outputs %y:f32[2,3,3,3]\n");
    check(test, "packed elements of less than a byte stay as they are",
          "input x f32[1,2,4,4]{-6:6}\n"
          "const s f32[]{1}\n"
          "const z f6e2m3[]{0}\n"
          "a = max_pool x | kernel_shape=[2,2]\n"
          "q = quantize_linear a s z\n"
          "d = dequantize_linear q s z\n"
          "y = max_pool d | kernel_shape=[2,2]\n"
          "output y\n",
          NULL);
    check(test, "a second operand of the same rank is transposed too, one of another rank can't be",
          "input x f32[2,3,4,4]\n"
          "input s f32[2,3,1,1]\n"
          "input t f32[4,4]\n"
          "a = max_pool x | kernel_shape=[2,2]\n"
          "b = mul a s\n"
          "c = max_pool b | kernel_shape=[3,3] pads=[1,1,1,1] strides=[2,2]\n"
          "d = max_pool x | kernel_shape=[1,1]\n"
          "y = add d t\n"
          "output y\n"
          "output c\n",
          "inputs %x:f32[2,3,4,4], %s:f32[2,3,1,1], %t:f32[4,4]\n"
          "%pith:0:f32[2,4,4,3] = transpose(%x) perm=[0,2,3,1]\n"
          "%a:f32[2,3,3,3] = max_pool(%pith:0) kernel_shape=[2,2] channels_last=1\n"
          "%pith:1:f32[2,1,1,3] = reshape(%s, %pith:2) allowzero=1\n"
          "%b:f32[2,3,3,3] = mul(%a, %pith:1)\n"
          "%pith:3:f32[2,2,2,3] = max_pool(%b) kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] channels_last=1\n"
          "%c:f32[2,3,2,2] = transpose(%pith:3) perm=[0,3,1,2]\n"
          "%pith:4:f32[2,4,4,3] = max_pool(%pith:0) kernel_shape=[1,1] channels_last=1\n"
          "%d:f32[2,3,4,4] = transpose(%pith:4) perm=[0,3,1,2]\n"
          "%y:f32[2,3,4,4] = add(%d, %t)\n"
          "outputs %y:f32[2,3,4,4], %c:f32[2,3,2,2]\n");
}

static void check_model_transposes(pith_test *test)
{
    check(test, "a channels-last network that was exported with transposes loses them",
          "input x f32[2,8,8,3]\n"
          "const bias f32[3]\n"
          "a = transpose x | perm=[0,3,1,2]\n"
          "b = max_pool a | kernel_shape=[2,2] strides=[2,2]\n"
          "c = transpose b | perm=[0,2,3,1]\n"
          "d = add c bias\n"
          "e = transpose d | perm=[0,3,1,2]\n"
          "f = max_pool e | kernel_shape=[2,2] strides=[2,2]\n"
          "y = transpose f | perm=[0,2,3,1]\n"
          "output y\n",
          "inputs %x:f32[2,8,8,3]\n"
          "%b:f32[2,4,4,3] = max_pool(%x) kernel_shape=[2,2] strides=[2,2] channels_last=1\n"
          "%d:f32[2,4,4,3] = add(%b, %bias)\n"
          "%y:f32[2,2,2,3] = max_pool(%d) kernel_shape=[2,2] strides=[2,2] channels_last=1\n"
          "outputs %y:f32[2,2,2,3]\n");
    check(test, "the heads of a detector join spatial dimensions and end channels-last",
          "input x f32[1,6,8,8]\n"
          "const to s64[3]{1,6,-1}\n"
          "const all s64[3]{1,-1,2}\n"
          "a = max_pool x | kernel_shape=[2,2] strides=[2,2]\n"
          "b = reshape a to\n"
          "y = transpose b | perm=[0,2,1]\n"
          "c = transpose a | perm=[0,2,3,1]\n"
          "z = reshape c all\n"
          "output y\n"
          "output z\n",
          "inputs %x:f32[1,6,8,8]\n"
          "%pith:0:f32[1,8,8,6] = transpose(%x) perm=[0,2,3,1]\n"
          "%a:f32[1,4,4,6] = max_pool(%pith:0) kernel_shape=[2,2] strides=[2,2] channels_last=1\n"
          "%y:f32[1,16,6] = reshape(%a, %pith:2) allowzero=1\n"
          "%z:f32[1,48,2] = reshape(%a, %pith:3) allowzero=1\n"
          "outputs %y:f32[1,16,6], %z:f32[1,48,2]\n");
}

static void check_structure(pith_test *test)
{
    check(test, "channels are joined and shuffled in place",
          "input x f32[2,4,6,6]\n"
          "const k f32[2,4,5,5]\n"
          "const groups s64[5]{2,2,6,5,5}\n"
          "const back s64[4]{2,12,5,5}\n"
          "a = max_pool x | kernel_shape=[2,2]\n"
          "b = average_pool x | kernel_shape=[2,2]\n"
          "c = concat a k b | axis=1\n"
          "d = reshape c groups\n"
          "e = transpose d | perm=[0,2,1,3,4]\n"
          "f = reshape e back\n"
          "y = max_pool f | kernel_shape=[5,5]\n"
          "output y\n",
          "inputs %x:f32[2,4,6,6]\n"
          "%pith:0:f32[2,6,6,4] = transpose(%x) perm=[0,2,3,1]\n"
          "%a:f32[2,5,5,4] = max_pool(%pith:0) kernel_shape=[2,2] channels_last=1\n"
          "%b:f32[2,5,5,4] = average_pool(%pith:0) kernel_shape=[2,2] channels_last=1\n"
          "%c:f32[2,5,5,12] = concat(%a, %pith:1, %b) axis=3\n"
          "%d:f32[2,5,5,2,6] = reshape(%c, %pith:2) allowzero=1\n"
          "%e:f32[2,5,5,6,2] = transpose(%d) perm=[0,1,2,4,3]\n"
          "%f:f32[2,5,5,12] = reshape(%e, %pith:3) allowzero=1\n"
          "%pith:4:f32[2,1,1,12] = max_pool(%f) kernel_shape=[5,5] channels_last=1\n"
          "%y:f32[2,12,1,1] = reshape(%pith:4, %pith:5) allowzero=1\n"
          "outputs %y:f32[2,12,1,1]\n");
    check(test, "without an operator that gains, everything stays plain",
          "input x f32[2,4,6,6]\n"
          "a = relu x\n"
          "y = concat a x | axis=1\n"
          "output y\n",
          "inputs %x:f32[2,4,6,6]\n"
          "%a:f32[2,4,6,6] = relu(%x)\n"
          "%y:f32[2,8,6,6] = concat(%a, %x) axis=1\n"
          "outputs %y:f32[2,8,6,6]\n");
    check(test, "an operator that can't be rewritten stays plain, and its neighbours follow",
          "input x f32[1,2,4,4]\n"
          "a = relu x\n"
          "y z = max_pool a | kernel_shape=[2,2]\n"
          "output y\n"
          "output z\n",
          "inputs %x:f32[1,2,4,4]\n"
          "%a:f32[1,2,4,4] = relu(%x)\n"
          "%y:f32[1,2,3,3], %z:s64[1,2,3,3] = max_pool(%a) kernel_shape=[2,2]\n"
          "outputs %y:f32[1,2,3,3], %z:s64[1,2,3,3]\n");
}

void test_layout(pith_test *test)
{
    check_integers(test);
    check_elementwise(test);
    check_model_transposes(test);
    check_structure(test);
}
