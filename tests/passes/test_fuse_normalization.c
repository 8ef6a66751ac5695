/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_normalization, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_SHAPE, 2e-5, before, after });
}

#define CONSTANTS                                                                                  \
    "const last s64[1]{-1}\nconst two f32[]{2}\nconst eps f32[]{1e-5}\nconst g f32[7]\nconst b f32[1,1,7]\n"

static void check_layer(pith_test *test)
{
    check(test, "layer normalisation as it is defined",
          "input x f32[2,3,7]\n" CONSTANTS
          "m = reduce_mean x last\n"
          "d = sub x m\n"
          "p = pow d two\n"
          "v = reduce_mean p last\n"
          "a = add v eps\n"
          "s = sqrt a\n"
          "n = div d s\n"
          "h = mul n g\n"
          "y = add h b\n"
          "output y\n",
          "inputs %x:f32[2,3,7]\n"
          "%y:f32[2,3,7] = layer_normalization(%x, %pith:0, %pith:1)\n"
          "outputs %y:f32[2,3,7]\n");
    check(test, "layer normalisation as a factor and an offset, beside a shortcut",
          "input x f32[2,3,7]\n" CONSTANTS
          "m = reduce_mean x last\n"
          "d = sub x m\n"
          "p = mul d d\n"
          "v = reduce_mean p last\n"
          "a = add v eps | activation=13\n"
          "r = reciprocal a\n"
          "f = mul r g\n"
          "h = mul x f\n"
          "i = mul m f\n"
          "o = sub b i\n"
          "n = add h o\n"
          "y = add n x\n"
          "output y\n",
          "inputs %x:f32[2,3,7]\n"
          "%n:f32[2,3,7] = layer_normalization(%x, %pith:0, %pith:1)\n"
          "%y:f32[2,3,7] = add(%n, %x)\n"
          "outputs %y:f32[2,3,7]\n");
}

static void check_rms(pith_test *test)
{
    check(test, "root mean square, with and without a scale",
          "input x f32[2,3,7]\n" CONSTANTS
          "const one f32[]{1}\n"
          "p = mul x x\n"
          "v = reduce_mean p last\n"
          "a = add v eps\n"
          "s = sqrt a\n"
          "r = div one s\n"
          "n = mul x r\n"
          "y = mul g n\n"
          "q = pow y two\n"
          "w = reduce_mean q last\n"
          "e = add w eps\n"
          "t = sqrt e\n"
          "z = div y t\n"
          "output z\n",
          "inputs %x:f32[2,3,7]\n"
          "%y:f32[2,3,7] = rms_normalization(%x, %pith:1)\n"
          "%z:f32[2,3,7] = rms_normalization(%y, %pith:0)\n"
          "outputs %z:f32[2,3,7]\n");
    check(test, "epsilon outside of the root, or another axis, is something else",
          "input x f32[2,7,7]\n" CONSTANTS
          "const middle s64[1]{1}\n"
          "p = mul x x\n"
          "v = reduce_mean p last\n"
          "s = sqrt v\n"
          "a = add s eps\n"
          "y = div x a\n"
          "q = mul y y\n"
          "w = reduce_mean q middle\n"
          "e = add w eps\n"
          "t = sqrt e\n"
          "z = div y t\n"
          "output z\n",
          "inputs %x:f32[2,7,7]\n"
          "%p:f32[2,7,7] = mul(%x, %x)\n"
          "%v:f32[2,7,1] = reduce_mean(%p, %last)\n"
          "%s:f32[2,7,1] = sqrt(%v)\n"
          "%a:f32[2,7,1] = add(%s, %eps)\n"
          "%y:f32[2,7,7] = div(%x, %a)\n"
          "%q:f32[2,7,7] = mul(%y, %y)\n"
          "%w:f32[2,1,7] = reduce_mean(%q, %middle)\n"
          "%e:f32[2,1,7] = add(%w, %eps)\n"
          "%t:f32[2,1,7] = sqrt(%e)\n"
          "%z:f32[2,7,7] = div(%y, %t)\n"
          "outputs %z:f32[2,7,7]\n");
}

void test_fuse_normalization(pith_test *test)
{
    check_layer(test);
    check_rms(test);
}
