/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check_softmax(pith_test *test)
{
    static const pith_pass *const softmax[] = { &pithi_pass_sink_reshape, &pithi_pass_merge_reshape,
                                                &pithi_pass_remove_dead };
    pith_test_case(test, "softmax over a last dimension that stays comes first, over another one it doesn't");
    pith_test_pass(test, &(pith_pass_check){
        softmax, 3, PITH_STAGE_SHAPE, 1e-5,
        "input x f32[6,4]\n"
        "const w f32[4,4]\n"
        "const flat s64[2]{6,4}\n"
        "const deep s64[3]{2,3,4}\n"
        "const other s64[3]{6,2,2}\n"
        "c = gemm x w\n"
        "d = reshape c deep\n"
        "e = softmax d | axis=2\n"
        "y = reshape e flat\n"
        "f = gemm y w\n"
        "g = reshape f other\n"
        "z = softmax g\n"
        "output z\n",
        "inputs %x:f32[6,4]\n"
        "%c:f32[6,4] = gemm(%x, %w)\n"
        "%pith:0:f32[6,4] = softmax(%c)\n"
        "%y:f32[6,4] = reshape(%pith:0, %pith:2) allowzero=1\n"
        "%f:f32[6,4] = gemm(%y, %w)\n"
        "%g:f32[6,2,2] = reshape(%f, %other)\n"
        "%z:f32[6,2,2] = softmax(%g)\n"
        "outputs %z:f32[6,2,2]\n" });
}

void test_sink_reshape(pith_test *test)
{
    static const pith_pass *const passes[] = { &pithi_pass_sink_reshape,   &pithi_pass_merge_reshape,
                                               &pithi_pass_fuse_bias,      &pithi_pass_fuse_residual,
                                               &pithi_pass_fuse_activation, &pithi_pass_remove_identity,
                                               &pithi_pass_remove_dead };
    pith_test_case(test, "bias, activation and shortcut reach the product");
    pith_test_pass(test, &(pith_pass_check){
        passes, 7, PITH_STAGE_SHAPE, 1e-5,
        "input x f32[1,6,4]\n"
        "const w f32[4,4]\n"
        "const b f32[4]\n"
        "const flat s64[2]{6,4}\n"
        "const deep s64[3]{1,6,4}\n"
        "a = reshape x flat\n"
        "c = gemm a w\n"
        "d = reshape c deep\n"
        "e = add d b\n"
        "f = relu e\n"
        "g = reshape f flat\n"
        "h = gemm g w\n"
        "i = reshape h deep\n"
        "y = add x i\n"
        "output y\n",
        "inputs %x:f32[1,6,4]\n"
        "%a:f32[6,4] = reshape(%x, %flat)\n"
        "%pith:2:f32[6,4] = gemm(%a, %w, %pith:9) activation=3\n"
        "%pith:5:f32[6,4] = reshape(%x, %pith:4) allowzero=1\n"
        "%pith:6:f32[6,4] = gemm(%pith:2, %w, -, %pith:5)\n"
        "%y:f32[1,6,4] = reshape(%pith:6, %pith:7) allowzero=1\n"
        "outputs %y:f32[1,6,4]\n" });
    pith_test_case(test, "an operand that broadcasts over split dimensions keeps the reshape in place");
    pith_test_pass(test, &(pith_pass_check){
        passes, 7, PITH_STAGE_SHAPE, 1e-5,
        "input x f32[6,4]\n"
        "const w f32[4,4]\n"
        "const b f32[3,1]\n"
        "const deep s64[3]{2,3,4}\n"
        "c = gemm x w\n"
        "d = reshape c deep\n"
        "y = add d b\n"
        "output y\n",
        "inputs %x:f32[6,4]\n"
        "%c:f32[6,4] = gemm(%x, %w)\n"
        "%d:f32[2,3,4] = reshape(%c, %deep)\n"
        "%y:f32[2,3,4] = add(%d, %b)\n"
        "outputs %y:f32[2,3,4]\n" });
    check_softmax(test);
}
