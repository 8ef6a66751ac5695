/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static const pith_pass *const passes[] = { &pithi_pass_merge_transpose, &pithi_pass_remove_identity,
                                           &pithi_pass_remove_dead };

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 3, PITH_STAGE_SHAPE, 0.0, before, after });
}

void test_merge_transpose(pith_test *test)
{
    check(test, "two transposes become one",
          "input x f32[2,3,4,5]\n"
          "a = transpose x | perm=[0,2,3,1]\n"
          "y = transpose a | perm=[1,0,3,2]\n"
          "output y\n"
          "output a\n",
          "inputs %x:f32[2,3,4,5]\n"
          "%a:f32[2,4,5,3] = transpose(%x) perm=[0,2,3,1]\n"
          "%y:f32[4,2,3,5] = transpose(%x) perm=[2,0,1,3]\n"
          "outputs %y:f32[4,2,3,5], %a:f32[2,4,5,3]\n");
    check(test, "they cancel across elementwise work",
          "input x f32[2,3,4,5]\n"
          "input z f32[2,1,4,5]\n"
          "const two f32[1]{2}\n"
          "a = transpose x | perm=[0,2,3,1]\n"
          "b = transpose z | perm=[0,2,3,1]\n"
          "c = relu a\n"
          "d = add c b\n"
          "e = mul d two\n"
          "y = transpose e | perm=[0,3,1,2]\n"
          "output y\n",
          "inputs %x:f32[2,3,4,5], %z:f32[2,1,4,5]\n"
          "%pith:0:f32[2,3,4,5] = relu(%x)\n"
          "%pith:1:f32[2,3,4,5] = add(%pith:0, %z)\n"
          "%y:f32[2,3,4,5] = mul(%pith:1, %two)\n"
          "outputs %y:f32[2,3,4,5]\n");
    check(test, "other permutations, or other uses, keep a transpose where it is",
          "input x f32[2,3]\n"
          "input z f32[3,2]\n"
          "a = transpose x | perm=[1,0]\n"
          "b = add a z\n"
          "c = transpose z\n"
          "d = relu c\n"
          "y = transpose d | perm=[1,0]\n"
          "output y\n"
          "output c\n"
          "output b\n",
          "inputs %x:f32[2,3], %z:f32[3,2]\n"
          "%a:f32[3,2] = transpose(%x) perm=[1,0]\n"
          "%b:f32[3,2] = add(%a, %z)\n"
          "%c:f32[2,3] = transpose(%z)\n"
          "%d:f32[2,3] = relu(%c)\n"
          "%y:f32[3,2] = transpose(%d) perm=[1,0]\n"
          "outputs %y:f32[3,2], %c:f32[2,3], %b:f32[3,2]\n");
}
