/* SPDX-License-Identifier: Apache-2.0 */
/* center_crop_pad: brings each axis to its size in `shape` by cutting off both ends, or putting zeros there; the
 * odd element goes to (or comes from) the end. ONNX CenterCropPad. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct center_crop_pad_attrs {
    pith_ints axes;
} center_crop_pad_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INTS(center_crop_pad_attrs, axes, "axes") };

static void ref(const pith_run *run)
{
    const pith_shape *x = &run->inputs[0].shape, *y = &run->outputs[0].shape;
    pithi_copy copy = pithi_copy_make(&run->inputs[0], &run->outputs[0]);
    int64_t from_strides[PITH_MAX_RANK], to_strides[PITH_MAX_RANK];
    size_t n_bytes = pith_tensor_bytes(&run->outputs[0]);
    pithi_dense_strides(x, from_strides);
    pithi_dense_strides(y, to_strides);
    for (int i = 0; i < x->rank; i++) {
        int64_t cut = pithi_max_s64(x->dims[i] - y->dims[i], 0) / 2,
                added = pithi_max_s64(y->dims[i] - x->dims[i], 0) / 2;
        pithi_copy_move(&copy, cut * from_strides[i], added * to_strides[i]);
        pithi_copy_add(&copy, pithi_min_s64(x->dims[i], y->dims[i]), from_strides[i], to_strides[i]);
    }
    if (n_bytes > 0) {
        memset(run->outputs[0].data, 0, n_bytes);
    }
    pithi_copy_plain(&copy);
}

static pith_status infer(pith_infer *infer)
{
    const center_crop_pad_attrs *attrs = infer->attrs;
    int64_t sizes[PITH_MAX_RANK];
    int axes[PITH_MAX_RANK], n_axes, n_sizes, rank = infer->inputs[0].shape.rank;
    PITH_TRY(pithi_infer_axes_attr(infer, &attrs->axes, rank, rank, axes, &n_axes));
    PITH_TRY(pithi_infer_ints(infer, 1, sizes, &n_sizes));
    PITH_CHECK(infer->ctx, n_sizes == n_axes, PITH_STATUS_SHAPE, "%d sizes for %d axes", n_sizes, n_axes);
    PITH_TRY(pithi_infer_same(infer));
    for (int i = 0; i < n_axes; i++) {
        infer->outputs[0].shape.dims[axes[i]] = sizes[i];
    }
    return PITH_OK;
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    center_crop_pad_attrs *attrs = node->attrs;
    int rank = node->inputs[0]->shape.rank;
    return pithi_axes_attr_channels_last(graph, &attrs->axes, rank, rank);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "shape", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "CenterCropPad", 18, NULL } };
static const char *const samples[] = { "f32[5,4] s64[2]{2,7}", "s8[3,4,5] s32[2]{6,1} | axes=[-1,0]",
                                       "f32[0,3] s64[1]{2} | axes=[1]" };

const pith_op pith_op_center_crop_pad = {
    .head = { "center_crop_pad", 1, PITH_ATTRS(attr_table, center_crop_pad_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
