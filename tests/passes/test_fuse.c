/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_bias, fuse_residual, fuse_prelu, fuse_activation: alone and in the order of the pipeline. */
#include <stdio.h>

#include "support/graph_text.h"

static void check(pith_test *test, const pith_pass *pass, const char *what, const char *before, const char *after)
{
    pith_test_case(test, "%s: %s", pass->name, what);
    pith_test_one_pass(test, pass, before, after);
}

static void check_bias(pith_test *test)
{
    check(test, &pithi_pass_fuse_bias, "into a bias that is there, and a new one",
          "input x f32[1,4,5,5]\n"
          "const w f32[4,4,3,3]\n"
          "const b f32[4]\n"
          "const c f32[1,4,1,1]\n"
          "const d f32[4,1,1]\n"
          "a = conv x w b\n"
          "e = add a c | activation=3\n"
          "f = conv e w\n"
          "y = sub f d\n"
          "output y\n",
          "inputs %x:f32[1,4,5,5]\n"
          "%e:f32[1,4,3,3] = conv(%x, %w, %pith:0) activation=3\n"
          "%y:f32[1,4,1,1] = conv(%e, %w, %pith:1)\n"
          "outputs %y:f32[1,4,1,1]\n");
    check(test, &pithi_pass_fuse_bias, "a product with any number of batch dimensions",
          "input x f32[2,3,4]\n"
          "const w f32[4,5]\n"
          "const b f32[5]\n"
          "const c f32[3,5]\n"
          "a = matmul x w | alpha=0.5\n"
          "d = add b a\n"
          "y = add d c\n"
          "output y\n",
          "inputs %x:f32[2,3,4]\n"
          "%d:f32[2,3,5] = matmul(%x, %w, %pith:0) alpha=0.5\n"
          "%y:f32[2,3,5] = add(%d, %c)\n"
          "outputs %y:f32[2,3,5]\n");
}

static void check_residual(pith_test *test)
{
    check(test, &pithi_pass_fuse_residual, "the later convolution takes the sum and its activation",
          "input x f32[1,4,5,5]\n"
          "const w f32[4,4,1,1]\n"
          "a = conv x w\n"
          "b = conv x w\n"
          "y = add a b | activation=3\n"
          "output y\n",
          "inputs %x:f32[1,4,5,5]\n"
          "%a:f32[1,4,5,5] = conv(%x, %w)\n"
          "%y:f32[1,4,5,5] = conv(%x, %w, -, %a) activation=3\n"
          "outputs %y:f32[1,4,5,5]\n");
    check(test, &pithi_pass_fuse_residual, "a convolution waits for the other operand",
          "input x f32[1,4,5,5]\n"
          "const w f32[4,4,1,1]\n"
          "a = conv x w\n"
          "b = relu x\n"
          "c = abs b\n"
          "d = add a b\n"
          "y = mul d c\n"
          "output y\n",
          "inputs %x:f32[1,4,5,5]\n"
          "%b:f32[1,4,5,5] = relu(%x)\n"
          "%c:f32[1,4,5,5] = abs(%b)\n"
          "%d:f32[1,4,5,5] = conv(%x, %w, -, %b)\n"
          "%y:f32[1,4,5,5] = mul(%d, %c)\n"
          "outputs %y:f32[1,4,5,5]\n");
    check(test, &pithi_pass_fuse_residual, "a broadcast operand stays; behind a function the shortcut comes last",
          "input x f32[2,4,5,5]\n"
          "input s f32[1,4,5,5]\n"
          "const w f32[4,4,1,1]\n"
          "a = conv x w\n"
          "b = add a s\n"
          "c = conv b w | activation=3\n"
          "y = add b c\n"
          "output y\n",
          "inputs %x:f32[2,4,5,5], %s:f32[1,4,5,5]\n"
          "%a:f32[2,4,5,5] = conv(%x, %w)\n"
          "%b:f32[2,4,5,5] = add(%a, %s)\n"
          "%y:f32[2,4,5,5] = conv(%b, %w, -, %b) activation=3 residual_behind=1\n"
          "outputs %y:f32[2,4,5,5]\n");
    check(test, &pithi_pass_fuse_residual, "a sum with a function of its own behind another function stays",
          "input x f32[2,4,5,5]\n"
          "const w f32[4,4,1,1]\n"
          "c = conv x w | activation=9 activation_alpha=1\n"
          "y = add x c | activation=3\n"
          "output y\n",
          "inputs %x:f32[2,4,5,5]\n"
          "%c:f32[2,4,5,5] = conv(%x, %w) activation=9 activation_alpha=1\n"
          "%y:f32[2,4,5,5] = add(%x, %c) activation=3\n"
          "outputs %y:f32[2,4,5,5]\n");
}

/* Convolutions and products of all kinds with a shortcut behind their function. */
static void check_behind(pith_test *test)
{
    static const char *const convs[] = {
        "const w f32[24,24,1,1]\nc = conv x w | activation=9 activation_alpha=1\n",
        "const w f32[24,24,3,3]\nc = conv x w | pads=[1,1,1,1] activation=8\n",
        "const w f32[24,1,3,3]\nc = conv x w | group=24 pads=[1,1,1,1] activation=10\n",
        "const w f32[24,12,3,3]\nc = conv x w | group=2 pads=[1,1,1,1] activation=3\n",
        "const w f32[24,24,5,1]\nc = conv x w | pads=[2,0,2,0] activation=4 activation_alpha=-1 activation_beta=1\n",
        "const w f32[24,24,1,1]\nc = conv_transpose x w | activation=7 activation_alpha=0.2 activation_beta=0.5\n",
    };
    for (int i = 0; i < PITH_COUNT(convs) * 4; i++) {
        char text[512];
        const int height = 3 + (int)(pith_test_random(test) % 40), width = 3 + (int)(pith_test_random(test) % 40);
        snprintf(text, sizeof text, "input x f32[2,24,%d,%d]\n%sy = add %s\nz = abs y\noutput z\n", height, width,
                 convs[i % PITH_COUNT(convs)], i % 2 ? "x c" : "c x");
        pith_test_case(test, "a shortcut behind the function, graph %d", i);
        pith_test_run(test, text, 3, 1e-4);
        snprintf(text, sizeof text, "input x f32[1,24,%d,%d]\n%sy = add c x\nz = concat y x | axis=1\noutput z\n",
                 height, width, convs[i % PITH_COUNT(convs)]);
        pith_test_case(test, "a shortcut and a sum that are windows, graph %d", i);
        pith_test_run(test, text, 2, 1e-4);
    }
}

static void check_pieces(pith_test *test)
{
    check(test, &pithi_pass_fuse_residual, "convolutions side by side add the pieces of what they were cut from",
          "input x f32[1,8,5,6]\n"
          "const w f32[4,4,3,1]\n"
          "const v f32[4,4,1,3]\n"
          "a b = split x | axis=1\n"
          "c = conv a w | pads=[1,0,1,0]\n"
          "d = conv b v | pads=[0,1,0,1]\n"
          "e = concat c d | axis=1\n"
          "y = add x e | activation=3\n"
          "output y\n",
          "inputs %x:f32[1,8,5,6]\n"
          "%a:f32[1,4,5,6], %b:f32[1,4,5,6] = split(%x) axis=1\n"
          "%c:f32[1,4,5,6] = conv(%a, %w, -, %a) pads=[1,0,1,0] activation=3\n"
          "%d:f32[1,4,5,6] = conv(%b, %v, -, %b) pads=[0,1,0,1] activation=3\n"
          "%y:f32[1,8,5,6] = concat(%c, %d) axis=1\n"
          "outputs %y:f32[1,8,5,6]\n");
    check(test, &pithi_pass_fuse_residual, "other pieces, and convolutions that may be Winograd's, stay",
          "input x f32[1,8,5,6]\n"
          "const w f32[4,4,3,3]\n"
          "a b = split x | axis=1\n"
          "c = conv a w | pads=[1,1,1,1]\n"
          "d = conv b w | pads=[1,1,1,1]\n"
          "e = concat c d | axis=1\n"
          "y = add x e\n"
          "output y\n",
          "inputs %x:f32[1,8,5,6]\n"
          "%a:f32[1,4,5,6], %b:f32[1,4,5,6] = split(%x) axis=1\n"
          "%c:f32[1,4,5,6] = conv(%a, %w) pads=[1,1,1,1]\n"
          "%d:f32[1,4,5,6] = conv(%b, %w) pads=[1,1,1,1]\n"
          "%e:f32[1,8,5,6] = concat(%c, %d) axis=1\n"
          "%y:f32[1,8,5,6] = add(%x, %e)\n"
          "outputs %y:f32[1,8,5,6]\n");
}

static void check_activation(pith_test *test)
{
    check(test, &pithi_pass_fuse_activation, "into convolution, sum and product, with parameters",
          "input x f32[1,4,5,5]\n"
          "const w f32[4,4,1,1]\n"
          "a = conv x w\n"
          "b = relu a\n"
          "c = add b x\n"
          "d = leaky_relu c | alpha=0.25\n"
          "e = mul d x\n"
          "y = clip e | min=0 max=6\n"
          "output y\n",
          "inputs %x:f32[1,4,5,5]\n"
          "%b:f32[1,4,5,5] = conv(%x, %w) activation=3\n"
          "%d:f32[1,4,5,5] = add(%b, %x) activation=5 activation_alpha=0.25\n"
          "%y:f32[1,4,5,5] = mul(%d, %x) activation=4 activation_beta=6\n"
          "outputs %y:f32[1,4,5,5]\n");
    check(test, &pithi_pass_fuse_activation, "one each; results read elsewhere, other dtypes, limits from inputs stay",
          "input x f32[4]\n"
          "input n s32[4]\n"
          "input h f32[]\n"
          "a = add x x\n"
          "b = relu a\n"
          "c = exp b\n"
          "d = add n n\n"
          "e = relu d\n"
          "f = add x x\n"
          "y = clip f - h\n"
          "output c\n"
          "output e\n"
          "output y\n",
          "inputs %x:f32[4], %n:s32[4], %h:f32[]\n"
          "%b:f32[4] = add(%x, %x) activation=3\n"
          "%c:f32[4] = exp(%b)\n"
          "%d:s32[4] = add(%n, %n)\n"
          "%e:s32[4] = relu(%d)\n"
          "%f:f32[4] = add(%x, %x)\n"
          "%y:f32[4] = clip(%f, -, %h)\n"
          "outputs %c:f32[4], %e:s32[4], %y:f32[4]\n");
}

static void check_prelu(pith_test *test)
{
    check(test, &pithi_pass_fuse_prelu, "slopes per channel, and one slope for all",
          "input x f32[1,4,5,5]\n"
          "const w f32[4,4,1,1]\n"
          "const s f32[4,1,1]\n"
          "const r f32[1]{0.25}\n"
          "a = conv x w\n"
          "b = prelu a s\n"
          "c = conv b w\n"
          "y = prelu c r\n"
          "output y\n",
          "inputs %x:f32[1,4,5,5]\n"
          "%b:f32[1,4,5,5] = conv(%x, %w, -, -, %pith:0) activation=5\n"
          "%y:f32[1,4,5,5] = conv(%b, %w) activation=5 activation_alpha=0.25\n"
          "outputs %y:f32[1,4,5,5]\n");
    check(test, &pithi_pass_fuse_prelu, "slopes along columns and slopes that aren't constant stay",
          "input x f32[1,4,4,4]\n"
          "input r f32[4,1,1]\n"
          "const w f32[4,4,1,1]\n"
          "const s f32[4]\n"
          "a = conv x w\n"
          "b = prelu a s\n"
          "c = conv b w\n"
          "y = prelu c r\n"
          "output y\n",
          "inputs %x:f32[1,4,4,4], %r:f32[4,1,1]\n"
          "%a:f32[1,4,4,4] = conv(%x, %w)\n"
          "%b:f32[1,4,4,4] = prelu(%a, %s)\n"
          "%c:f32[1,4,4,4] = conv(%b, %w)\n"
          "%y:f32[1,4,4,4] = prelu(%c, %r)\n"
          "outputs %y:f32[1,4,4,4]\n");
}

void test_fuse(pith_test *test)
{
    check_prelu(test);
    check_bias(test);
    check_residual(test);
    check_pieces(test);
    check_behind(test);
    check_activation(test);
}
