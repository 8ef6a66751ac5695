/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

void test_fold_constants(pith_test *test)
{
    pith_test_case(test, "what depends on constants only is evaluated, large or small");
    pith_test_one_pass(test, &pithi_pass_fold_constants,
                       "input x f32[2,3]\n"
                       "const small f32[3]\n"
                       "const large f32[200,200]\n"
                       "a = abs small\n"
                       "b = exp large\n"
                       "c = neg b\n"
                       "y = relu x\n"
                       "output y\n"
                       "output a\n"
                       "output c\n",
                       "inputs %x:f32[2,3]\n"
                       "%y:f32[2,3] = relu(%x)\n"
                       "outputs %y:f32[2,3], %a:f32[3], %c:f32[200,200]\n");
}
