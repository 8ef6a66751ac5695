/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_rearrange, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 0.0, before, after });
}

void test_fuse_rearrange(pith_test *test)
{
    check(test, "depth to space in both orders, space to depth",
          "input x f32[2,8,3,5]\n"
          "const crd s64[6]{2,2,2,2,3,5}\n"
          "const dcr s64[6]{2,2,2,2,3,5}\n"
          "const fine s64[4]{2,2,6,10}\n"
          "const blocks s64[6]{2,2,3,2,5,2}\n"
          "const deep s64[4]{2,8,3,5}\n"
          "a = reshape x crd\n"
          "b = transpose a | perm=[0,1,4,2,5,3]\n"
          "y = reshape b fine\n"
          "c = reshape x dcr\n"
          "d = transpose c | perm=[0,3,4,1,5,2]\n"
          "z = reshape d fine\n"
          "e = reshape y blocks\n"
          "f = transpose e | perm=[0,3,5,1,2,4]\n"
          "u = reshape f deep\n"
          "output y\n"
          "output z\n"
          "output u\n",
          "inputs %x:f32[2,8,3,5]\n"
          "%y:f32[2,2,6,10] = depth_to_space(%x) blocksize=2 mode=CRD\n"
          "%z:f32[2,2,6,10] = depth_to_space(%x) blocksize=2\n"
          "%u:f32[2,8,3,5] = space_to_depth(%y) blocksize=2\n"
          "outputs %y:f32[2,2,6,10], %z:f32[2,2,6,10], %u:f32[2,8,3,5]\n");
    check(test, "every second channel",
          "input x f32[2,6,3,5]\n"
          "const pairs s64[3]{6,2,15}\n"
          "const halves s64[5]{2,2,3,3,5}\n"
          "const even s64[]{0}\n"
          "const odd s64[]{-1}\n"
          "a = reshape x pairs\n"
          "b = transpose a | perm=[1,0,2]\n"
          "c = reshape b halves\n"
          "y = gather c even\n"
          "z = gather c odd\n"
          "output y\n"
          "output z\n",
          "inputs %x:f32[2,6,3,5]\n"
          "%y:f32[2,3,3,5] = slice(%x, %pith:0, %pith:1, %pith:2, %pith:3)\n"
          "%z:f32[2,3,3,5] = slice(%x, %pith:4, %pith:5, %pith:6, %pith:7)\n"
          "outputs %y:f32[2,3,3,5], %z:f32[2,3,3,5]\n");
    check(test, "gathering with one index is a slice",
          "input x f32[2,3,4]\n"
          "const last s64[]{-1}\n"
          "const one s64[1]{1}\n"
          "const two s64[2]{1,1}\n"
          "y = gather x last | axis=-1\n"
          "z = gather x one | axis=0\n"
          "u = gather x two | axis=1\n"
          "output y\n"
          "output z\n"
          "output u\n",
          "inputs %x:f32[2,3,4]\n"
          "%pith:4:f32[2,3,1] = slice(%x, %pith:0, %pith:1, %pith:2, %pith:3)\n"
          "%y:f32[2,3] = reshape(%pith:4, %pith:5) allowzero=1\n"
          "%pith:10:f32[1,3,4] = slice(%x, %pith:6, %pith:7, %pith:8, %pith:9)\n"
          "%z:f32[1,3,4] = reshape(%pith:10, %pith:11) allowzero=1\n"
          "%u:f32[2,2,4] = gather(%x, %two) axis=1\n"
          "outputs %y:f32[2,3], %z:f32[1,3,4], %u:f32[2,2,4]\n");
}
