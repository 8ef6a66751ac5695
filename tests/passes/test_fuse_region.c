/* SPDX-License-Identifier: Apache-2.0 */
/* Regions: what becomes one, and that a session gives the same bits with and without the pass. */
#include <math.h>
#include <stdio.h>

#include "pith/pith.h"
#include "support/graph_text.h"
#include "support/proto.h"

static void check_near(pith_test *test, const char *what, double tolerance, const char *before, const char *after)
{
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ (const pith_pass *const[]){ &pithi_pass_fuse_region }, 1,
                                             PITH_STAGE_SHAPE, tolerance, before, after });
}

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    check_near(test, what, 0.0, before, after);
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
          "%y:f32[1,8,16,64] = region(%x, %g, %r) program=[66,0,1,-1,64,3,2,-1,3,4,-1,-1,8,5,-1,-1] "
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
          "%y:f32[9,1024] = region(%x, %s) program=[11,0,-1,-1,2,2,-1,-1,66,0,1,-1,69,4,3,-1] "
          "parameters=[0,0,0,0,0,0,0,0]\n"
          "outputs %y:f32[9,1024]\n");
}

static void check_masks(pith_test *test)
{
    check_near(test, "comparisons, logic and choices, sums of several", 1e-6, /* each function's result is rounded */
          "input x f32[9,1024]\n"
          "input m bool[1024]\n"
          "const zero f32[]{0}\n"
          "const three f32[]{3}\n"
          "a = greater x zero\n"
          "b = and a m\n"
          "c = pow x three\n"
          "d = where b c x\n"
          "e = sum x d c\n"
          "f = cast b | to=f32\n"
          "y = mean e f x\n"
          "output y\n",
          "inputs %x:f32[9,1024], %m:bool[1024]\n"
          "%y:f32[9,1024] = region(%x, %zero, %m) program=[140,0,-1,-1,131,0,1,-1,133,4,2,-1,138,5,3,0,64,0,6,-1,64,"
          "7,3,-1,0,5,-1,-1,64,8,9,-1,64,10,0,-1,141,11,-1,-1]"
          " parameters=[3,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.333333343,"
          "0]\n"
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
    static const char *const unary[] = { "relu", "sigmoid", "neg", "abs", "tanh", "sign" };
    static const char *const binary[] = { "add", "sub", "mul", "max", "min", "prelu" };
    static const char *const compare[] = { "less", "less_or_equal", "greater", "greater_or_equal", "equal" };
    static const char *const reduce[] = { "reduce_sum", "reduce_mean", "reduce_max", "reduce_min",
                                          "reduce_l1", "reduce_l2", "reduce_sum_square" };
    static const char *const logic[] = { "and", "or", "xor" };
    static const char *const others[] = { "g", "s", "r", "c", "t" };
    for (int k = 0; k < 40; k++) {
        char text[8192];
        int n = snprintf(text, sizeof text, "input v0 f32[2,70,96]\ninput g f32[96]\ninput s f32[]\n"
                                            "input r f32[2,1,96]\ninput c f32[70,1]\ninput t f32[2,70,1]\n"
                                            "input m0 bool[2,70,96]\ninput k bool[70,1]\n");
        int n_masks = 1;
        const int n_nodes = 2 + (int)(pith_test_random(test) % 20);
        for (int i = 1; i <= n_nodes; i++) {
            const uint64_t dice = pith_test_random(test);
            const int a = (int)((dice >> 8) % (uint64_t)i), b = (int)((dice >> 24) % (uint64_t)i);
            char *at = text + n;
            const size_t room = sizeof text - (size_t)n;
            const int mask = (int)((dice >> 40) % (uint64_t)n_masks);
            if (i < n_nodes && (dice >> 48) % 3 == 0) { /* a mask on the way, and what chooses by it */
                n += snprintf(at, room, "m%d = %s v%d %s\nm%d = %s m%d %s\nv%d = where m%d v%d %s\n", n_masks,
                              compare[(dice >> 4) % 5], a, (dice >> 5) % 2 ? "g" : "v0", n_masks + 1,
                              logic[(dice >> 4) % 3], n_masks, (dice >> 6) % 2 ? "m0" : "k", i, n_masks + 1, b,
                              others[(dice >> 24) % 5]);
                n_masks += 2;
            } else if (i < n_nodes && (dice >> 48) % 3 == 1 && (dice >> 50) % 4 == 0) {
                n += snprintf(at, room, "c%d = cast m%d | to=f32\nv%d = mean v%d c%d g v%d\n", i, mask, i, a, i, b);
            } else if (dice % 4 == 0) {
                n += snprintf(at, room, "v%d = %s v%d\n", i, unary[(dice >> 4) % 6], a);
            } else if (dice % 4 == 1) {
                n += snprintf(at, room, "v%d = %s v%d %s\n", i, binary[(dice >> 4) % 6], a, others[(dice >> 24) % 5]);
            } else if (dice % 4 == 2 || i == n_nodes) {
                n += snprintf(at, room, "v%d = %s v%d v%d\n", i, binary[(dice >> 4) % 6], a, b);
            } else if ((dice >> 52) % 2 == 0) {
                n += snprintf(at, room,
                              "const x%d s64[1]{%d}\nw%d = mul v%d %s\nr%d = %s w%d x%d\nv%d = sub v%d r%d\n", i,
                              (dice >> 53) % 4 == 0 ? 1 : -1, i, b, others[(dice >> 32) % 5], i,
                              reduce[(dice >> 4) % 7], i, i, i, a, i);
            } else {
                n += snprintf(at, room, "v%d = softmax v%d\n", i, a);
            }
        }
        n += snprintf(text + n, sizeof text - (size_t)n, "output v%d\n", n_nodes);
        if (n_masks > 1) {
            n += snprintf(text + n, sizeof text - (size_t)n, "output m%d\n", n_masks / 2);
        }
        if (n_nodes > 4) {
            snprintf(text + n, sizeof text - (size_t)n, "output v%d\n", n_nodes / 2);
        }
        pith_test_case(test, "random graph %d", k);
        pith_test_run(test, text, 3, 1e-4);
    }
}

/* y = 2 |x| by a loop whose body reads a value from the middle of a chain in front of it, and which runs as often as a
 * value says that is known in a run only. */
static void check_body(pith_test *test)
{
    static const char text[] =
        "ir 8 ; opset 13 ; graph { input x f32[90,128] ; input n s64[]\n"
        "node Neg x -> a\nnode Abs a -> b\nnode Sub b,b -> c\nnode Exp c -> e\nnode Log e -> zero\n"
        "node Loop n,_,zero -> y { graph body { input i s64[] ; input k bool[] ; input s f32[90,128]\n"
        "node Identity k -> l\nnode Add s,b -> t\noutput l bool[] ; output t f32[90,128] } }\noutput y f32[90,128] }";
    static const pith_session_options options = { .n_threads = 1 };
    static float data[90 * 128];
    int64_t n_runs = 2;
    pith_tensor inputs[2] = { { PITH_DTYPE_F32, { 2, { 90, 128 } }, data }, { PITH_DTYPE_S64, { 0, { 0 } }, &n_runs } };
    pith_proto proto = { 0 };
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_test_case(test, "a body reads a value within a chain");
    for (int i = 0; i < PITH_COUNT(data); i++) {
        data[i] = (float)(i % 37 - 18) / 4.0f;
    }
    TEST_CHECK(test, pith_proto_onnx(&proto, text));
    TEST_OK(test, pith_model_load_memory(test->ctx, proto.data, proto.n_bytes, NULL, &model));
    TEST_OK(test, pith_session_create(model, &options, &session));
    TEST_OK(test, pith_session_run(session, inputs, 2));
    const pith_tensor *y = pith_session_output(session, 0);
    TEST_CHECK(test, y && y->dtype == PITH_DTYPE_F32 && pith_shape_elements(&y->shape) == PITH_COUNT(data));
    for (int i = 0; i < PITH_COUNT(data); i++) {
        TEST_CHECK(test, ((const float *)y->data)[i] == 2.0f * fabsf(data[i]));
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
    pith_proto_free(&proto);
}

void test_fuse_region(pith_test *test)
{
    check_body(test);
    check_fused(test);
    check_masks(test);
    check_kept(test);
    check_random(test);
}
