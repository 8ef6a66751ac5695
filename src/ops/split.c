/* SPDX-License-Identifier: Apache-2.0 */
/* split: x cut along `axis` into the sizes in `split`; without it into equal pieces, rounded up, the last
 * one smaller. ONNX Split. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_source.h"

typedef struct split_attrs {
    int64_t axis, num_outputs;
} split_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(split_attrs, axis, "axis", 0),
    PITH_ATTR_INT(split_attrs, num_outputs, "num_outputs", 0),
};

static int64_t equal_size(int64_t dim, int n_outputs, int index)
{
    int64_t size = pithi_div_up(dim, n_outputs);
    return pithi_max_s64(pithi_min_s64(size, dim - index * size), 0);
}

static int axis_of(const pith_node *node)
{
    const split_attrs *attrs = node->attrs;
    return (int)(attrs->axis < 0 ? attrs->axis + node->inputs[0]->shape.rank : attrs->axis);
}

static int64_t size_of(const pith_node *node, const pith_tensor *sizes, int64_t dim, int index)
{
    return sizes ? pithi_tensor_get_s64(sizes, index) : equal_size(dim, node->n_outputs, index);
}

/* Piece `index`; empty if nobody wants it. */
static pithi_copy describe(const pith_run *run, int axis, int index, int64_t *begin)
{
    const pith_shape *x = &run->inputs[0].shape;
    const pithi_piece piece = { .piece = &run->outputs[index], .whole = (pith_tensor *)(uintptr_t)&run->inputs[0],
                                .piece_stride = pithi_stride(run->strides, run->n_inputs + index, 0),
                                .whole_stride = pithi_stride(run->strides, 0, 0), .axis = axis, .is_cut = true };
    if (!run->outputs[index].data) {
        const bool is_given = pithi_has_operand(run->inputs, run->n_inputs, 1);
        *begin += size_of(run->node, is_given ? &run->inputs[1] : NULL, x->dims[axis], index);
        return (pithi_copy){ .rank = 1 };
    }
    return pithi_copy_piece(&piece, 0, pithi_dims_product(x, 0, axis), begin);
}

static void ref(const pith_run *run)
{
    int64_t begin = 0;
    for (int i = 0; i < run->n_outputs; i++) {
        pithi_copy copy = describe(run, axis_of(run->node), i, &begin);
        pithi_copy_plain(&copy);
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    int64_t begin = 0;
    for (int i = 0; i < run->n_outputs; i++) {
        pithi_copy copy = describe(run, axis_of(run->node), i, &begin);
        pithi_copy_part(&copy, run->state, part);
    }
}

static bool piece(const pith_node *node, int index, pith_span *span)
{
    const pith_value *sizes = node->n_inputs > 1 ? node->inputs[1] : NULL;
    if (sizes && !sizes->constant) {
        return false;
    }
    span->axis = axis_of(node);
    span->begin = span->end;
    span->end += size_of(node, sizes ? sizes->constant : NULL, node->inputs[0]->shape.dims[span->axis], index);
    return pithi_copy_takes_window(node, index);
}

static pith_status check_split(pith_infer *infer, int64_t dim)
{
    const pith_tensor *split = &infer->inputs[1];
    int64_t total = 0;
    PITH_CHECK(infer->ctx, split->shape.rank == 1 && split->shape.dims[0] == infer->n_outputs, PITH_STATUS_SHAPE,
               "%lld sizes for %d outputs", (long long)pith_shape_elements(&split->shape), infer->n_outputs);
    if (!split->data) {
        return pithi_infer_need_value(infer, 1);
    }
    for (int i = 0; i < infer->n_outputs; i++) {
        int64_t size = pithi_tensor_get_s64(split, i);
        PITH_CHECK(infer->ctx, size >= 0 && size <= dim - total, PITH_STATUS_SHAPE,
                   "size %lld of piece %d doesn't fit: %lld of %lld are left", (long long)size, i,
                   (long long)(dim - total), (long long)dim);
        total += size;
    }
    PITH_CHECK(infer->ctx, total == dim, PITH_STATUS_SHAPE, "the sizes add up to %lld, but the axis has %lld",
               (long long)total, (long long)dim);
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const split_attrs *attrs = infer->attrs;
    const pith_tensor *x = &infer->inputs[0];
    bool is_given = pithi_has_operand(infer->inputs, infer->n_inputs, 1);
    int axis;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->shape.rank, &axis));
    PITH_CHECK(infer->ctx, attrs->num_outputs == 0 || attrs->num_outputs == infer->n_outputs, PITH_STATUS_FORMAT,
               "num_outputs is %lld, but the node has %d outputs", (long long)attrs->num_outputs, infer->n_outputs);
    if (is_given) {
        PITH_TRY(check_split(infer, x->shape.dims[axis]));
    }
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = x->dtype;
        infer->outputs[i].shape = x->shape;
        infer->outputs[i].shape.dims[axis] = is_given ? pithi_tensor_get_s64(&infer->inputs[1], i)
                                                      : equal_size(x->shape.dims[axis], infer->n_outputs, i);
    }
    return PITH_OK;
}

/* Before opset 13 the sizes were an attribute; opset 1 had an input besides, of x's type. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    PITH_TRY(pithi_source_attr_to_input(source, "split", 1));
    if (source->opset == 1 && source->n_inputs > 1 && source->inputs[1]->dtype != PITH_DTYPE_S64) {
        pith_node *cast = NULL;
        PITH_TRY(pithi_source_unary_input(ctx, source, 1, pithi_op_find("cast"), &cast));
        PITH_TRY(pithi_attr_set_int(ctx, cast, "to", PITH_DTYPE_S64));
        cast->outputs[0]->dtype = PITH_DTYPE_S64;
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "split", PITH_DTYPES_INDEX, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_VARIADIC } };
static const pith_spelling spellings[] = { { "onnx", "", "Split", 1, map_1 }, { "onnx", "", "Split", 13, NULL } };
static const char *const samples[] = {
    "f32[2,7,4] | axis=1 | 3",    "f32[2,7] s64[2]{3,4} | axis=-1 | 2",
    "s64[6] | num_outputs=3 | 3", "f32[40,40,24] | axis=2 | 2",
    "s8[0,4] | axis=1 | 2",       "f64[5,2] s64[3]{0,1,4} | | 3",
    "string[2,4] | axis=1 | 2",
};

const pith_op pith_op_split = {
    .head = { "split", 1, PITH_ATTRS(attr_table, split_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = pithi_copy_prepare,
    .run = run_part,
    .takes_window = pithi_copy_takes_window,
    .piece = piece,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = pithi_axis_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
