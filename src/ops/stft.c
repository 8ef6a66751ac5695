/* SPDX-License-Identifier: Apache-2.0 */
/* stft: short-time Fourier transform: frames of a signal, frame_step apart, each windowed and transformed.
 * ONNX STFT. */
#include "ops/sample.h"
#include "ops/shared_dft.h"
#include "ops/shared_index.h"

typedef struct stft_attrs {
    int64_t onesided;
} stft_attrs;

static const pith_attr_spec table[] = { PITH_ATTR_INT(stft_attrs, onesided, "onesided", 1) };

enum { SIGNAL, STEP, WINDOW, LENGTH };

static int64_t frame_length(const pith_tensor *inputs, int n_inputs)
{
    if (pithi_has_operand(inputs, n_inputs, LENGTH)) {
        return pithi_tensor_get_s64(&inputs[LENGTH], 0);
    }
    return pithi_has_operand(inputs, n_inputs, WINDOW) ? inputs[WINDOW].shape.dims[0] : inputs[SIGNAL].shape.dims[1];
}

/* Numbers of a sample of the signal: [batch, length] is real, as [batch, length, 1] is. */
static int64_t count_parts(const pith_shape *x)
{
    return x->rank == 2 ? 1 : x->dims[2];
}

/* Frame `index` of all batch items' frames. */
static pithi_dft_line line_of(const pith_run *run, int64_t index)
{
    const pith_shape *x = &run->inputs[SIGNAL].shape, *y = &run->outputs[0].shape;
    int64_t batch = index / y->dims[1], frame = index % y->dims[1];
    const int64_t n_parts = count_parts(x), start = frame * pithi_tensor_get_s64(&run->inputs[STEP], 0);
    pithi_dft_line line = { .n = frame_length(run->inputs, run->n_inputs), .x = &run->inputs[SIGNAL],
                            .y = &run->outputs[0], .n_x_parts = (int)n_parts, .x_step = n_parts,
                            .n_y_parts = 2, .y_step = 2, .n_y = y->dims[2] };
    line.window = pithi_has_operand(run->inputs, run->n_inputs, WINDOW) ? &run->inputs[WINDOW] : NULL;
    line.n_x = line.n;
    line.x_at = (batch * x->dims[1] + start) * n_parts;
    line.y_at = index * line.n_y * 2;
    return line;
}

static int64_t count_frames(const pith_shape *y)
{
    return y->dims[0] * y->dims[1];
}

static void ref(const pith_run *run)
{
    for (int64_t i = 0; i < count_frames(&run->outputs[0].shape); i++) {
        pithi_dft_line line = line_of(run, i);
        pithi_dft_direct(&line);
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    bool is_known = !pithi_has_operand(prepare->inputs, prepare->n_inputs, LENGTH) || prepare->inputs[LENGTH].data;
    if (!is_known) {
        return PITH_OK;
    }
    return pithi_fft_prepare(prepare, frame_length(prepare->inputs, prepare->n_inputs),
                             count_frames(&prepare->outputs[0].shape));
}

static void run(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_range(part, count_frames(&run->outputs[0].shape), &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        pithi_dft_line line = line_of(run, i);
        pithi_dft_fast(&line, run->state, part->scratch);
    }
}

static pith_status check_lengths(const pith_infer *infer, int64_t step, int64_t length)
{
    const pith_shape *x = &infer->inputs[SIGNAL].shape;
    PITH_CHECK(infer->ctx, step >= 1 && length >= 1 && length <= x->dims[1], PITH_STATUS_SHAPE,
               "frames of length %lld, %lld apart, of a signal of length %lld", (long long)length, (long long)step,
               (long long)x->dims[1]);
    if (pithi_has_operand(infer->inputs, infer->n_inputs, WINDOW)) {
        const pith_shape *window = &infer->inputs[WINDOW].shape;
        PITH_CHECK(infer->ctx, window->rank == 1 && window->dims[0] == length, PITH_STATUS_SHAPE,
                   "the window must have rank 1 and the length of a frame, %lld", (long long)length);
        PITH_CHECK(infer->ctx, infer->inputs[WINDOW].dtype == infer->inputs[SIGNAL].dtype, PITH_STATUS_DTYPE,
                   "signal and window differ in dtype");
    }
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const stft_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[SIGNAL].shape;
    int64_t step = 0, length = 0;
    const bool has_parts = (x->rank == 2 || x->rank == 3) && (count_parts(x) == 1 || count_parts(x) == 2);
    PITH_CHECK(infer->ctx, has_parts, PITH_STATUS_SHAPE,
               "the signal must be [batch, length] or [batch, length, 1 or 2]");
    const bool is_real = count_parts(x) == 1;
    PITH_CHECK(infer->ctx, is_real || !attrs->onesided, PITH_STATUS_SHAPE, "onesided takes real signals");
    PITH_TRY(pithi_infer_int(infer, STEP, &step));
    if (pithi_has_operand(infer->inputs, infer->n_inputs, LENGTH)) {
        PITH_TRY(pithi_infer_int(infer, LENGTH, &length));
    }
    length = frame_length(infer->inputs, infer->n_inputs);
    PITH_TRY(check_lengths(infer, step, length));
    infer->outputs[0].dtype = infer->inputs[SIGNAL].dtype;
    infer->outputs[0].shape = (pith_shape){ .rank = 4, .dims = { x->dims[0], (x->dims[1] - length) / step + 1,
                                                                 attrs->onesided ? length / 2 + 1 : length, 2 } };
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    uint64_t n = (uint64_t)pith_shape_elements(&infer->outputs[0].shape);
    for (int64_t length = frame_length(infer->inputs, infer->n_inputs); length > 1; length /= 2) {
        cost->flops += 4 * n;
    }
}

static const pith_operand_spec inputs[] = { { "signal", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "frame_step", PITH_DTYPES_INDEX, PITH_ONE },
                                            { "window", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                            { "frame_length", PITH_DTYPES_INDEX, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "STFT", 17, NULL } };
static const char *const samples[] = {
    "f32[1,64,1] s64[]{8} f32[16] s64[]{16}",
    "f32[2,50,1] s32[]{7} - s32[]{20} | onesided=0",
    "f32[2,31,2] s64[]{5} f32[9] | onesided=0",
    "f32[0,10,1] s64[]{3} f32[4]",
    "f32[2,40] s64[]{8} f32[16]",
};

const pith_op pith_op_stft = {
    .head = { "stft", 1, PITH_ATTRS(table, stft_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare, .run = run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
