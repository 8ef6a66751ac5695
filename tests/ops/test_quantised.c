/* SPDX-License-Identifier: Apache-2.0 */
/* Integer operators with constant weights, which the generic test's samples can't have: runs of
 * every ISA and any number of parts against the references, bit for bit. */
#include <stdlib.h>

#include "kernels/kernel.h"
#include "ops/op.h"
#include "support/test.h"

#define MAX_INPUTS 9

/* An operator with random operands of these dtypes and shapes. */
typedef struct quantised_case {
    const char *what, *op;
    pith_dtype x, w, y;
    pith_shape x_shape, w_shape;
    int n_columns;
    bool per_column, has_zero, is_gemm;
    int64_t group, stride, dilation, pads[4], low, high;
    double y_scale;     /* 0: any */
    bool is_extreme;    /* bytes of x and w at the ends of their ranges */
    const char *kernel; /* what the name of the last way's kernel begins with; NULL: anything */
} quantised_case;

static pith_tensor make(pith_test *test, pith_dtype dtype, pith_shape shape, double low,
                        double high)
{
    pith_tensor tensor = { .dtype = dtype, .shape = shape };
    tensor.data = calloc(1, pith_tensor_bytes(&tensor) + 1);
    pith_test_fill(test, &tensor, low, high, false);
    return tensor;
}

static pith_tensor make_bytes(pith_test *test, pith_dtype dtype, pith_shape shape)
{
    double low = dtype == PITH_DTYPE_S8 ? -128 : 0;
    return make(test, dtype, shape, low, low + 256);
}

/* The smallest and the largest bytes, all alike or at random. */
static void make_extreme(pith_test *test, pith_tensor *tensor)
{
    const bool is_mixed = pith_test_random(test) & 1;
    const uint8_t first = tensor->dtype == PITH_DTYPE_S8 ? 0x80 : 0, any = pith_test_random(test) & 1 ? 0xff : 0;
    for (size_t i = 0; i < pith_tensor_bytes(tensor); i++) {
        ((uint8_t *)tensor->data)[i] = (uint8_t)(first ^ (is_mixed && (pith_test_random(test) & 1) ? 0xff : any));
    }
}

static int make_inputs(pith_test *test, const quantised_case *c, pith_tensor inputs[MAX_INPUTS])
{
    const pith_shape one = { 0 }, list = { .rank = 1, .dims = { c->n_columns } };
    int y_scale = c->is_gemm ? 7 : 6, bias = c->is_gemm ? 6 : 8;
    inputs[0] = make_bytes(test, c->x, c->x_shape);
    inputs[1] = make(test, PITH_DTYPE_F32, one, 0.01, 0.05);
    inputs[2] = make_bytes(test, c->x, one);
    inputs[3] = make_bytes(test, c->w, c->w_shape);
    inputs[4] = make(test, PITH_DTYPE_F32, c->per_column ? list : one, 0.01, 0.05);
    inputs[5] = make_bytes(test, c->w, c->per_column ? list : one);
    memset(inputs[5].data, 0, c->has_zero ? 0 : pith_tensor_bytes(&inputs[5]));
    if (c->is_extreme) {
        make_extreme(test, &inputs[0]);
        make_extreme(test, &inputs[3]);
    }
    const double scale = c->y_scale > 0 ? c->y_scale : 0.3;
    inputs[y_scale] = make(test, PITH_DTYPE_F32, one, scale, 3 * scale);
    inputs[y_scale + 1] = make_bytes(test, c->y, one);
    inputs[bias] = make(test, PITH_DTYPE_S32, list, -5000, 5000);
    return pithi_same_text(c->op, "qlinear_matmul") ? 8 : 9;
}

static pith_status make_node(pith_test *test, const quantised_case *c, pithi_arena *arena,
                             pith_node *node)
{
    const pith_op *op = pithi_op_find(c->op);
    *node = (pith_node){ .op = op, .name = "", .source_op = c->op };
    PITH_TRY(pithi_attrs_new(pithi_op_head(op), arena, &node->attrs));
    PITH_TRY(pithi_attr_set_int(test->ctx, node, "low", c->low));
    PITH_TRY(pithi_attr_set_int(test->ctx, node, "high", c->high));
    if (c->is_gemm) {
        return pithi_attr_set_int(test->ctx, node, "transB", 1);
    }
    if (pithi_same_text(c->op, "qlinear_matmul")) {
        return PITH_OK;
    }
    const int64_t strides[] = { c->stride, c->stride }, dilations[] = { c->dilation, c->dilation };
    PITH_TRY(pithi_attr_set_int(test->ctx, node, "channels_last", 1));
    PITH_TRY(pithi_attr_set_int(test->ctx, node, "group", c->group));
    PITH_TRY(pithi_attr_set_ints(arena, node, "strides", strides, 2));
    PITH_TRY(pithi_attr_set_ints(arena, node, "dilations", dilations, 2));
    return pithi_attr_set_ints(arena, node, "pads", c->pads, 4);
}

/* From the last part to the first one with scratch that has been overwritten, or as one thread does them in turn. */
static void run_parts(const pith_run *run, const pith_prepare *prepare, int count, bool in_turn)
{
    size_t n_bytes = pithi_align_up(prepare->scratch_bytes + 1, PITH_ALIGNMENT);
    pith_guarded memory = pith_guarded_alloc(n_bytes, false);
    void *scratch = memory.data;
    int parts = count < prepare->max_parts ? count : prepare->max_parts;
    for (int i = 0; i < parts; i++) {
        const bool follows = in_turn && i > 0;
        memset(scratch, 0xa5, follows ? 0 : n_bytes);
        run->node->op->run(run, &(pith_part){ in_turn ? i : parts - 1 - i, parts, 0, scratch, follows });
    }
    pith_guarded_free(&memory);
}

/* How an operator runs: one of its ways on an ISA. */
typedef struct op_way {
    int isa, choice;
    const char *kernel; /* what the name of its kernel begins with, or NULL */
} op_way;

/* Returns how many ways there are. */
static int check_way(pith_test *test, const pith_node *node, const pith_tensor *inputs, int n_inputs, pith_tensor *y,
                     const pith_tensor *wanted, const op_way *way)
{
    static const int counts[] = { 1, 2, 3, 7 };
    pithi_arena arena = { .ctx = test->ctx };
    pith_tensor known[MAX_INPUTS];
    memcpy(known, inputs, sizeof known);
    known[0].data = NULL;
    pith_prepare prepare = { .ctx = test->ctx,
                             .node = node,
                             .attrs = node->attrs,
                             .inputs = known,
                             .n_inputs = n_inputs,
                             .outputs = y,
                             .n_outputs = 1,
                             .isa_limit = way->isa,
                             .n_threads = 7,
                             .arena = &arena,
                             .max_parts = 1,
                             .n_phases = 1,
                             .choice = way->choice };
    TEST_OK(test, node->op->prepare(&prepare));
    TEST_CHECK_MESSAGE(test, prepare.use_run && prepare.n_phases == 1, "no fast path");
    TEST_CHECK_MESSAGE(test, !way->kernel || strncmp(prepare.kernel, way->kernel, strlen(way->kernel)) == 0,
                       "way %d is %s", way->choice, prepare.kernel);
    pith_run run = { .node = node,
                     .attrs = node->attrs,
                     .state = prepare.state,
                     .inputs = inputs,
                     .n_inputs = n_inputs,
                     .outputs = y,
                     .n_outputs = 1 };
    for (int i = 0; i < 2 * PITH_COUNT(counts) && prepare.use_run; i++) {
        memset(y->data, 0x5a, pith_tensor_bytes(y));
        run_parts(&run, &prepare, counts[i / 2], i % 2);
        TEST_CHECK_MESSAGE(test, memcmp(y->data, wanted->data, pith_tensor_bytes(y)) == 0,
                           "other bytes with %s in %d parts", prepare.kernel, counts[i / 2]);
    }
    pithi_arena_deinit(&arena);
    return prepare.n_choices;
}

static void check_case(pith_test *test, const quantised_case *c)
{
    pithi_arena arena = { .ctx = test->ctx };
    pith_tensor inputs[MAX_INPUTS] = { 0 }, y = { 0 };
    pith_node node;
    pith_test_case(test, "%s: %s", c->op, c->what);
    int n_inputs = make_inputs(test, c, inputs);
    TEST_OK(test, make_node(test, c, &arena, &node));
    pith_infer infer = { .ctx = test->ctx,
                         .node = &node,
                         .attrs = node.attrs,
                         .inputs = inputs,
                         .n_inputs = n_inputs,
                         .outputs = &y,
                         .n_outputs = 1 };
    TEST_OK(test, pithi_op_infer(&infer));
    pith_tensor wanted = y;
    pith_guarded bytes = pith_guarded_alloc(pith_tensor_bytes(&y), pith_test_random(test) & 1);
    y.data = bytes.data;
    wanted.data = calloc(1, pith_tensor_bytes(&y) + 1);
    TEST_OK(test, pithi_op_eval(test->ctx, &node, inputs, n_inputs, &wanted, 1));
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        op_way way = { .isa = isa };
        for (int n = pithi_isa_is_available(isa) ? 1 : 0; way.choice < n; way.choice++) {
            way.kernel = way.choice == 2 ? c->kernel : NULL;
            const int n_ways = check_way(test, &node, inputs, n_inputs, &y, &wanted, &way);
            n = n_ways > n ? n_ways : n;
        }
    }
    for (int i = 0; i < MAX_INPUTS; i++) {
        free(inputs[i].data);
    }
    pith_guarded_free(&bytes);
    free(wanted.data);
    pithi_arena_deinit(&arena);
}

#define N_3X3 12
#define S8 PITH_DTYPE_S8
#define U8 PITH_DTYPE_U8

static const quantised_case cases[] = {
        { .what = "1x1, signed, per channel",
          .op = "qlinear_conv",
          .x = S8,
          .w = S8,
          .y = S8,
          .x_shape = { 4, { 2, 9, 7, 24 } },
          .w_shape = { 4, { 70, 24, 1, 1 } },
          .n_columns = 70,
          .per_column = true,
          .group = 1,
          .stride = 1,
          .dilation = 1,
          .low = -128,
          .high = 255 },
        { .what = "3x3 with padding, unsigned with zero points",
          .op = "qlinear_conv",
          .x = U8,
          .w = U8,
          .y = U8,
          .x_shape = { 4, { 1, 13, 11, 3 } },
          .w_shape = { 4, { 17, 3, 3, 3 } },
          .n_columns = 17,
          .has_zero = true,
          .group = 1,
          .stride = 2,
          .dilation = 1,
          .pads = { 1, 1, 1, 1 },
          .low = 20,
          .high = 230 },
        { .what = "groups, dilated, mixed signs",
          .op = "qlinear_conv",
          .x = U8,
          .w = S8,
          .y = S8,
          .x_shape = { 4, { 2, 10, 9, 10 } },
          .w_shape = { 4, { 14, 5, 3, 2 } },
          .n_columns = 14,
          .per_column = true,
          .has_zero = true,
          .group = 2,
          .stride = 1,
          .dilation = 2,
          .pads = { 2, 0, 1, 1 },
          .low = -128,
          .high = 255 },
        { .what = "one pixel, many channels",
          .op = "qlinear_conv",
          .x = S8,
          .w = U8,
          .y = U8,
          .x_shape = { 4, { 1, 1, 1, 129 } },
          .w_shape = { 4, { 300, 129, 1, 1 } },
          .n_columns = 300,
          .has_zero = true,
          .group = 1,
          .stride = 1,
          .dilation = 1,
          .low = -128,
          .high = 255 },
        { .what = "1x1 of stride 2",
          .op = "qlinear_conv",
          .x = S8,
          .w = S8,
          .y = S8,
          .x_shape = { 4, { 1, 8, 9, 6 } },
          .w_shape = { 4, { 5, 6, 1, 1 } },
          .n_columns = 5,
          .group = 1,
          .stride = 2,
          .dilation = 1,
          .low = -128,
          .high = 255 },
        { .what = "1x1, bands of rows",
          .op = "qlinear_conv",
          .x = U8,
          .w = U8,
          .y = S8,
          .x_shape = { 4, { 1, 14, 14, 40 } },
          .w_shape = { 4, { 70, 40, 1, 1 } },
          .n_columns = 70,
          .per_column = true,
          .has_zero = true,
          .group = 1,
          .stride = 1,
          .dilation = 1,
          .low = -128,
          .high = 255 },
        { .what = "1x1, blocks of columns, since weights outweigh rows",
          .op = "qlinear_conv",
          .x = U8,
          .w = U8,
          .y = S8,
          .x_shape = { 4, { 1, 7, 7, 132 } },
          .w_shape = { 4, { 520, 132, 1, 1 } },
          .n_columns = 520,
          .per_column = true,
          .has_zero = true,
          .group = 1,
          .stride = 1,
          .dilation = 1,
          .low = -128,
          .high = 255 },
        { .what = "3x3 with padding, narrow blocks of columns",
          .op = "qlinear_conv",
          .x = U8,
          .w = U8,
          .y = S8,
          .x_shape = { 4, { 2, 7, 8, 64 } },
          .w_shape = { 4, { 136, 64, 3, 3 } },
          .n_columns = 136,
          .per_column = true,
          .has_zero = true,
          .group = 1,
          .stride = 2,
          .pads = { 1, 1, 1, 1 },
          .dilation = 1,
          .low = -128,
          .high = 255 },
        { .what = "3x3 with padding, one image, narrow blocks of columns",
          .op = "qlinear_conv",
          .x = U8,
          .w = U8,
          .y = S8,
          .x_shape = { 4, { 1, 7, 8, 64 } },
          .w_shape = { 4, { 136, 64, 3, 3 } },
          .n_columns = 136,
          .per_column = true,
          .has_zero = true,
          .group = 1,
          .stride = 2,
          .pads = { 1, 1, 1, 1 },
          .dilation = 1,
          .low = -128,
          .high = 255 },
        { .what = "depthwise, zero points",
          .op = "qlinear_conv",
          .x = U8,
          .w = U8,
          .y = U8,
          .x_shape = { 4, { 2, 12, 11, 45 } },
          .w_shape = { 4, { 45, 1, 3, 3 } },
          .n_columns = 45,
          .per_column = true,
          .has_zero = true,
          .group = 45,
          .stride = 2,
          .dilation = 1,
          .pads = { 0, 1, 1, 1 },
          .low = -128,
          .high = 255 },
        { .what = "depthwise, signed",
          .op = "qlinear_conv",
          .x = S8,
          .w = S8,
          .y = S8,
          .x_shape = { 4, { 1, 9, 9, 33 } },
          .w_shape = { 4, { 33, 1, 3, 3 } },
          .n_columns = 33,
          .group = 33,
          .stride = 1,
          .dilation = 1,
          .pads = { 1, 1, 1, 1 },
          .low = -100,
          .high = 255 },
        { .what = "one row",
          .op = "qlinear_gemm",
          .x = S8,
          .w = S8,
          .y = S8,
          .x_shape = { 2, { 1, 130 } },
          .w_shape = { 2, { 75, 130 } },
          .n_columns = 75,
          .is_gemm = true,
          .low = -128,
          .high = 255 },
        { .what = "zero points for each column",
          .op = "qlinear_gemm",
          .x = U8,
          .w = U8,
          .y = U8,
          .x_shape = { 2, { 19, 37 } },
          .w_shape = { 2, { 50, 37 } },
          .n_columns = 50,
          .per_column = true,
          .has_zero = true,
          .is_gemm = true,
          .low = 3,
          .high = 199 },
        { .what = "batches of rows",
          .op = "qlinear_matmul",
          .x = S8,
          .w = S8,
          .y = S8,
          .x_shape = { 3, { 3, 17, 40 } },
          .w_shape = { 2, { 40, 33 } },
          .n_columns = 33,
          .per_column = true,
          .has_zero = true,
          .low = -128,
          .high = 255 },
        { .what = "unsigned",
          .op = "qlinear_matmul",
          .x = U8,
          .w = U8,
          .y = U8,
          .x_shape = { 2, { 70, 21 } },
          .w_shape = { 2, { 21, 130 } },
          .n_columns = 130,
          .has_zero = true,
          .low = -128,
          .high = 255 },
        { .what = "3x3, the largest sums that Winograd's way may meet",
          .op = "qlinear_conv",
          .x = U8,
          .w = S8,
          .y = U8,
          .x_shape = { 4, { 1, 10, 9, 227 } },
          .w_shape = { 4, { 16, 227, 3, 3 } },
          .n_columns = 16,
          .group = 1,
          .stride = 1,
          .dilation = 1,
          .pads = { 1, 1, 1, 1 },
          .low = -128,
          .high = 255,
          .y_scale = 150,
          .is_extreme = true,
          .kernel = "winograd" },
        { .what = "3x3, sums that may be too large",
          .op = "qlinear_conv",
          .x = U8,
          .w = S8,
          .y = U8,
          .x_shape = { 4, { 1, 6, 7, 232 } },
          .w_shape = { 4, { 8, 232, 3, 3 } },
          .n_columns = 8,
          .group = 1,
          .stride = 1,
          .dilation = 1,
          .low = -128,
          .high = 255,
          .y_scale = 150,
          .is_extreme = true,
          .kernel = "gemm" },
        { .what = "3x3, weights with zero points at their ends",
          .op = "qlinear_conv",
          .x = S8,
          .w = U8,
          .y = S8,
          .x_shape = { 4, { 1, 9, 5, 40 } },
          .w_shape = { 4, { 24, 40, 3, 3 } },
          .n_columns = 24,
          .per_column = true,
          .has_zero = true,
          .group = 1,
          .stride = 1,
          .dilation = 1,
          .pads = { 0, 1, 1, 0 },
          .low = -128,
          .high = 255,
          .y_scale = 9,
          .is_extreme = true,
          .kernel = "gemm" },
};

static int pick(pith_test *test, int low, int high)
{
    return low + (int)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

/* 3x3 convolutions of any image, for Winograd's way. Sums are checked to the last bit: y_scale is that of sums that
 * reach some hundreds, or only their ends are seen. */
static quantised_case random_3x3(pith_test *test)
{
    const int n_c = pick(test, 8, 70), n = pick(test, 8, 90);
    const int pads[] = { pick(test, 0, 2), pick(test, 0, 2), pick(test, 0, 2), pick(test, 0, 2) };
    return (quantised_case){ .what = "any 3x3", .op = "qlinear_conv",
                             .x = pick(test, 0, 1) ? S8 : U8, .w = S8, .y = pick(test, 0, 1) ? S8 : U8,
                             .x_shape = { 4, { pick(test, 1, 3), pick(test, 3, 19), pick(test, 3, 19), n_c } },
                             .w_shape = { 4, { n, n_c, 3, 3 } }, .n_columns = n, .per_column = pick(test, 0, 1),
                             .group = 1, .stride = 1, .dilation = 1, .pads = { pads[0], pads[1], pads[2], pads[3] },
                             .low = pick(test, -128, 20), .high = pick(test, 90, 255), .y_scale = pick(test, 1, 9),
                             .kernel = "winograd" };
}

void test_quantised(pith_test *test)
{
    for (int i = 0; i < N_3X3; i++) {
        const quantised_case c = random_3x3(test);
        check_case(test, &c);
    }
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        check_case(test, &cases[i]);
    }
}
