/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fold_pooled, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 2e-5, before, after });
}

static void check_folded(pith_test *test)
{
    static const char head[] = "input p f32[1,4,1,1]\n"
                               "input x f32[1,3,6,7]\n"
                               "const scales f32[4]{1,1,6,7}\n"
                               "const w f32[5,7,1,1]\n"
                               "const b f32[5]\n"
                               "r = resize p - scales | mode=linear coordinate_transformation_mode=align_corners\n"
                               "c = concat r x | axis=1\n"
                               "y = conv c w b | activation=3\n"
                               "output y\n";
    check(test, "a pooled branch becomes a bias", head,
          "inputs %p:f32[1,4,1,1], %x:f32[1,3,6,7]\n"
          "%pith:2:f32[1,5,1,1] = conv(%p, %pith:0, %b)\n"
          "%pith:4:f32[5] = reshape(%pith:2, %pith:3)\n"
          "%y:f32[1,5,6,7] = conv(%x, %pith:1, %pith:4) activation=3\n"
          "outputs %y:f32[1,5,6,7]\n");
    pith_test_case(test, "a session with a pooled branch");
    pith_test_run(test, head, 3, 1e-5);
    check(test, "of several branches one is pooled, without a bias",
          "input p f32[1,2,1,1]\n"
          "input x f32[1,3,6,7]\n"
          "input z f32[1,4,6,7]\n"
          "const dims s64[4]{1,2,6,7}\n"
          "const w f32[5,9,1,1]\n"
          "e = expand p dims\n"
          "c = concat x e z | axis=-3\n"
          "y = conv c w\n"
          "output y\n",
          "inputs %p:f32[1,2,1,1], %x:f32[1,3,6,7], %z:f32[1,4,6,7]\n"
          "%pith:2:f32[1,7,6,7] = concat(%x, %z) axis=1\n"
          "%pith:3:f32[1,5,1,1] = conv(%p, %pith:0)\n"
          "%pith:5:f32[5] = reshape(%pith:3, %pith:4)\n"
          "%y:f32[1,5,6,7] = conv(%pith:2, %pith:1, %pith:5)\n"
          "outputs %y:f32[1,5,6,7]\n");
}

static void check_unchanged(pith_test *test)
{
    check(test, "pictures in batches, kernels with neighbours and shared concatenations stay",
          "input p f32[1,4,1,1]\n"
          "input x f32[1,3,6,7]\n"
          "input z f32[2,3,6,7]\n"
          "input o f32[2,4,1,1]\n"
          "const dims s64[4]{1,4,6,7}\n"
          "const two s64[4]{2,4,6,7}\n"
          "const w f32[5,7,1,1]\n"
          "const v f32[5,7,3,3]\n"
          "e = expand p dims\n"
          "a = concat e x | axis=1\n"
          "f = conv a v\n"
          "g = expand o two\n"
          "h = concat g z | axis=1\n"
          "i = conv h w\n"
          "j = concat x e | axis=1\n"
          "k = conv j w\n"
          "output f\n"
          "output i\n"
          "output j\n"
          "output k\n",
          "inputs %p:f32[1,4,1,1], %x:f32[1,3,6,7], %z:f32[2,3,6,7], %o:f32[2,4,1,1]\n"
          "%e:f32[1,4,6,7] = expand(%p, %dims)\n"
          "%a:f32[1,7,6,7] = concat(%e, %x) axis=1\n"
          "%f:f32[1,5,4,5] = conv(%a, %v)\n"
          "%g:f32[2,4,6,7] = expand(%o, %two)\n"
          "%h:f32[2,7,6,7] = concat(%g, %z) axis=1\n"
          "%i:f32[2,5,6,7] = conv(%h, %w)\n"
          "%j:f32[1,7,6,7] = concat(%x, %e) axis=1\n"
          "%k:f32[1,5,6,7] = conv(%j, %w)\n"
          "outputs %f:f32[1,5,4,5], %i:f32[2,5,6,7], %j:f32[1,7,6,7], %k:f32[1,5,6,7]\n");
    check(test, "a resize that mixes channels stays",
          "input p f32[1,2,1,1]\n"
          "input x f32[1,3,6,7]\n"
          "const scales f32[4]{1,1.3,6,7}\n"
          "const w f32[5,5,1,1]\n"
          "r = resize p - scales | mode=linear\n"
          "c = concat r x | axis=1\n"
          "y = conv c w\n"
          "output y\n",
          "inputs %p:f32[1,2,1,1], %x:f32[1,3,6,7]\n"
          "%r:f32[1,2,6,7] = resize(%p, -, %scales) mode=linear\n"
          "%c:f32[1,5,6,7] = concat(%r, %x) axis=1\n"
          "%y:f32[1,5,6,7] = conv(%c, %w)\n"
          "outputs %y:f32[1,5,6,7]\n");
}

void test_fold_pooled(pith_test *test)
{
    check_folded(test);
    check_unchanged(test);
}
