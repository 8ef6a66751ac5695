/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

void test_merge_common(pith_test *test)
{
    pith_test_case(test, "chains that are alike become one");
    pith_test_one_pass(test, &pithi_pass_merge_common,
                       "input x f32[2,3]\n"
                       "a = abs x\n"
                       "b = abs x\n"
                       "c = exp a\n"
                       "d = exp b\n"
                       "y = relu d\n"
                       "output y\n"
                       "output c\n",
                       "inputs %x:f32[2,3]\n"
                       "%a:f32[2,3] = abs(%x)\n"
                       "%c:f32[2,3] = exp(%a)\n"
                       "%y:f32[2,3] = relu(%c)\n"
                       "outputs %y:f32[2,3], %c:f32[2,3]\n");
    pith_test_case(test, "other attributes are another computation");
    pith_test_one_pass(test, &pithi_pass_merge_common,
                       "input x f32[2,3]\n"
                       "a = leaky_relu x | alpha=0.25\n"
                       "b = leaky_relu x | alpha=0.5\n"
                       "output a\n"
                       "output b\n",
                       "inputs %x:f32[2,3]\n"
                       "%a:f32[2,3] = leaky_relu(%x) alpha=0.25\n"
                       "%b:f32[2,3] = leaky_relu(%x) alpha=0.5\n"
                       "outputs %a:f32[2,3], %b:f32[2,3]\n");
    pith_test_case(test, "a graph output lends its name; two graph outputs keep both");
    pith_test_one_pass(test, &pithi_pass_merge_common,
                       "input x f32[2,3]\n"
                       "a = abs x\n"
                       "b = abs x\n"
                       "c = abs x\n"
                       "y = relu a\n"
                       "output b\n"
                       "output c\n"
                       "output y\n",
                       "inputs %x:f32[2,3]\n"
                       "%b:f32[2,3] = abs(%x)\n"
                       "%c:f32[2,3] = abs(%x)\n"
                       "%y:f32[2,3] = relu(%b)\n"
                       "outputs %b:f32[2,3], %c:f32[2,3], %y:f32[2,3]\n");
}
