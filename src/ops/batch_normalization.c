/* SPDX-License-Identifier: Apache-2.0 */
/* batch_normalization: y = (x - mean) / sqrt(var + epsilon) scale + b per channel of [N, C, ...] (channels_last:
 * [N, ..., C]). ONNX BatchNormalization; Ioffe and Szegedy 2015. With training_mode mean and var are those of the
 * batch, and the running statistics come out (and, as of opset 1 to 9, those of the batch). */
#include <math.h>

#include "kernels/norm_f32.h"
#include "ops/shared_unary.h"

typedef struct batch_norm_attrs {
    float epsilon, momentum;
    int64_t training_mode, channels_last;
} batch_norm_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_FLOAT(batch_norm_attrs, epsilon, "epsilon", 1e-5),
    PITH_ATTR_FLOAT(batch_norm_attrs, momentum, "momentum", 0.9),
    PITH_ATTR_INT(batch_norm_attrs, training_mode, "training_mode", 0),
    PITH_ATTR_OWN_INT(batch_norm_attrs, channels_last, "channels_last", 0),
};

enum { X, SCALE, B, MEAN, VAR };

/* x as [n_batch][n_channels][n_inner], or [n_batch * n_inner][n_channels]; rank 1 is a batch of single channels. */
typedef struct extent {
    int64_t n_batch, n_channels, n_inner;
    bool is_last;
} extent;

static int channel_dim(const pith_shape *x, bool channels_last)
{
    return channels_last ? x->rank - 1 : 1;
}

static extent extent_of(const pith_shape *x, const batch_norm_attrs *attrs)
{
    extent e = { .n_batch = x->dims[0], .n_channels = 1, .n_inner = 1, .is_last = attrs->channels_last != 0 };
    for (int i = 1; i < x->rank; i++) {
        if (i == channel_dim(x, e.is_last)) {
            e.n_channels = x->dims[i];
        } else {
            e.n_inner *= x->dims[i];
        }
    }
    return e;
}

/* Index of point k (0 .. n_batch * n_inner - 1) of channel c. */
static int64_t element(const extent *e, int64_t c, int64_t k)
{
    return e->is_last ? k * e->n_channels + c : (k / e->n_inner * e->n_channels + c) * e->n_inner + k % e->n_inner;
}

static void batch_statistics(const pith_tensor *x, const extent *e, int64_t c, double *mean, double *var)
{
    const int64_t n_points = e->n_batch * e->n_inner;
    double sum = 0.0, squares = 0.0;
    for (int64_t k = 0; k < n_points; k++) {
        sum += pithi_tensor_get_f64(x, element(e, c, k));
    }
    *mean = sum / (double)n_points;
    for (int64_t k = 0; k < n_points; k++) {
        double centred = pithi_tensor_get_f64(x, element(e, c, k)) - *mean;
        squares += centred * centred;
    }
    *var = squares / (double)n_points;
}

static void set_output(const pith_run *run, int output, int64_t c, double value)
{
    if (output < run->n_outputs && run->outputs[output].data) {
        pithi_tensor_set_f64(&run->outputs[output], c, value);
    }
}

static void set_running(const pith_run *run, int output, int64_t c, double old, double current)
{
    double momentum = (double)((const batch_norm_attrs *)run->attrs)->momentum;
    set_output(run, output, c, old * momentum + current * (1.0 - momentum));
}

static void ref(const pith_run *run)
{
    const batch_norm_attrs *attrs = run->attrs;
    const extent e = extent_of(&run->inputs[X].shape, attrs);
    for (int64_t c = 0; c < e.n_channels; c++) {
        double mean = pithi_tensor_get_f64(&run->inputs[MEAN], c), var = pithi_tensor_get_f64(&run->inputs[VAR], c);
        if (attrs->training_mode) {
            const double old_mean = mean, old_var = var;
            batch_statistics(&run->inputs[X], &e, c, &mean, &var);
            set_running(run, 1, c, old_mean, mean);
            set_running(run, 2, c, old_var, var);
            set_output(run, 3, c, mean);
            set_output(run, 4, c, var);
        }
        const double factor = pithi_tensor_get_f64(&run->inputs[SCALE], c) / sqrt(var + (double)attrs->epsilon);
        const double shift = pithi_tensor_get_f64(&run->inputs[B], c);
        for (int64_t k = 0; k < e.n_batch * e.n_inner && run->outputs[0].data; k++) {
            const int64_t at = element(&e, c, k);
            const double centred = pithi_tensor_get_f64(&run->inputs[X], at) - mean;
            pithi_tensor_set_f64(&run->outputs[0], at, centred * factor + shift);
        }
    }
}

/* ---- run: f32 for inference --------------------------------------------------------------- */

typedef struct batch_norm_state {
    extent e;
    const pith_norm_f32 *kernel;
} batch_norm_state;

static pith_status prepare(pith_prepare *prepare)
{
    const batch_norm_attrs *attrs = prepare->attrs;
    const pith_norm_f32 *kernel = pithi_norm_f32(prepare->isa_limit);
    const int64_t n_elements = pith_shape_elements(&prepare->inputs[X].shape);
    bool is_f32 = !attrs->training_mode && n_elements > 0;
    for (int i = X; i <= VAR; i++) {
        is_f32 = is_f32 && prepare->inputs[i].dtype == PITH_DTYPE_F32;
    }
    if (!is_f32) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(batch_norm_state), &block));
    batch_norm_state *state = block;
    state->e = extent_of(&prepare->inputs[X].shape, attrs);
    state->e.is_last = state->e.is_last || state->e.n_inner == 1;
    state->kernel = kernel;
    const int64_t n_units = state->e.n_batch * (state->e.is_last ? state->e.n_inner : state->e.n_channels);
    prepare->state = state;
    prepare->scratch_bytes = state->e.is_last ? 2 * sizeof(float) * (size_t)state->e.n_channels : 0;
    prepare->max_parts = (int)pithi_min_s64(n_units, pithi_element_parts(n_elements));
    prepare->kernel = kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

/* y = x factor + shift for channel c. */
static void channel_line(const pith_run *run, int64_t c, double *factor, double *shift)
{
    const batch_norm_attrs *attrs = run->attrs;
    const double var = (double)((const float *)run->inputs[VAR].data)[c] + (double)attrs->epsilon;
    *factor = (double)((const float *)run->inputs[SCALE].data)[c] / sqrt(var);
    const double mean = (double)((const float *)run->inputs[MEAN].data)[c];
    *shift = (double)((const float *)run->inputs[B].data)[c] - mean * *factor;
}

static void run_last(const pith_run *run, const pith_part *part)
{
    const batch_norm_state *state = run->state;
    const int64_t n_channels = state->e.n_channels;
    float *factors = part->scratch, *shifts = factors + n_channels;
    const pith_norm_line identity = { .factor = 1.0f };
    int64_t begin, end;
    for (int64_t c = 0; c < n_channels; c++) {
        double factor, shift;
        channel_line(run, c, &factor, &shift);
        factors[c] = (float)factor;
        shifts[c] = (float)shift;
    }
    pithi_part_range(part, state->e.n_batch * state->e.n_inner, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        state->kernel->affine((const float *)run->inputs[X].data + row * n_channels,
                              (float *)run->outputs[0].data + row * n_channels,
                              (size_t)n_channels, &identity, factors, shifts);
    }
}

static void run(const pith_run *run, const pith_part *part)
{
    const batch_norm_state *state = run->state;
    int64_t begin, end;
    if (state->e.is_last) {
        run_last(run, part);
        return;
    }
    pithi_part_range(part, state->e.n_batch * state->e.n_channels, &begin, &end);
    for (int64_t plane = begin; plane < end; plane++) {
        const int64_t at = plane * state->e.n_inner;
        double factor, shift;
        channel_line(run, plane % state->e.n_channels, &factor, &shift);
        const pith_norm_line line = { 0.0f, (float)factor, (float)shift };
        state->kernel->affine_single((const float *)run->inputs[X].data + at, (float *)run->outputs[0].data + at,
                                     (size_t)state->e.n_inner, &line);
    }
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status check_variances(const pith_infer *infer)
{
    const batch_norm_attrs *attrs = infer->attrs;
    const pith_tensor *var = &infer->inputs[VAR];
    for (int64_t c = 0; var->data && !attrs->training_mode && c < pith_shape_elements(&var->shape); c++) {
        double variance = pithi_tensor_get_f64(var, c);
        PITH_CHECK(infer->ctx, variance + (double)attrs->epsilon > 0.0, PITH_STATUS_FORMAT,
                   "the variance of channel %lld is %g and epsilon %g; their sum must be positive, its root is divided "
                   "by",
                   (long long)c, variance, (double)attrs->epsilon);
    }
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    static const char *const names[] = { "x", "scale", "b", "mean", "var" };
    const batch_norm_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[X].shape;
    PITH_CHECK(infer->ctx, x->rank >= 1, PITH_STATUS_SHAPE, "the input is a scalar; a batch dimension is needed");
    const extent e = extent_of(x, attrs);
    for (int i = SCALE; i <= VAR; i++) {
        const pith_shape *shape = &infer->inputs[i].shape;
        PITH_CHECK(infer->ctx, shape->rank == 1 && shape->dims[0] == e.n_channels, PITH_STATUS_SHAPE,
                   "'%s' must have one value for each of the %lld channels", names[i], (long long)e.n_channels);
    }
    PITH_TRY(check_variances(infer));
    for (int k = 1; k < infer->n_outputs; k++) {
        PITH_CHECK(infer->ctx, attrs->training_mode, PITH_STATUS_FORMAT,
                   "running statistics are outputs of training_mode only");
        infer->outputs[k].dtype = infer->inputs[k % 2 == 1 ? MEAN : VAR].dtype;
        infer->outputs[k].shape = infer->inputs[MEAN].shape;
    }
    return pithi_infer_same(infer);
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    cost->flops = 2 * (uint64_t)pith_shape_elements(&infer->inputs[X].shape);
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    ((batch_norm_attrs *)node->attrs)->channels_last = 1;
    return true;
}

/* Before opset 14 training was told by more outputs (is_test, before 7, said so again), among them the statistics of
 * the batch; before 9 `spatial` 0 meant statistics per position. */
static pith_status map_old(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)pithi_source_attr(source, "consumed_inputs");
    (void)pithi_source_attr(source, "is_test");
    const pith_source_attr *spatial = pithi_source_attr(source, "spatial");
    PITH_CHECK(ctx, !spatial || spatial->i == 1, PITH_STATUS_UNSUPPORTED,
               "spatial=0 (statistics per position, dropped in opset 9) is not supported");
    int n_outputs = 1;
    for (int i = 1; i < source->n_outputs; i++) {
        n_outputs = source->outputs[i] ? i + 1 : n_outputs;
    }
    source->n_outputs = n_outputs;
    ((batch_norm_attrs *)attrs)->training_mode = n_outputs > 1;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "scale", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "b", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "mean", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "var", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE },
                                             { "running_mean", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                             { "running_var", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                             { "batch_mean", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                             { "batch_var", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_spelling spellings[] = {
    { "onnx", "", "BatchNormalization", 1, map_old },
    { "onnx", "", "BatchNormalization", 14, NULL },
};
static const char *const samples[] = {
    "f32[2,3,5,7] f32[3] f32[3] f32[3] f32[3]{0.1:2}",
    "f32[2,5,7,37] f32[37] f32[37] f32[37] f32[37]{0.1:2} | channels_last=1 epsilon=0.01",
    "f32[4,19] f32[19] f32[19] f32[19] f32[19]{0.1:2}", "f16[2,3,4] f16[3] f16[3] f32[3] f32[3]{0.5:2}",
    "f32[2,3,4] f32[3] f32[3] f32[3] f32[3]{0.5:2} | training_mode=1 momentum=0.75 | 3",
    "f32[3,2] f32[2] f32[2] f32[2] f32[2]{0.5:2} | training_mode=1 | 5",
    "f32[0,3,4] f32[3] f32[3] f32[3] f32[3]{0.5:2}",
    "f32[6] f32[1] f32[1] f32[1] f32[1]{0.5:2}"
};

const pith_op pith_op_batch_normalization = {
    .head = { "batch_normalization", 1, PITH_ATTRS(attrs_table, batch_norm_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = run,
    .cost = cost,
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
