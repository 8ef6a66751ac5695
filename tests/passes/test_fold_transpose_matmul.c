/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fold_transpose_matmul, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 1e-6, before, after });
}

void test_fold_transpose_matmul(pith_test *test)
{
    check(test, "either operand of either product, and back",
          "input x f32[4,3]\n"
          "input z f32[5,4]\n"
          "input u f32[2,3,6]\n"
          "const w2 f32[4,5]\n"
          "a = transpose x\n"
          "b = transpose z | perm=[1,0]\n"
          "c = gemm a b\n"
          "d = transpose u | perm=[0,2,1]\n"
          "y = matmul d c\n"
          "e = transpose c\n"
          "z2 = gemm e w2 | transA=1 transB=1\n"
          "output y\n"
          "output z2\n",
          "inputs %x:f32[4,3], %z:f32[5,4], %u:f32[2,3,6]\n"
          "%c:f32[3,5] = gemm(%x, %z) transA=1 transB=1\n"
          "%y:f32[2,6,5] = matmul(%u, %c) trans_a=1\n"
          "%z2:f32[3,4] = gemm(%c, %w2) transB=1\n"
          "outputs %y:f32[2,6,5], %z2:f32[3,4]\n");
    check(test, "keys of an attention keep whole rows",
          "input q f32[2,3,2,4]\n"
          "input k f32[2,5,2,4]\n"
          "a = transpose q | perm=[0,2,1,3]\n"
          "b = transpose k | perm=[0,2,3,1]\n"
          "y = matmul a b\n"
          "output y\n",
          "inputs %q:f32[2,3,2,4], %k:f32[2,5,2,4]\n"
          "%a:f32[2,2,3,4] = transpose(%q) perm=[0,2,1,3]\n"
          "%pith:0:f32[2,2,5,4] = transpose(%k) perm=[0,2,1,3]\n"
          "%y:f32[2,2,3,5] = matmul(%a, %pith:0) trans_b=1\n"
          "outputs %y:f32[2,2,3,5]\n");
}
