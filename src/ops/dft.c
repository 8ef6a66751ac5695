/* SPDX-License-Identifier: Apache-2.0 */
/* dft: discrete Fourier transform along one axis; the last dimension holds real (1) or complex (2) values.
 * onesided keeps the n / 2 + 1 values of a real signal's spectrum, or (inverse) takes them. ONNX DFT. */
#include "ops/sample.h"
#include "ops/shared_dft.h"
#include "ops/shared_index.h"

typedef struct dft_attrs {
    int64_t inverse, onesided;
} dft_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(dft_attrs, inverse, "inverse", 0),
    PITH_ATTR_INT(dft_attrs, onesided, "onesided", 0),
};

enum { X, LENGTH, AXIS };

/* Axis of a node whose inputs have values. */
static int axis_of(const pith_tensor *inputs, int n_inputs)
{
    int rank = inputs[X].shape.rank;
    int64_t axis = pithi_has_operand(inputs, n_inputs, AXIS) ? pithi_tensor_get_s64(&inputs[AXIS], 0) : rank - 2;
    return (int)(axis < 0 ? axis + rank : axis);
}

static int64_t length_of(const dft_attrs *attrs, const pith_tensor *inputs, int n_inputs)
{
    if (pithi_has_operand(inputs, n_inputs, LENGTH)) {
        return pithi_tensor_get_s64(&inputs[LENGTH], 0);
    }
    int64_t n = inputs[X].shape.dims[axis_of(inputs, n_inputs)];
    return attrs->inverse && attrs->onesided ? 2 * (n - 1) : n;
}

/* Line `index` of the node's outer x inner lines. */
static pithi_dft_line line_of(const pith_run *run, int64_t index)
{
    const dft_attrs *attrs = run->attrs;
    const pith_shape *x = &run->inputs[X].shape, *y = &run->outputs[0].shape;
    int axis = axis_of(run->inputs, run->n_inputs);
    pithi_dft_line line = { .n = length_of(attrs, run->inputs, run->n_inputs), .is_inverse = attrs->inverse != 0,
                            .is_half = attrs->inverse && attrs->onesided, .x = &run->inputs[X], .y = &run->outputs[0],
                            .n_x_parts = (int)x->dims[x->rank - 1], .n_y_parts = (int)y->dims[y->rank - 1],
                            .n_y = y->dims[axis] };
    int64_t inner = 1, n_x_values = line.is_half ? line.n / 2 + 1 : line.n;
    for (int i = axis + 1; i < x->rank - 1; i++) {
        inner *= x->dims[i];
    }
    line.n_x = pithi_min_s64(x->dims[axis], n_x_values);
    line.x_step = inner * line.n_x_parts;
    line.y_step = inner * line.n_y_parts;
    line.x_at = index / inner * x->dims[axis] * line.x_step + index % inner * line.n_x_parts;
    line.y_at = index / inner * line.n_y * line.y_step + index % inner * line.n_y_parts;
    return line;
}

static int64_t count_lines(const pith_shape *y, int axis)
{
    int64_t n = 1;
    for (int i = 0; i < y->rank - 1; i++) {
        n *= i == axis ? 1 : y->dims[i];
    }
    return n;
}

static void ref(const pith_run *run)
{
    int64_t n = count_lines(&run->outputs[0].shape, axis_of(run->inputs, run->n_inputs));
    for (int64_t i = 0; i < n; i++) {
        pithi_dft_line line = line_of(run, i);
        pithi_dft_direct(&line);
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    for (int i = LENGTH; i < prepare->n_inputs; i++) {
        if (prepare->inputs[i].dtype != PITH_DTYPE_NONE && !prepare->inputs[i].data) {
            return PITH_OK;
        }
    }
    int axis = axis_of(prepare->inputs, prepare->n_inputs);
    return pithi_fft_prepare(prepare, length_of(prepare->attrs, prepare->inputs, prepare->n_inputs),
                             count_lines(&prepare->outputs[0].shape, axis));
}

static void run(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_range(part, count_lines(&run->outputs[0].shape, axis_of(run->inputs, run->n_inputs)), &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        pithi_dft_line line = line_of(run, i);
        pithi_dft_fast(&line, run->state, part->scratch);
    }
}

static pith_status check_signal(const pith_infer *infer, const pith_shape *x)
{
    const dft_attrs *attrs = infer->attrs;
    char text[PITHI_SHAPE_TEXT_BYTES];
    int64_t n_parts = x->rank >= 2 ? x->dims[x->rank - 1] : 0;
    PITH_CHECK(infer->ctx, n_parts == 1 || n_parts == 2, PITH_STATUS_SHAPE,
               "input is %s, but needs a last dimension of 1 (real) or 2 (complex) after the signal",
               pithi_shape_text(x, text));
    PITH_CHECK(infer->ctx, !attrs->onesided || (n_parts == 2) == (attrs->inverse != 0), PITH_STATUS_SHAPE,
               "onesided takes %s values", attrs->inverse ? "complex" : "real");
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const dft_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[X].shape;
    int64_t item = 0;
    int axis = 0;
    PITH_TRY(check_signal(infer, x));
    if (pithi_has_operand(infer->inputs, infer->n_inputs, AXIS)) {
        PITH_TRY(pithi_infer_int(infer, AXIS, &item));
        PITH_TRY(pithi_infer_axis(infer, item, x->rank, &axis));
        PITH_CHECK(infer->ctx, axis < x->rank - 1, PITH_STATUS_SHAPE,
                   "axis %lld is the last one, which holds the parts of a value", (long long)item);
    }
    if (pithi_has_operand(infer->inputs, infer->n_inputs, LENGTH)) {
        PITH_TRY(pithi_infer_int(infer, LENGTH, &item));
    }
    axis = axis_of(infer->inputs, infer->n_inputs);
    int64_t n = length_of(attrs, infer->inputs, infer->n_inputs);
    PITH_CHECK(infer->ctx, n >= 1, PITH_STATUS_SHAPE, "the transform has length %lld, but must have at least 1",
               (long long)n);
    infer->outputs[0].dtype = infer->inputs[X].dtype;
    infer->outputs[0].shape = *x;
    infer->outputs[0].shape.dims[axis] = attrs->onesided && !attrs->inverse ? n / 2 + 1 : n;
    infer->outputs[0].shape.dims[x->rank - 1] = attrs->onesided && attrs->inverse ? 1 : 2;
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    uint64_t n = (uint64_t)pith_shape_elements(&infer->outputs[0].shape);
    for (int64_t length = length_of(infer->attrs, infer->inputs, infer->n_inputs); length > 1; length /= 2) {
        cost->flops += 4 * n;
    }
}

/* Opset 17: `axis` is an attribute, and 1 if absent. */
static pith_status map_17(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    (void)attrs;
    if (pithi_source_attr(source, "axis")) {
        return pithi_source_attr_to_input(source, "axis", AXIS);
    }
    pith_tensor one;
    pith_shape scalar = { 0 };
    while (source->n_inputs <= AXIS) {
        source->inputs[source->n_inputs++] = NULL;
    }
    PITH_TRY(pithi_graph_new_constant(source->graph, NULL, PITH_DTYPE_S64, &scalar, &one, &source->inputs[AXIS]));
    pithi_tensor_set_s64(&one, 0, 1);
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "dft_length", PITH_DTYPES_INDEX, PITH_OPTIONAL },
                                            { "axis", PITH_DTYPES_INDEX, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "DFT", 17, map_17 }, { "onnx", "", "DFT", 20, NULL } };
static const char *const samples[] = {
    "f32[2,16,1]",
    "f32[2,15,3,2] s64[]{12} s64[]{1}",
    "f32[1,7,2] s64[]{9} s64[]{-2} | inverse=1",
    "f32[1,20,1] | onesided=1",
    "f64[1,6,2] | onesided=1 inverse=1",
    "f32[1,6,2] s32[]{11} | onesided=1 inverse=1",
    "f32[0,4,2]",
};

const pith_op pith_op_dft = {
    .head = { "dft", 1, PITH_ATTRS(table, dft_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare, .run = run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
