/* SPDX-License-Identifier: Apache-2.0 */
/* slice: every steps[k]-th element from starts[k] up to (not including) ends[k] along axes[k]. Bounds count
 * from the end if negative, and are clamped to the dimension. ONNX Slice. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct slice_range {
    int64_t start, step, count;
} slice_range;

static slice_range make_range(int64_t dim, int64_t start, int64_t end, int64_t step)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
    start = start < 0 ? start + dim : start;
    end = end < 0 ? end + dim : end;
    start = pithi_max_s64(pithi_min_s64(start, high), low);
    end = pithi_max_s64(pithi_min_s64(end, high), low);
    int64_t span = step > 0 ? end - start : start - end;
    uint64_t length = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    int64_t count = span > 0 ? (int64_t)(((uint64_t)span - 1) / length) + 1 : 0;
    return (slice_range){ start, count > 1 ? step : 1, count };
}

/* Ranges of all axes of input 0; inputs 1 to 4 have known, checked values. */
static void read_ranges(const pith_tensor *inputs, int n_inputs, slice_range ranges[PITH_MAX_RANK])
{
    const pith_shape *shape = &inputs[0].shape;
    for (int i = 0; i < shape->rank; i++) {
        ranges[i] = (slice_range){ 0, 1, shape->dims[i] };
    }
    for (int i = 0; i < (int)inputs[1].shape.dims[0]; i++) {
        int64_t axis = pithi_has_operand(inputs, n_inputs, 3) ? pithi_tensor_get_s64(&inputs[3], i) : i;
        int64_t step = pithi_has_operand(inputs, n_inputs, 4) ? pithi_tensor_get_s64(&inputs[4], i) : 1;
        axis += axis < 0 ? shape->rank : 0;
        ranges[axis] = make_range(shape->dims[axis], pithi_tensor_get_s64(&inputs[1], i),
                                  pithi_tensor_get_s64(&inputs[2], i), step);
    }
}

static pithi_copy describe(const pith_run *run)
{
    const pith_shape *shape = &run->inputs[0].shape;
    slice_range ranges[PITH_MAX_RANK];
    int64_t from_strides[PITH_MAX_RANK], to_strides[PITH_MAX_RANK];
    pithi_copy copy = pithi_copy_make(&run->inputs[0], &run->outputs[0]);
    read_ranges(run->inputs, run->n_inputs, ranges);
    pithi_row_strides(shape, pithi_stride(run->strides, 0, 0), from_strides);
    pithi_row_strides(&run->outputs[0].shape, pithi_stride(run->strides, run->n_inputs, 0), to_strides);
    for (int i = 0; i < shape->rank; i++) {
        pithi_copy_move(&copy, ranges[i].count ? ranges[i].start * from_strides[i] : 0, 0);
        pithi_copy_add(&copy, ranges[i].count, ranges[i].step * from_strides[i], to_strides[i]);
    }
    return copy;
}

static void ref(const pith_run *run) { pithi_copy_ref(run, describe); }

static void run_part(const pith_run *run, const pith_part *part) { pithi_copy_run(run, part, describe); }

/* Every second byte is picked fastest for all pixels together. */
static bool takes_window(const pith_node *node, int index)
{
    return pith_dtype_bytes(node->inputs[0]->dtype) > (index < node->n_inputs ? 0 : 1);
}

/* One range of neighbours, along one axis. */
static bool piece(const pith_node *node, int index, pith_span *span)
{
    const pith_shape *shape = &node->inputs[0]->shape;
    pith_tensor inputs[5] = { { .shape = *shape } };
    slice_range ranges[PITH_MAX_RANK];
    for (int i = 1; i < node->n_inputs; i++) {
        if (node->inputs[i] && !node->inputs[i]->constant) {
            return false;
        }
        inputs[i] = node->inputs[i] ? *node->inputs[i]->constant : (pith_tensor){ .dtype = PITH_DTYPE_NONE };
    }
    read_ranges(inputs, node->n_inputs, ranges);
    int n_cut = 0;
    *span = (pith_span){ 0 };
    for (int i = 0; i < shape->rank; i++) {
        if (ranges[i].count != shape->dims[i] || ranges[i].step != 1) {
            *span = (pith_span){ i, ranges[i].start, ranges[i].start + ranges[i].count };
            n_cut += ranges[i].step == 1 ? 1 : 2;
        }
    }
    return n_cut < 2 && shape->rank > 0 && pithi_copy_takes_window(node, index);
}

static pith_status infer(pith_infer *infer)
{
    const pith_tensor *x = &infer->inputs[0];
    int64_t items[PITH_MAX_RANK];
    int axes[PITH_MAX_RANK], n_axes, n_starts, n_items;
    PITH_TRY(pithi_infer_ints(infer, 1, items, &n_starts));
    PITH_CHECK(infer->ctx, infer->inputs[1].shape.rank == 1 && n_starts <= x->shape.rank, PITH_STATUS_SHAPE,
               "%d starts for an input of rank %d", n_starts, x->shape.rank);
    PITH_TRY(pithi_infer_ints(infer, 2, items, &n_items));
    PITH_CHECK(infer->ctx, n_items == n_starts, PITH_STATUS_SHAPE, "%d starts, but %d ends", n_starts, n_items);
    PITH_TRY(pithi_infer_axes(infer, 3, x->shape.rank, n_starts, axes, &n_axes));
    PITH_CHECK(infer->ctx, n_axes == n_starts, PITH_STATUS_SHAPE, "%d starts, but %d axes", n_starts, n_axes);
    PITH_TRY(pithi_infer_ints(infer, 4, items, &n_items));
    PITH_CHECK(infer->ctx, n_items == n_starts || !pithi_has_operand(infer->inputs, infer->n_inputs, 4),
               PITH_STATUS_SHAPE, "%d starts, but %d steps", n_starts, n_items);
    for (int i = 0; i < n_items; i++) {
        PITH_CHECK(infer->ctx, items[i] != 0, PITH_STATUS_SHAPE, "step %d is 0", i);
    }
    slice_range ranges[PITH_MAX_RANK];
    read_ranges(infer->inputs, infer->n_inputs, ranges);
    infer->outputs[0].dtype = x->dtype;
    infer->outputs[0].shape.rank = x->shape.rank;
    for (int i = 0; i < x->shape.rank; i++) {
        infer->outputs[0].shape.dims[i] = ranges[i].count;
    }
    return PITH_OK;
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    const pith_value *starts = node->inputs[1];
    return starts->has_shape && starts->shape.rank == 1 && starts->shape.dims[0] >= 0 &&
           pithi_axes_input_channels_last(graph, node, 3, node->inputs[0]->shape.rank, (int)starts->shape.dims[0]);
}

/* Before opset 10 all were attributes. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx, (void)attrs;
    PITH_TRY(pithi_source_attr_to_input(source, "starts", 1));
    PITH_TRY(pithi_source_attr_to_input(source, "ends", 2));
    return pithi_source_attr_to_input(source, "axes", 3);
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_MOVED, PITH_ONE },           { "starts", PITH_DTYPES_INDEX, PITH_ONE },
    { "ends", PITH_DTYPES_INDEX, PITH_ONE },      { "axes", PITH_DTYPES_INDEX, PITH_OPTIONAL },
    { "steps", PITH_DTYPES_INDEX, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Slice", 1, map_1 }, { "onnx", "", "Slice", 10, NULL } };
static const char *const samples[] = {
    "f32[5,6] s64[2]{1,-4} s64[2]{3,100}", "f32[5,6] s64[1]{-1} s64[1]{-100} s64[1]{-1} s64[1]{-1}",
    "s8[20] s32[1]{-2} s32[1]{1} - s32[1]{-3}", "f32[2,64,20,20] s64[2]{0,1} s64[2]{9999,9999} s64[2]{2,3} s64[2]{2,2}",
    "f32[60,60,12] s64[1]{3} s64[1]{9} s64[1]{2}", "f32[4,3] s64[1]{3} s64[1]{3} s64[1]{0}", "s64[7] s64[0]{} s64[0]{}",
    "string[5,6] s64[2]{1,-1} s64[2]{5,-7} - s64[2]{2,-2}",
};

const pith_op pith_op_slice = {
    .head = { "slice", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = pithi_copy_prepare,
    .run = run_part,
    .takes_window = takes_window,
    .piece = piece,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
