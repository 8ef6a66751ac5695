/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

void test_merge_reshape(pith_test *test)
{
    static const pith_pass *const passes[] = { &pithi_pass_merge_reshape, &pithi_pass_remove_dead };
    pith_test_case(test, "a chain of views becomes one reshape");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_SHAPE, 0.0,
        "input x f32[2,1,3,4]\n"
        "const axis s64[1]{1}\n"
        "const to s64[3]{3,-1,2}\n"
        "a = squeeze x axis\n"
        "b = flatten a | axis=1\n"
        "c = reshape b to\n"
        "y = unsqueeze c axis\n"
        "output y\n"
        "output b\n",
        "inputs %x:f32[2,1,3,4]\n"
        "%b:f32[2,12] = reshape(%x, %pith:0) allowzero=1\n"
        "%y:f32[3,1,4,2] = reshape(%x, %pith:2) allowzero=1\n"
        "outputs %y:f32[3,1,4,2], %b:f32[2,12]\n" });
    pith_test_case(test, "a transpose that only moves dimensions of size 1 is a reshape");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_SHAPE, 0.0,
        "input x f32[2,3,1,4]\n"
        "y = transpose x | perm=[2,0,1,3]\n"
        "z = transpose x | perm=[0,3,1,2]\n"
        "output y\n"
        "output z\n",
        "inputs %x:f32[2,3,1,4]\n"
        "%y:f32[1,2,3,4] = reshape(%x, %pith:0) allowzero=1\n"
        "%z:f32[2,4,3,1] = transpose(%x) perm=[0,3,1,2]\n"
        "outputs %y:f32[1,2,3,4], %z:f32[2,4,3,1]\n" });
    pith_test_case(test, "a transpose among views that add and drop dimensions of size 1 needs fewer dimensions");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_SHAPE, 0.0,
        "input x f32[4,3,5]\n"
        "const to s64[5]{1,4,3,1,5}\n"
        "const back s64[3]{5,4,3}\n"
        "a = reshape x to\n"
        "b = transpose a | perm=[3,4,1,2,0]\n"
        "y = reshape b back\n"
        "output y\n",
        "inputs %x:f32[4,3,5]\n"
        "%y:f32[5,4,3] = transpose(%x) perm=[2,0,1]\n"
        "outputs %y:f32[5,4,3]\n" });
}
