/* SPDX-License-Identifier: Apache-2.0 */
/* concat: inputs side by side along `axis`; all other dimensions are equal. ONNX Concat. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct concat_attrs {
    int64_t axis;
} concat_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_REQUIRED_INT(concat_attrs, axis, "axis") };

#define SHORT_ROW_BYTES 32 /* of an input: then all inputs go to a stretch of the output before the next one */
#define STRETCH_BYTES 32768

/* Rows [first, first + n) of all dimensions before the axis. */
typedef struct row_range {
    int64_t first, n;
} row_range;

static int64_t count_rows(const pith_run *run)
{
    const concat_attrs *attrs = run->attrs;
    const pith_shape *y = &run->outputs[0].shape;
    return pithi_dims_product(y, 0, (int)(attrs->axis < 0 ? attrs->axis + y->rank : attrs->axis));
}

/* Rows of input `index`. */
static pithi_copy describe(const pith_run *run, int index, row_range rows, int64_t *begin)
{
    const concat_attrs *attrs = run->attrs;
    const int rank = run->outputs[0].shape.rank;
    pith_tensor x = run->inputs[index];
    const pithi_piece piece = { .piece = &x, .whole = &run->outputs[0],
                                .piece_stride = pithi_stride(run->strides, index, 0),
                                .whole_stride = pithi_stride(run->strides, run->n_inputs, 0),
                                .axis = (int)(attrs->axis < 0 ? attrs->axis + rank : attrs->axis) };
    return pithi_copy_piece(&piece, rows.first, rows.n, begin);
}

static void ref(const pith_run *run)
{
    int64_t begin = 0;
    for (int i = 0; i < run->n_inputs; i++) {
        pithi_copy copy = describe(run, i, (row_range){ 0, count_rows(run) }, &begin);
        pithi_copy_plain(&copy);
    }
}

static void copy_rows(const pith_run *run, row_range rows, const pith_part *part)
{
    int64_t begin = 0;
    for (int i = 0; i < run->n_inputs; i++) {
        pithi_copy copy = describe(run, i, rows, &begin);
        pithi_copy_part(&copy, run->state, part);
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    const pith_tensor *y = &run->outputs[0];
    const int64_t n_rows = count_rows(run);
    const int64_t n_bytes = pith_shape_elements(&y->shape) * (int64_t)pith_dtype_bytes(y->dtype);
    const int64_t row_bytes = n_rows > 0 ? n_bytes / n_rows : 0;
    if (row_bytes == 0 || row_bytes > SHORT_ROW_BYTES * run->n_inputs) {
        copy_rows(run, (row_range){ 0, n_rows }, part);
        return;
    }
    const int64_t length = STRETCH_BYTES / row_bytes;
    const pith_part whole = { .count = 1, .scratch = part->scratch };
    int64_t begin, end;
    pithi_part_range(part, pithi_div_up(n_rows, length), &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        copy_rows(run, (row_range){ i * length, pithi_min_s64(length, n_rows - i * length) }, &whole);
    }
}

static bool piece(const pith_node *node, int index, pith_span *span)
{
    const concat_attrs *attrs = node->attrs;
    span->axis = (int)(attrs->axis < 0 ? attrs->axis + node->outputs[0]->shape.rank : attrs->axis);
    span->begin = span->end;
    span->end += node->inputs[index]->shape.dims[span->axis];
    return pithi_copy_takes_window(node, index);
}

static pith_status infer(pith_infer *infer)
{
    const concat_attrs *attrs = infer->attrs;
    pith_shape result = infer->inputs[0].shape;
    int axis;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, result.rank, &axis));
    for (int i = 1; i < infer->n_inputs; i++) {
        const pith_shape *shape = &infer->inputs[i].shape;
        PITH_CHECK(infer->ctx, infer->inputs[i].dtype == infer->inputs[0].dtype, PITH_STATUS_DTYPE,
                   "input %d is %s, but input 0 is %s; all must be equal", i, pith_dtype_name(infer->inputs[i].dtype),
                   pith_dtype_name(infer->inputs[0].dtype));
        char first[PITHI_SHAPE_TEXT_BYTES], other[PITHI_SHAPE_TEXT_BYTES];
        pith_shape same = *shape;
        same.dims[axis] = result.dims[axis];
        PITH_CHECK(infer->ctx, pith_shape_equal(&same, &result), PITH_STATUS_SHAPE,
                   "input %d has shape %s, input 0 has %s; they may differ on axis %d only", i,
                   pithi_shape_text(shape, other), pithi_shape_text(&infer->inputs[0].shape, first), axis);
        PITH_CHECK(infer->ctx, !__builtin_add_overflow(result.dims[axis], shape->dims[axis], &result.dims[axis]),
                   PITH_STATUS_LIMIT, "axis %d gets too large", axis);
    }
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = result;
    return PITH_OK;
}

/* Before opset 4 the axis was 1 if not given. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx, (void)source;
    ((concat_attrs *)attrs)->axis = 1;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Concat", 1, map_1 }, { "onnx", "", "Concat", 4, NULL } };
static const char *const samples[] = {
    "f32[2,3,4] f32[2,5,4] f32[2,1,4] | axis=1", "s64[3] s64[1] | axis=0", "s8[2,3] s8[2,4] | axis=-1",
    "f32[40,40,24] f32[40,40,8] | axis=2",
    "f32[3,4001,1] f32[3,4001,2] f32[3,4001,1] | axis=2",
    "f32[7,1] f32[7,1] f32[7,1] | axis=1", "f64[2,0] f64[2,2] | axis=1",
    "u8[5,29] u8[5,3] u8[5,7] u8[5,12] u8[5,64] u8[5,65] u8[5,200] | axis=1",
    "string[2,1]{a,b} string[2,2]{c,d,,f} | axis=1",
};

const pith_op pith_op_concat = {
    .head = { "concat", 1, PITH_ATTRS(attr_table, concat_attrs) },
    .flags = PITH_OP_JOIN,
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
