/* SPDX-License-Identifier: Apache-2.0 */
/* instance_normalization: y = (x - mean) / sqrt(variance + epsilon) scale + bias, statistics per channel of each image
 * of [N, C, ...], or of [N, ..., C] with channels_last. ONNX InstanceNormalization; Ulyanov et al. 2016. */
#include "ops/shared_group_norm.h"
#include "ops/shared_moments.h"
#include "ops/shared_unary.h"

typedef struct instance_norm_attrs {
    float epsilon;
    int64_t channels_last;
} instance_norm_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_FLOAT(instance_norm_attrs, epsilon, "epsilon", 1e-5),
    PITH_ATTR_OWN_INT(instance_norm_attrs, channels_last, "channels_last", 0),
};

enum { X, SCALE, BIAS };

static bool is_last(const void *attrs)
{
    return ((const instance_norm_attrs *)attrs)->channels_last != 0;
}

static pithi_group_norm norm_of(const void *attrs, const pith_shape *x)
{
    return (pithi_group_norm){ .n_groups = x->rank > 1 ? x->dims[1] : 0,
                               .epsilon = ((const instance_norm_attrs *)attrs)->epsilon };
}

/* Channels-last: [n_batch][n_points][n_channels]. */
typedef struct extent {
    int64_t n_batch, n_points, n_channels;
    double epsilon;
} extent;

static extent extent_of(const pith_shape *x, const void *attrs)
{
    extent e = { .n_batch = x->dims[0], .n_points = 1, .n_channels = x->dims[x->rank - 1],
                 .epsilon = (double)((const instance_norm_attrs *)attrs)->epsilon };
    for (int i = 1; i < x->rank - 1; i++) {
        e.n_points *= x->dims[i];
    }
    return e;
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[X].shape;
    const pithi_group_norm norm = norm_of(infer->attrs, x);
    if (!is_last(infer->attrs)) {
        return pithi_group_norm_infer(infer, &norm);
    }
    for (int i = SCALE; i <= BIAS; i++) {
        const pith_shape *shape = &infer->inputs[i].shape;
        PITH_CHECK(infer->ctx, x->rank >= 2 && shape->rank == 1 && shape->dims[0] == x->dims[x->rank - 1],
                   PITH_STATUS_SHAPE, "%s must have one value per channel", i == SCALE ? "scale" : "bias");
    }
    return pithi_infer_same(infer);
}

/* ---- reference ---------------------------------------------------------------------------- */

static void ref_channel(const pith_run *run, const extent *e, int64_t batch, int64_t c)
{
    const pith_tensor *x = &run->inputs[X];
    const int64_t first = batch * e->n_points * e->n_channels + c;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < e->n_points; i++) {
        sum += pithi_tensor_get_f64(x, first + i * e->n_channels);
    }
    const double mean = sum / (double)e->n_points;
    for (int64_t i = 0; i < e->n_points; i++) {
        const double centred = pithi_tensor_get_f64(x, first + i * e->n_channels) - mean;
        squares += centred * centred;
    }
    const double deviation = sqrt(squares / (double)e->n_points + e->epsilon);
    const double factor = pithi_tensor_get_f64(&run->inputs[SCALE], c) / deviation;
    const double bias = pithi_tensor_get_f64(&run->inputs[BIAS], c);
    for (int64_t i = 0; i < e->n_points; i++) {
        const int64_t at = first + i * e->n_channels;
        pithi_tensor_set_f64(&run->outputs[0], at, (pithi_tensor_get_f64(x, at) - mean) * factor + bias);
    }
}

static void ref(const pith_run *run)
{
    if (!is_last(run->attrs)) {
        const pithi_group_norm norm = norm_of(run->attrs, &run->inputs[X].shape);
        pithi_group_norm_ref(run, &norm);
        return;
    }
    const extent e = extent_of(&run->inputs[X].shape, run->attrs);
    for (int64_t i = 0; i < e.n_batch * e.n_channels; i++) {
        ref_channel(run, &e, i / e.n_channels, i % e.n_channels);
    }
}

/* ---- run: channels-last f32, blocks of channels ------------------------------------------- */

#define BLOCK 64 /* most channels per unit of work */
#define LINE 16  /* least: a cache line */
#define ROWS 32  /* points that are centred together, in the first cache */

typedef struct last_state {
    extent e;
    int64_t block; /* channels per unit of work; the bits don't depend on it */
    pithi_moments_kernels kernels;
} last_state;

typedef struct last_scratch {
    float centred[ROWS][BLOCK], partial[BLOCK];
    float minus_mean[BLOCK], factors[BLOCK], shifts[BLOCK];
} last_scratch;

static pith_status prepare(pith_prepare *prepare)
{
    const int64_t n_elements = pith_shape_elements(&prepare->inputs[X].shape);
    const pithi_group_norm norm = norm_of(prepare->attrs, &prepare->inputs[X].shape);
    bool is_f32 = n_elements > 0;
    for (int i = X; i <= BIAS; i++) {
        is_f32 = is_f32 && prepare->inputs[i].dtype == PITH_DTYPE_F32;
    }
    if (!is_last(prepare->attrs)) {
        return pithi_group_norm_prepare(prepare, &norm);
    }
    if (!is_f32) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(last_state), &block));
    last_state *state = block;
    state->e = extent_of(&prepare->inputs[X].shape, prepare->attrs);
    state->block = state->e.n_batch * state->e.n_channels >= BLOCK * (int64_t)prepare->n_threads ? BLOCK : LINE;
    state->kernels = pithi_moments_kernels_of(prepare->isa_limit);
    prepare->state = state;
    prepare->scratch_bytes = sizeof(last_scratch);
    prepare->max_parts = (int)pithi_min_s64(state->e.n_batch * pithi_div_up(state->e.n_channels, state->block),
                                            pithi_element_parts(3 * n_elements));
    prepare->kernel = state->kernels.norm->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

/* Sums of x - mean and of its square for n channels at x. */
static void centred_sums(const last_state *state, const float *x, int64_t n, last_scratch *scratch, double *sums,
                         double *squares)
{
    const pith_reduce_f32 *reduce = state->kernels.reduce;
    const pith_norm_line identity = { .factor = 1.0f };
    for (int64_t row = 0; row < state->e.n_points; row += ROWS) {
        const int64_t n_rows = pithi_min_s64(ROWS, state->e.n_points - row);
        for (int64_t r = 0; r < n_rows; r++) {
            state->kernels.norm->affine(x + (row + r) * state->e.n_channels, scratch->centred[r], (size_t)n, &identity,
                                        NULL, scratch->minus_mean);
        }
        reduce->columns[PITH_REDUCE_SUM](scratch->centred[0], (size_t)n_rows, BLOCK, scratch->partial, (size_t)n);
        for (int64_t c = 0; c < n; c++) {
            sums[c] += (double)scratch->partial[c];
        }
        reduce->columns[PITH_REDUCE_SUM_SQUARE](scratch->centred[0], (size_t)n_rows, BLOCK, scratch->partial,
                                                (size_t)n);
        for (int64_t c = 0; c < n; c++) {
            squares[c] += (double)scratch->partial[c];
        }
    }
}

/* As pithi_moments(), for n channels side by side. */
static void run_block(const pith_run *run, const float *x, float *y, int64_t c0, int64_t n, last_scratch *scratch)
{
    const last_state *state = run->state;
    const float *scale = run->inputs[SCALE].data, *bias = run->inputs[BIAS].data;
    const double n_points = (double)state->e.n_points;
    const pith_norm_line identity = { .factor = 1.0f };
    double sums[BLOCK] = { 0 }, squares[BLOCK] = { 0 };
    state->kernels.reduce->columns[PITH_REDUCE_SUM](x, (size_t)state->e.n_points, (size_t)state->e.n_channels,
                                                    scratch->minus_mean, (size_t)n);
    for (int64_t c = 0; c < n; c++) {
        scratch->minus_mean[c] /= -(float)state->e.n_points;
    }
    centred_sums(state, x, n, scratch, sums, squares);
    for (int64_t c = 0; c < n; c++) {
        const double off = sums[c] / n_points, variance = fmax(0.0, squares[c] / n_points - off * off);
        const double factor = (double)scale[c0 + c] / sqrt(variance + state->e.epsilon);
        scratch->factors[c] = (float)factor;
        scratch->shifts[c] = (float)((double)bias[c0 + c] - off * factor);
    }
    for (int64_t row = 0; row < state->e.n_points; row++) {
        const int64_t at = row * state->e.n_channels;
        state->kernels.norm->affine(x + at, scratch->partial, (size_t)n, &identity, NULL, scratch->minus_mean);
        state->kernels.norm->affine(scratch->partial, y + at, (size_t)n, &identity, scratch->factors, scratch->shifts);
    }
}

static void run(const pith_run *run, const pith_part *part)
{
    if (!is_last(run->attrs)) {
        pithi_group_norm_run(run, part);
        return;
    }
    const last_state *state = run->state;
    const int64_t n_channels = state->e.n_channels, n_blocks = pithi_div_up(n_channels, state->block);
    int64_t begin, end;
    pithi_part_range(part, state->e.n_batch * n_blocks, &begin, &end);
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t c0 = unit % n_blocks * state->block, at = unit / n_blocks * state->e.n_points * n_channels + c0;
        run_block(run, (const float *)run->inputs[X].data + at, (float *)run->outputs[0].data + at, c0,
                  pithi_min_s64(state->block, n_channels - c0), part->scratch);
    }
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    ((instance_norm_attrs *)node->attrs)->channels_last = 1;
    return true;
}

static const pith_spelling spellings[] = {
    { "onnx", "", "InstanceNormalization", 1, pithi_map_consumed_inputs },
    { "onnx", "", "InstanceNormalization", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,3,5,7] f32[3] f32[3]", "f32[1,2,130] f32[2] f32[2] | epsilon=0.01", "f16[2,3,4] f16[3] f16[3]",
    "f32[0,3,4] f32[3] f32[3]", "f32[2,0,4] f32[0] f32[0]", "f32[2,5,7,130] f32[130] f32[130] | channels_last=1",
    "f32[1,9,9,3]{20:22} f32[3] f32[3] | channels_last=1 epsilon=0.01", "f16[2,4,3] f16[3] f16[3] | channels_last=1"
};

const pith_op pith_op_instance_normalization = {
    .head = { "instance_normalization", 1, PITH_ATTRS(attrs_table, instance_norm_attrs) },
    PITHI_GROUP_NORM_RECORD,
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = run,
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
