/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    pith_test_case(test, "%s", what);
    pith_test_one_pass(test, &pithi_pass_remove_identity, before, after);
}

static void check_kept(pith_test *test)
{
    check(test, "a graph input joined to a graph output stays joined by a node",
          "input x f32[2]\n"
          "a = identity x\n"
          "y = identity a\n"
          "output y\n",
          "inputs %x:f32[2]\n"
          "%y:f32[2] = identity(%x)\n"
          "outputs %y:f32[2]\n");
    check(test, "adding zero that widens the result stays",
          "input x f32[3]\n"
          "const zero f32[2,1]{0}\n"
          "y = add x zero\n"
          "output y\n",
          "inputs %x:f32[3]\n"
          "%y:f32[2,3] = add(%x, %zero)\n"
          "outputs %y:f32[2,3]\n");
    check(test, "an activation in the addition of zero stays",
          "input x f32[3]\n"
          "const zero f32[]{0}\n"
          "y = add x zero | activation=3\n"
          "output y\n",
          "inputs %x:f32[3]\n"
          "%y:f32[3] = add(%x, %zero) activation=3\n"
          "outputs %y:f32[3]\n");
    check(test, "a slice that reverses keeps the shape, but is no identity",
          "input x f32[3]\n"
          "const starts s64[1]{-1}\n"
          "const ends s64[1]{-9}\n"
          "const axes s64[1]{0}\n"
          "const steps s64[1]{-1}\n"
          "y = slice x starts ends axes steps\n"
          "output y\n",
          "inputs %x:f32[3]\n"
          "%y:f32[3] = slice(%x, %starts, %ends, %axes, %steps)\n"
          "outputs %y:f32[3]\n");
}

void test_remove_identity(pith_test *test)
{
    check(test, "a chain of identities before and behind work",
          "input x f32[2]\n"
          "a = identity x\n"
          "b = identity a\n"
          "c = relu b\n"
          "d = identity c\n"
          "y = identity d\n"
          "output y\n",
          "inputs %x:f32[2]\n"
          "%y:f32[2] = relu(%x)\n"
          "outputs %y:f32[2]\n");
    check(test, "neutral operands on either side",
          "input x f32[2,3]\n"
          "const zero f32[3]{0}\n"
          "const one f32[]{1}\n"
          "a = add zero x\n"
          "b = mul a one\n"
          "c = sub b zero\n"
          "d = div c one\n"
          "y = relu d\n"
          "output y\n",
          "inputs %x:f32[2,3]\n"
          "%y:f32[2,3] = relu(%x)\n"
          "outputs %y:f32[2,3]\n");
    check(test, "data movement that moves nothing",
          "input x f32[2,3]\n"
          "const to s64[2]{0,-1}\n"
          "const one s64[2]{1,1}\n"
          "const start s64[1]{0}\n"
          "const end s64[1]{99}\n"
          "a = reshape x to\n"
          "b = transpose a | perm=[0,1]\n"
          "c = expand b one\n"
          "d = tile c one\n"
          "e = slice d start end\n"
          "f = concat e | axis=1\n"
          "y = relu f\n"
          "output y\n",
          "inputs %x:f32[2,3]\n"
          "%y:f32[2,3] = relu(%x)\n"
          "outputs %y:f32[2,3]\n");
    check_kept(test);
}
