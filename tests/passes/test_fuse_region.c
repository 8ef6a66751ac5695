/* SPDX-License-Identifier: Apache-2.0 */
/* Regions: what becomes one, and that a session gives the same bits with and without the pass. */
#include <stdio.h>

#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ (const pith_pass *const[]){ &pithi_pass_fuse_region }, 1,
                                             PITH_STAGE_SHAPE, 0.0, before, after });
}

static void check_fused(pith_test *test)
{
    check(test, "a chain with a gate for each channel, a shortcut and activations",
          "input x f32[1,8,16,64]\n"
          "input g f32[1,1,1,64]\n"
          "input r f32[1,8,16,64]\n"
          "a = mul x g\n"
          "b = add a r | activation=3\n"
          "y = sigmoid b\n"
          "output y\n",
          "inputs %x:f32[1,8,16,64], %g:f32[1,1,1,64], %r:f32[1,8,16,64]\n"
          "%y:f32[1,8,16,64] = region(%x, %g, %r) program=[66,0,1,64,3,2,3,4,-1,8,5,-1] "
          "parameters=[0,0,0,0,0,0,0,0]\n"
          "outputs %y:f32[1,8,16,64]\n");
    check(test, "values that others read become outputs, squares are products",
          "input x f32[9,1024]\n"
          "const two f32[]{2}\n"
          "a = sub x two\n"
          "b = pow a two\n"
          "c = reduce_sum a | keepdims=0\n"
          "y = mul b c\n"
          "z = relu a\n"
          "output y\n"
          "output z\n",
          NULL);
    check(test, "the exponent of a square may give it a higher rank",
          "input x f32[10000]\n"
          "const two f32[1,1]{2}\n"
          "a = pow x two\n"
          "y = neg a\n"
          "output y\n",
          "inputs %x:f32[10000]\n"
          "%a:f32[1,10000] = pow(%x, %two)\n"
          "%y:f32[1,10000] = neg(%a)\n"
          "outputs %y:f32[1,10000]\n");
    check(test, "two groups meet",
          "input x f32[9,1024]\n"
          "input s f32[9,1]\n"
          "a = mul x s\n"
          "b = exp x\n"
          "c = neg b\n"
          "y = max a c\n"
          "output y\n",
          "inputs %x:f32[9,1024], %s:f32[9,1]\n"
          "%y:f32[9,1024] = region(%x, %s) program=[11,0,-1,2,2,-1,66,0,1,69,4,3] parameters=[0,0,0,0,0,0,0,0]\n"
          "outputs %y:f32[9,1024]\n");
}

static void check_kept(pith_test *test)
{
    check(test, "small values, other types and what others need in between stay",
          "input x f32[9,1024]\n"
          "input w f32[9,9]\n"
          "input i s32[9,1024]\n"
          "a = add w w\n"
          "b = neg a\n"
          "c = add i i\n"
          "d = mul c i\n"
          "e = neg x\n"
          "f = matmul w e\n"
          "g = add e f\n"
          "output b\n"
          "output d\n"
          "output g\n",
          "inputs %x:f32[9,1024], %w:f32[9,9], %i:s32[9,1024]\n"
          "%a:f32[9,9] = add(%w, %w)\n"
          "%b:f32[9,9] = neg(%a)\n"
          "%c:s32[9,1024] = add(%i, %i)\n"
          "%d:s32[9,1024] = mul(%c, %i)\n"
          "%e:f32[9,1024] = neg(%x)\n"
          "%f:f32[9,1024] = matmul(%w, %e)\n"
          "%g:f32[9,1024] = add(%e, %f)\n"
          "outputs %b:f32[9,9], %d:s32[9,1024], %g:f32[9,1024]\n");
}

/* Chains and trees of what takes part and of what doesn't, on operands that broadcast in all ways. */
static void check_random(pith_test *test)
{
    static const char *const unary[] = { "relu", "sigmoid", "neg", "abs", "tanh" };
    static const char *const binary[] = { "add", "sub", "mul", "max", "min", "prelu" };
    static const char *const others[] = { "g", "s", "r", "c", "t" };
    for (int k = 0; k < 40; k++) {
        char text[4096];
        int n = snprintf(text, sizeof text, "input v0 f32[2,70,96]\ninput g f32[96]\ninput s f32[]\n"
                                            "input r f32[2,1,96]\ninput c f32[70,1]\ninput t f32[2,70,1]\n");
        const int n_nodes = 2 + (int)(pith_test_random(test) % 20);
        for (int i = 1; i <= n_nodes; i++) {
            const uint64_t dice = pith_test_random(test);
            const int a = (int)((dice >> 8) % (uint64_t)i), b = (int)((dice >> 24) % (uint64_t)i);
            char *at = text + n;
            const size_t room = sizeof text - (size_t)n;
            if (dice % 4 == 0) {
                n += snprintf(at, room, "v%d = %s v%d\n", i, unary[(dice >> 4) % 5], a);
            } else if (dice % 4 == 1) {
                n += snprintf(at, room, "v%d = %s v%d %s\n", i, binary[(dice >> 4) % 6], a, others[(dice >> 24) % 5]);
            } else if (dice % 4 == 2 || i == n_nodes) {
                n += snprintf(at, room, "v%d = %s v%d v%d\n", i, binary[(dice >> 4) % 6], a, b);
            } else {
                n += snprintf(at, room, "v%d = softmax v%d\n", i, a);
            }
        }
        n += snprintf(text + n, sizeof text - (size_t)n, "output v%d\n", n_nodes);
        if (n_nodes > 4) {
            snprintf(text + n, sizeof text - (size_t)n, "output v%d\n", n_nodes / 2);
        }
        pith_test_case(test, "random graph %d", k);
        pith_test_run(test, text, 3, 1e-4);
    }
}

void test_fuse_region(pith_test *test)
{
    check_fused(test);
    check_kept(test);
    check_random(test);
}
