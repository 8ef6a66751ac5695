/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

#define NUMBERS                                                                                    \
    "const zero s64[1]{0}\nconst one s64[1]{1}\nconst two s64[1]{2}\nconst three s64[1]{-1}\nconst end s64[1]{9999}\n"

void test_fuse_focus(pith_test *test)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_focus, &pithi_pass_remove_dead };
    pith_test_case(test, "four quarters of an image in any order, sliced in one or two steps");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_MODEL, 1e-5,
        "input x f32[2,3,8,6]\n" NUMBERS
        "const both s64[2]{1,1}\nconst twos s64[2]{2,2}\nconst axes s64[2]{2,3}\nconst ends s64[2]{99,99}\n"
        "const w f32[5,12,3,2]\nconst b f32[5]\n"
        "t = slice x zero end two two\n"
        "u = slice x one end two two\n"
        "p = slice t zero end three two\n"
        "q = slice u zero end three two\n"
        "r = slice t one end three two\n"
        "s = slice x both ends axes twos\n"
        "c = concat p q r s | axis=1\n"
        "y = conv c w b | pads=[1,0,1,2] strides=[1,2] activation=3\n"
        "output y\n",
        "inputs %x:f32[2,3,8,6]\n"
        "%y:f32[2,5,4,2] = conv(%x, %pith:0, %b) kernel_shape=[6,4] pads=[2,0,2,4] strides=[2,4] activation=3\n"
        "outputs %y:f32[2,5,4,2]\n" });
    pith_test_case(test, "a quarter twice is something else");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_MODEL, 0.0,
        "input x f32[1,1,4,4]\n" NUMBERS
        "const w f32[2,4,1,1]\n"
        "t = slice x zero end two two\n"
        "p = slice t zero end three two\n"
        "q = slice t one end three two\n"
        "c = concat p q p q | axis=1\n"
        "y = conv c w\n"
        "output y\n",
        "inputs %x:f32[1,1,4,4]\n"
        "%t:f32[1,1,2,4] = slice(%x, %zero, %end, %two, %two)\n"
        "%p:f32[1,1,2,2] = slice(%t, %zero, %end, %three, %two)\n"
        "%q:f32[1,1,2,2] = slice(%t, %one, %end, %three, %two)\n"
        "%c:f32[1,4,2,2] = concat(%p, %q, %p, %q) axis=1\n"
        "%y:f32[1,2,2,2] = conv(%c, %w)\n"
        "outputs %y:f32[1,2,2,2]\n" });
}
