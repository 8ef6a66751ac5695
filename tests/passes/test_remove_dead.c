/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

void test_remove_dead(pith_test *test)
{
    pith_test_case(test, "a chain that nobody reads goes, back to its root");
    pith_test_one_pass(test, &pithi_pass_remove_dead,
                       "input x f32[2,3]\n"
                       "a = abs x\n"
                       "b = exp a\n"
                       "c = neg b\n"
                       "y = relu a\n"
                       "output y\n",
                       "inputs %x:f32[2,3]\n"
                       "%a:f32[2,3] = abs(%x)\n"
                       "%y:f32[2,3] = relu(%a)\n"
                       "outputs %y:f32[2,3]\n");
}
