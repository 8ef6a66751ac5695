/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fold_batch_norm, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 1e-5, before, after });
}

#define NORM "const scale f32[6]\nconst bias f32[6]\nconst mean f32[6]\nconst variance f32[6]{0.5:2}\n"

static void check_conv(pith_test *test)
{
    check(test, "behind a convolution in groups with a bias",
          "input x f32[1,4,5,5]\n"
          "const w f32[6,2,3,3]\n"
          "const b f32[6]\n" NORM
          "a = conv x w b | group=2 strides=[2,2]\n"
          "y = batch_normalization a scale bias mean variance | epsilon=0.01\n"
          "output y\n",
          "inputs %x:f32[1,4,5,5]\n"
          "%y:f32[1,6,2,2] = conv(%x, %pith:0, %pith:1) group=2 strides=[2,2]\n"
          "outputs %y:f32[1,6,2,2]\n");
    check(test, "behind a transposed convolution in groups, without a bias",
          "input x f32[1,4,3,3]\n"
          "const w f32[4,3,2,2]\n" NORM
          "a = conv_transpose x w | group=2 strides=[2,2]\n"
          "y = batch_normalization a scale bias mean variance\n"
          "output y\n",
          "inputs %x:f32[1,4,3,3]\n"
          "%y:f32[1,6,6,6] = conv_transpose(%x, %pith:0, %pith:1) group=2 strides=[2,2]\n"
          "outputs %y:f32[1,6,6,6]\n");
    check(test, "constants per channel, one for all, and the activation of the product",
          "input x f32[1,4,5]\n"
          "const w f32[6,4,3]\n"
          "const f f32[6,1]\n"
          "const d f32[1]{4}\n"
          "a = conv x w\n"
          "b = mul f a\n"
          "y = div b d | activation=3\n"
          "output y\n",
          "inputs %x:f32[1,4,5]\n"
          "%y:f32[1,6,3] = conv(%x, %pith:2, %pith:3) activation=3\n"
          "outputs %y:f32[1,6,3]\n");
}

static void check_product(pith_test *test)
{
    check(test, "behind gemm, either way round",
          "input x f32[3,5]\n"
          "const w f32[5,6]\n"
          "const v f32[6,6]\n"
          "const c f32[1,6]\n" NORM
          "a = gemm x w c | alpha=0.5 beta=2\n"
          "b = batch_normalization a scale bias mean variance\n"
          "d = gemm b v | transB=1\n"
          "y = batch_normalization d scale bias mean variance\n"
          "output y\n",
          "inputs %x:f32[3,5]\n"
          "%b:f32[3,6] = gemm(%x, %pith:0, %pith:1) alpha=0.5\n"
          "%y:f32[3,6] = gemm(%b, %pith:2, %pith:3) transB=1\n"
          "outputs %y:f32[3,6]\n");
    check(test, "the scale of a product of two unknowns",
          "input q f32[2,3,4]\n"
          "input k f32[2,4,5]\n"
          "const c f32[]{2}\n"
          "a = matmul q k\n"
          "y = div a c\n"
          "output y\n",
          "inputs %q:f32[2,3,4], %k:f32[2,4,5]\n"
          "%y:f32[2,3,5] = matmul(%q, %k) alpha=0.5\n"
          "outputs %y:f32[2,3,5]\n");
}

static void check_refused(pith_test *test)
{
    check(test, "another reader, an activation, a channel on another axis, training: nothing is folded",
          "input x f32[1,6,4,6]\n"
          "const w f32[6,6,1,1]\n"
          "const f f32[6]\n" NORM
          "a = conv x w\n"
          "b = batch_normalization a scale bias mean variance\n"
          "c = conv b w | activation=3\n"
          "d = mul c scale\n"
          "e = conv d w\n"
          "y = mul e f\n"
          "output y\n"
          "output a\n",
          "inputs %x:f32[1,6,4,6]\n"
          "%a:f32[1,6,4,6] = conv(%x, %w)\n"
          "%b:f32[1,6,4,6] = batch_normalization(%a, %scale, %bias, %mean, %variance)\n"
          "%c:f32[1,6,4,6] = conv(%b, %w) activation=3\n"
          "%d:f32[1,6,4,6] = mul(%c, %scale)\n"
          "%e:f32[1,6,4,6] = conv(%d, %w)\n"
          "%y:f32[1,6,4,6] = mul(%e, %f)\n"
          "outputs %y:f32[1,6,4,6], %a:f32[1,6,4,6]\n");
}

void test_fold_batch_norm(pith_test *test)
{
    check_conv(test);
    check_product(test);
    check_refused(test);
}
