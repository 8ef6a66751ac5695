/* SPDX-License-Identifier: Apache-2.0 */
/* lrn: y = x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta on [N, C, ...] (channels_last:
 * [N, ..., C]). ONNX LRN; Krizhevsky et al. 2012. */
#include <math.h>

#include "ops/shared_unary.h"

typedef struct lrn_attrs {
    float alpha, beta, bias;
    int64_t size, channels_last;
} lrn_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_FLOAT(lrn_attrs, alpha, "alpha", 1e-4),
    PITH_ATTR_FLOAT(lrn_attrs, beta, "beta", 0.75),
    PITH_ATTR_FLOAT(lrn_attrs, bias, "bias", 1.0),
    PITH_ATTR_REQUIRED_INT(lrn_attrs, size, "size"),
    PITH_ATTR_OWN_INT(lrn_attrs, channels_last, "channels_last", 0),
};

/* [n_outer][n_channels][n_inner]; channels-last has n_inner 1. */
typedef struct extent {
    int64_t n_outer, n_channels, n_inner;
} extent;

static extent extent_of(const pith_shape *x, const lrn_attrs *attrs)
{
    const int dim = attrs->channels_last ? x->rank - 1 : 1;
    extent e = { 1, x->dims[dim], 1 };
    for (int i = 0; i < x->rank; i++) {
        e.n_outer *= i < dim ? x->dims[i] : 1;
        e.n_inner *= i > dim ? x->dims[i] : 1;
    }
    return e;
}

/* Neighbours of channel c: floor((size - 1) / 2) before, the rest behind. */
static void neighbours(const lrn_attrs *attrs, const extent *e, int64_t c, int64_t *begin, int64_t *end)
{
    *begin = pithi_max_s64(0, c - (attrs->size - 1) / 2);
    *end = pithi_min_s64(e->n_channels, c + attrs->size / 2 + 1);
}

static void ref(const pith_run *run)
{
    const lrn_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    const extent e = extent_of(&x->shape, attrs);
    for (int64_t i = 0; i < e.n_outer * e.n_channels * e.n_inner; i++) {
        const int64_t c = i / e.n_inner % e.n_channels, first = i - c * e.n_inner;
        int64_t begin, end;
        double sum = 0.0;
        neighbours(attrs, &e, c, &begin, &end);
        for (int64_t k = begin; k < end; k++) {
            const double value = pithi_tensor_get_f64(x, first + k * e.n_inner);
            sum += value * value;
        }
        const double base = (double)attrs->bias + (double)attrs->alpha / (double)attrs->size * sum;
        pithi_tensor_set_f64(&run->outputs[0], i, pithi_tensor_get_f64(x, i) / pow(base, (double)attrs->beta));
    }
}

/* ---- run: f32, chunks of one channel, or pixels ------------------------------------------- */

#define CHUNK 512

typedef struct lrn_state {
    extent e;
    pith_vunary_f32_fn *log, *exp;
} lrn_state;

static pith_status prepare(pith_prepare *prepare)
{
    const lrn_attrs *attrs = prepare->attrs;
    const pith_vunary_f32 *kernel = pithi_vunary_f32(prepare->isa_limit);
    const int64_t n_elements = pith_shape_elements(&prepare->inputs[0].shape);
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32 || n_elements == 0 || attrs->bias <= 0.0f) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(lrn_state), &block));
    lrn_state *state = block;
    *state = (lrn_state){ extent_of(&prepare->inputs[0].shape, attrs), kernel->functions[PITH_VUNARY_LOG],
                          kernel->functions[PITH_VUNARY_EXP] };
    prepare->state = state;
    const bool is_last = attrs->channels_last != 0;
    prepare->scratch_bytes = (is_last ? 2 * (size_t)state->e.n_channels : CHUNK) * sizeof(float);
    prepare->max_parts = (int)pithi_min_s64(state->e.n_outer * (is_last ? 1 : state->e.n_channels),
                                            pithi_element_parts(n_elements * attrs->size));
    prepare->kernel = kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

/* y = x (bias + alpha / size sum)^-beta; a power of b > 0 is e^(-beta ln b). */
static void scale(const pith_run *run, const float *x, float *y, int64_t n, float *sums)
{
    const lrn_state *state = run->state;
    const lrn_attrs *attrs = run->attrs;
    for (int64_t i = 0; i < n; i++) {
        sums[i] = attrs->bias + attrs->alpha / (float)attrs->size * sums[i];
    }
    state->log(sums, sums, (size_t)n, 0.0f, 0.0f);
    for (int64_t i = 0; i < n; i++) {
        sums[i] *= -attrs->beta;
    }
    state->exp(sums, sums, (size_t)n, 0.0f, 0.0f);
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[i] * sums[i];
    }
}

/* Channels-first: n pixels of channel c, in memory at `at`. */
static void one_chunk(const pith_run *run, int64_t c, int64_t at, int64_t n, float *factors)
{
    const lrn_state *state = run->state;
    const lrn_attrs *attrs = run->attrs;
    const float *x = (const float *)run->inputs[0].data + at;
    float *y = (float *)run->outputs[0].data + at;
    int64_t begin, end;
    neighbours(attrs, &state->e, c, &begin, &end);
    memset(factors, 0, (size_t)n * sizeof(float));
    for (int64_t k = begin; k < end; k++) {
        const float *neighbour = x + (k - c) * state->e.n_inner;
        for (int64_t i = 0; i < n; i++) {
            factors[i] += neighbour[i] * neighbour[i];
        }
    }
    scale(run, x, y, n, factors);
}

/* Channels-last: one pixel. */
static void one_pixel(const pith_run *run, const float *x, float *y, float *scratch)
{
    const lrn_state *state = run->state;
    const lrn_attrs *attrs = run->attrs;
    const int64_t n = state->e.n_channels;
    float *squares = scratch, *sums = scratch + n;
    for (int64_t c = 0; c < n; c++) {
        squares[c] = x[c] * x[c];
        sums[c] = 0.0f;
    }
    const int64_t before = pithi_min_s64((attrs->size - 1) / 2, n - 1), behind = pithi_min_s64(attrs->size / 2, n - 1);
    for (int64_t offset = -before; offset <= behind; offset++) {
        const int64_t end = pithi_min_s64(n, n - offset);
        for (int64_t c = pithi_max_s64(0, -offset); c < end; c++) {
            sums[c] += squares[c + offset];
        }
    }
    scale(run, x, y, n, sums);
}

static void run(const pith_run *run, const pith_part *part)
{
    const lrn_state *state = run->state;
    const lrn_attrs *attrs = run->attrs;
    int64_t begin, end;
    pithi_part_range(part, state->e.n_outer * (attrs->channels_last ? 1 : state->e.n_channels), &begin, &end);
    for (int64_t pixel = begin; pixel < end && attrs->channels_last; pixel++) {
        one_pixel(run, (const float *)run->inputs[0].data + pixel * state->e.n_channels,
                  (float *)run->outputs[0].data + pixel * state->e.n_channels, part->scratch);
    }
    if (attrs->channels_last) {
        return;
    }
    for (int64_t plane = begin; plane < end; plane++) {
        for (int64_t i = 0; i < state->e.n_inner; i += CHUNK) {
            one_chunk(run, plane % state->e.n_channels, plane * state->e.n_inner + i,
                      pithi_min_s64(CHUNK, state->e.n_inner - i), part->scratch);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const lrn_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, infer->inputs[0].shape.rank >= 2, PITH_STATUS_SHAPE,
               "the input needs a channel dimension; its rank is %d",
               infer->inputs[0].shape.rank);
    PITH_CHECK(infer->ctx, attrs->size >= 1 && attrs->size < INT32_MAX, PITH_STATUS_FORMAT,
               "attribute 'size' is %lld; it must be at least 1",
               (long long)attrs->size);
    return pithi_infer_same(infer);
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const lrn_attrs *attrs = infer->attrs;
    cost->flops = (uint64_t)pith_shape_elements(&infer->inputs[0].shape) * (uint64_t)attrs->size;
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    ((lrn_attrs *)node->attrs)->channels_last = 1;
    return true;
}

static const pith_spelling spellings[] = { { "onnx", "", "LRN", 1, NULL } };
static const char *const samples[] = {
    "f32[2,7,5,5] | size=3 alpha=0.5", "f32[1,9,600] | size=4 beta=0.5 bias=2",
    "f32[2,5,11] | size=5 alpha=1 channels_last=1", "f32[2,3,3,70] | size=4 channels_last=1",
    "f32[2,5,3] | size=9 channels_last=1", "f16[1,3,2] | size=2",
    "f32[0,3,2] | size=1"
};

const pith_op pith_op_lrn = {
    .head = { "lrn", 1, PITH_ATTRS(attrs_table, lrn_attrs) },
    .inputs = pithi_x_float, .n_inputs = 1,
    .outputs = pithi_y_float, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = run,
    .cost = cost,
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
