/* SPDX-License-Identifier: Apache-2.0 */
/* separable_conv: [1x1 convolution] -> depthwise convolution -> [1x1 convolution], each with bias and activation, the
 * last with a residual -> [max pooling of windows that don't overlap], on channels-last images. Made by
 * passes fuse_separable and fuse_pool of the blocks of MobileNets (Howard et al. 2017, Sandler et al. 2018) and their
 * kin; no file has it.
 *
 * A band of output rows goes through all stages while its rows stay in L2; the rows that the next band sees again
 * are kept. */
#include <math.h>

#include "kernels/dwconv_f32.h"
#include "kernels/pool_f32.h"
#include "ops/sample.h"
#include "ops/separable_conv.h"
#include "ops/shared_gemm.h"
#include "ops/shared_unary.h"

#define BAND_BYTES ((int64_t)448 << 10)

enum { X, W, BIAS, RESIDUAL, EXPAND_W, EXPAND_BIAS, PROJECT_W, PROJECT_BIAS, EXPAND_SLOPE, SLOPE, PROJECT_SLOPE };

static const pith_attr_spec attrs[] = {
    PITH_ATTR_CHOICE(pithi_separable_attrs, conv.auto_pad, "auto_pad", 0, pithi_auto_pad_choices),
    PITH_ATTR_INTS(pithi_separable_attrs, conv.dilations, "dilations"),
    PITH_ATTR_INTS(pithi_separable_attrs, conv.pads, "pads"),
    PITH_ATTR_INTS(pithi_separable_attrs, conv.strides, "strides"),
    PITHI_ACTIVATION_ATTRS(pithi_separable_attrs, conv.activation),
    PITH_ATTR_OWN_INT(pithi_separable_attrs, conv.residual_behind, "residual_behind", 0),
    PITH_ATTR_OWN_INT(pithi_separable_attrs, expand.kind, "expand_activation", 0),
    PITH_ATTR_OWN_FLOAT(pithi_separable_attrs, expand.alpha, "expand_alpha", 0),
    PITH_ATTR_OWN_FLOAT(pithi_separable_attrs, expand.beta, "expand_beta", 0),
    PITH_ATTR_OWN_INT(pithi_separable_attrs, depthwise.kind, "depthwise_activation", 0),
    PITH_ATTR_OWN_FLOAT(pithi_separable_attrs, depthwise.alpha, "depthwise_alpha", 0),
    PITH_ATTR_OWN_FLOAT(pithi_separable_attrs, depthwise.beta, "depthwise_beta", 0),
    PITH_ATTR_OWN_INT(pithi_separable_attrs, pool, "pool", 1),
};

static const pith_tensor *operand(const pith_tensor *inputs, int n_inputs, int index)
{
    return n_inputs > index && inputs[index].dtype != PITH_DTYPE_NONE ? &inputs[index] : NULL;
}

/* ---- the three convolutions ----------------------------------------------------------------- */

/* Attributes and operands of each as a conv of its own. */
typedef struct stage {
    pithi_conv_attrs attrs;
    const pith_tensor *w, *bias, *slope;
} stage;

#define STAGE_INPUTS (PITHI_CONV_SLOPE + 1)

static int split(const pithi_separable_attrs *a, const pith_tensor *inputs, int n_inputs, stage stages[3])
{
    const pithi_conv_attrs pointwise = { .group = 1, .channels_last = 1 };
    const pith_tensor *expand = operand(inputs, n_inputs, EXPAND_W), *project = operand(inputs, n_inputs, PROJECT_W);
    int n = 0;
    if (expand) {
        stages[n] = (stage){ pointwise, expand, operand(inputs, n_inputs, EXPAND_BIAS),
                               operand(inputs, n_inputs, EXPAND_SLOPE) };
        stages[n++].attrs.activation = a->expand;
    }
    stages[n] = (stage){ a->conv, &inputs[W], operand(inputs, n_inputs, BIAS), operand(inputs, n_inputs, SLOPE) };
    stages[n].attrs.group = inputs[W].shape.dims[0];
    stages[n].attrs.channels_last = 1;
    stages[n++].attrs.activation = project ? a->depthwise : a->conv.activation;
    if (project) {
        stages[n - 1].attrs.residual_behind = 0;
        stages[n] = (stage){ pointwise, project, operand(inputs, n_inputs, PROJECT_BIAS),
                               operand(inputs, n_inputs, PROJECT_SLOPE) };
        stages[n].attrs.residual_behind = a->conv.residual_behind;
        stages[n++].attrs.activation = a->conv.activation;
    }
    return n;
}

static void fill_inputs(const stage *s, const pith_tensor *x, const pith_tensor *residual, pith_tensor *inputs)
{
    const pith_tensor *list[STAGE_INPUTS] = { x, s->w, s->bias, residual, s->slope };
    for (int i = 0; i < STAGE_INPUTS; i++) {
        inputs[i] = list[i] ? *list[i] : (pith_tensor){ 0 };
    }
}

/* Input and output shapes of all stages; fails as conv does. */
static pith_status infer_stages(pith_infer *infer, stage *stages, int n, pith_shape *shapes)
{
    shapes[0] = infer->inputs[X].shape;
    for (int i = 0; i < n; i++) {
        pith_tensor inputs[STAGE_INPUTS], x = { .dtype = PITH_DTYPE_F32, .shape = shapes[i] }, output = { 0 };
        const pith_tensor *residual = i == n - 1 ? operand(infer->inputs, infer->n_inputs, RESIDUAL) : NULL;
        fill_inputs(&stages[i], &x, residual, inputs);
        pith_infer one = { .ctx = infer->ctx, .node = infer->node, .attrs = &stages[i].attrs, .inputs = inputs,
                           .n_inputs = STAGE_INPUTS, .outputs = &output, .n_outputs = 1 };
        PITH_TRY(pithi_conv_infer(&one, false));
        shapes[i + 1] = output.shape;
    }
    return PITH_OK;
}

static int64_t pool_of(const pithi_separable_attrs *a) { return pithi_max_s64(a->pool, 1); }

static pith_shape pooled(const pithi_separable_attrs *a, pith_shape shape)
{
    shape.dims[1] /= pool_of(a);
    shape.dims[2] /= pool_of(a);
    return shape;
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[X].shape, *w = &infer->inputs[W].shape;
    stage stages[3];
    pith_shape shapes[4];
    PITH_CHECK(infer->ctx, x->rank == 4 && w->rank == 4 && w->dims[1] == 1, PITH_STATUS_SHAPE,
               "x must have rank 4, w the shape [channels, 1, height, width]");
    PITH_CHECK(infer->ctx, pool_of(infer->attrs) <= PITHI_SEPARABLE_MAX_POOL, PITH_STATUS_UNSUPPORTED,
               "windows of %lld pixels a side, at most %d can be pooled", (long long)pool_of(infer->attrs),
               PITHI_SEPARABLE_MAX_POOL);
    int n = split(infer->attrs, infer->inputs, infer->n_inputs, stages);
    for (int i = 0; i < n; i++) {
        bool is_pointwise = stages[i].w->shape.rank == 4 && stages[i].w->shape.dims[2] == 1 &&
                            stages[i].w->shape.dims[3] == 1;
        PITH_CHECK(infer->ctx, is_pointwise || stages[i].w == &infer->inputs[W], PITH_STATUS_SHAPE,
                   "the convolutions around the depthwise one must be 1x1");
    }
    PITH_TRY(infer_stages(infer, stages, n, shapes));
    infer->outputs[0].dtype = PITH_DTYPE_F32;
    infer->outputs[0].shape = pooled(infer->attrs, shapes[n]);
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const pith_shape *y = &infer->outputs[0].shape, *w = &infer->inputs[W].shape, *x = &infer->inputs[X].shape;
    const pith_tensor *expand = operand(infer->inputs, infer->n_inputs, EXPAND_W);
    const pith_tensor *project = operand(infer->inputs, infer->n_inputs, PROJECT_W);
    int64_t pool = pool_of(infer->attrs);
    uint64_t out_pixels = (uint64_t)(y->dims[0] * y->dims[1] * y->dims[2] * pool * pool); /* about */
    uint64_t in_pixels = (uint64_t)(x->dims[0] * x->dims[1] * x->dims[2]);
    cost->macs = out_pixels * (uint64_t)pith_shape_elements(w);
    cost->macs += expand ? in_pixels * (uint64_t)pith_shape_elements(&expand->shape) : 0;
    cost->macs += project ? out_pixels * (uint64_t)pith_shape_elements(&project->shape) : 0;
}

/* ---- reference ------------------------------------------------------------------------------ */

/* Shapes between the stages; infer has checked them. */
static int find_shapes(const pithi_separable_attrs *a, const pith_tensor *inputs, int n_inputs, stage stages[3],
                       pith_shape shapes[4])
{
    pith_infer infer = { .attrs = a, .inputs = inputs, .n_inputs = n_inputs };
    int n = split(a, inputs, n_inputs, stages);
    return infer_stages(&infer, stages, n, shapes) == PITH_OK ? n : 0;
}

static size_t between_bytes(const pithi_separable_attrs *a, const pith_shape shapes[4], int n)
{
    size_t total = 0;
    for (int i = 1; i < n + (pool_of(a) > 1); i++) {
        total += pithi_align_up((size_t)pith_shape_elements(&shapes[i]) * sizeof(float), PITH_ALIGNMENT);
    }
    return total;
}

static size_t ref_bytes(const pith_run *run)
{
    stage stages[3];
    pith_shape shapes[4];
    int n = find_shapes(run->attrs, run->inputs, run->n_inputs, stages, shapes);
    return between_bytes(run->attrs, shapes, n);
}

/* NaN wins. */
static void ref_pool(const pith_tensor *x, int64_t pool, pith_tensor *y)
{
    const int64_t width = x->shape.dims[2], n_c = x->shape.dims[3], rows = y->shape.dims[1], columns = y->shape.dims[2];
    for (int64_t i = 0; i < pith_shape_elements(&y->shape); i++) {
        const int64_t c = i % n_c, column = i / n_c % columns, row = i / n_c / columns % rows;
        const int64_t first = (i / n_c / columns / rows * x->shape.dims[1] + row * pool) * width + column * pool;
        float most = -INFINITY;
        for (int64_t tap = 0; tap < pool * pool; tap++) {
            const float value = ((const float *)x->data)[(first + tap / pool * width + tap % pool) * n_c + c];
            most = isnan(most) || value <= most ? most : value;
        }
        ((float *)y->data)[i] = most;
    }
}

static void ref(const pith_run *run)
{
    stage stages[3];
    pith_shape shapes[4];
    int n = find_shapes(run->attrs, run->inputs, run->n_inputs, stages, shapes);
    char *between = run->shared;
    pith_tensor x = run->inputs[X];
    for (int i = 0; i < n; i++) {
        const pith_tensor *residual = i == n - 1 ? operand(run->inputs, run->n_inputs, RESIDUAL) : NULL;
        pith_tensor inputs[STAGE_INPUTS], y = { .dtype = PITH_DTYPE_F32, .shape = shapes[i + 1] };
        fill_inputs(&stages[i], &x, residual, inputs);
        y.data = i == n - 1 && pool_of(run->attrs) == 1 ? run->outputs[0].data : between;
        between += pithi_align_up((size_t)pith_shape_elements(&y.shape) * sizeof(float), PITH_ALIGNMENT);
        pith_run one = { .attrs = &stages[i].attrs, .inputs = inputs, .n_inputs = STAGE_INPUTS,
                         .outputs = &y, .n_outputs = 1 };
        pithi_conv_ref(&one, false);
        x = y;
    }
    if (pool_of(run->attrs) > 1) {
        ref_pool(&x, pool_of(run->attrs), &run->outputs[0]);
    }
}

/* ---- prepare -------------------------------------------------------------------------------- */

typedef struct pointwise {
    const pith_gemm_f32 *gemm; /* NULL: no such stage */
    const float *w;            /* as the file has it, [n][k] */
    const float *packed, *bias;
    int64_t k, n;
    int fold;
    pithi_finish finish;
} pointwise;

typedef struct separable {
    bool is_constant; /* weights are; else the reference runs */
    pithi_conv_geometry g; /* of the depthwise convolution */
    pointwise expand, project;
    const pith_dwconv_f32 *dwconv;
    const float *w, *bias; /* [taps][channels] */
    pithi_finish finish;
    const pith_pool_f32 *pools;
    int64_t pool;                        /* 1: none */
    int64_t n_bands, in_rows;            /* in_rows: of a band's input, at most */
    size_t rows_bytes, expanded_bytes, projected_bytes; /* in scratch: row pointers, then expanded rows, then depthwise
                                                         * ones; those that are pooled in front of them */
} separable;

static void pack_pointwise(void *user, void *block)
{
    const pointwise *p = user;
    float *packed = block;
    int64_t nr = p->gemm->nr;
    memset(packed, 0, (size_t)(pithi_div_up(p->n, nr) * nr * p->k) * sizeof(float));
    for (int64_t n = 0; n < p->n; n++) {
        for (int64_t k = 0; k < p->k; k++) {
            size_t place = pithi_gemm_f32_place(p->gemm, p->fold, (size_t)p->k, (size_t)k, (size_t)(n % nr));
            packed[(size_t)(n / nr * nr * p->k) + place] = pithi_load_f32(p->w + n * p->k + k);
        }
    }
}

/* The activation of a stage. */
static pith_status prepare_finish(pith_prepare *prepare, const stage *s, pithi_finish *finish)
{
    PITH_CHECK(prepare->ctx, pithi_finish_make(&s->attrs.activation, prepare->isa_limit, finish),
               PITH_STATUS_INTERNAL, "no kernel for activation %lld", (long long)s->attrs.activation.kind);
    if (s->attrs.residual_behind) {
        pithi_finish_add_behind(finish, prepare->isa_limit);
    }
    return s->slope ? pithi_finish_add_slopes(prepare->arena, s->slope->data, s->slope->shape.dims[0],
                                              prepare->isa_limit, finish)
                    : PITH_OK;
}

static pith_status prepare_pointwise(pith_prepare *prepare, const stage *s, pointwise *p)
{
    p->n = s->w->shape.dims[0];
    p->k = s->w->shape.dims[1];
    p->gemm = pithi_gemm_f16_choose(prepare, s->w->data, p->k, p->n);
    p->gemm = p->gemm ? p->gemm : pithi_gemm_f32(prepare->isa_limit);
    p->fold = prepare->is_exact ? 1 : pithi_gemm_f32_fold(p->gemm, p->n);
    p->w = s->w->data;
    p->bias = s->bias ? s->bias->data : NULL;
    int64_t facts[] = { p->n, p->k, p->fold, 'p' };
    uint64_t key = pithi_hash(pithi_hash(PITHI_HASH_START, p->gemm->head.name, strlen(p->gemm->head.name)), facts,
                              sizeof facts);
    const pithi_gemm_weights weights = { p->w, pithi_gemm_f32_packed_size(p->gemm, (size_t)p->k, (size_t)p->n),
                                         pack_pointwise, p };
    PITH_TRY(pithi_gemm_pack(prepare, p->gemm, &weights, key, &p->packed));
    return prepare_finish(prepare, s, &p->finish);
}

static void pack_depthwise(void *user, void *block)
{
    const separable *s = user;
    int64_t n_taps = s->g.kernel[1] * s->g.kernel[2], channels = s->g.in_channels;
    for (int64_t i = 0; i < n_taps * channels; i++) {
        ((float *)block)[i] = pithi_load_f32(s->w + i % channels * n_taps + i / channels);
    }
}

static pith_status prepare_depthwise(pith_prepare *prepare, const stage *d, const pith_shape *x, separable *s)
{
    const void *packed = NULL;
    PITH_TRY(pithi_conv_geometry_of(prepare->ctx, &d->attrs, x, &d->w->shape, false, &s->g));
    int64_t facts[] = { s->g.in_channels, s->g.kernel[1], s->g.kernel[2], 'd' };
    s->dwconv = pithi_dwconv_f32(prepare->isa_limit);
    s->w = d->w->data;
    s->bias = d->bias ? d->bias->data : NULL;
    PITH_TRY(pithi_prepare_pack(prepare, s->w, pithi_hash(PITHI_HASH_START, facts, sizeof facts),
                                pith_tensor_bytes(d->w), pack_depthwise, s, &packed));
    s->w = packed;
    return prepare_finish(prepare, d, &s->finish);
}

static int64_t out_channels(const separable *s) { return s->project.gemm ? s->project.n : s->g.out_channels; }

/* Bands as high as L2 allows, and low enough for all threads; of whole rows of pooled results. */
static void cut(pith_prepare *prepare, separable *s)
{
    const pithi_conv_geometry *g = &s->g;
    int64_t in_row = g->in[2] * g->in_channels * (int64_t)sizeof(float);
    int64_t extent = (g->kernel[1] - 1) * g->dilation[1] + 1;
    int64_t out_row = g->out[2] * g->in_channels * (int64_t)sizeof(float), n_rows = g->out[1] / s->pool;
    int64_t last_row = s->pool > 1 ? g->out[2] * out_channels(s) * (int64_t)sizeof(float) : 0;
    int64_t each = g->stride[1] * in_row + (s->project.gemm ? out_row : 0) + last_row;
    int64_t rows = (BAND_BYTES - pithi_max_s64(extent - g->stride[1], 0) * in_row) / pithi_max_s64(each, 1);
    s->n_bands = pithi_div_up(n_rows, pithi_max_s64(rows / s->pool, 1));
    s->n_bands = pithi_even_count(pithi_max_s64(s->n_bands, prepare->n_threads > 1 ? 2 * prepare->n_threads : 1),
                                  prepare->n_threads);
    s->n_bands = pithi_min_s64(s->n_bands, n_rows);
    int64_t band_rows = s->n_bands ? pithi_div_up(n_rows, s->n_bands) * s->pool : 1;
    s->in_rows = pithi_min_s64((band_rows - 1) * g->stride[1] + extent, g->in[1]);
    int64_t pixels = pithi_max_s64(s->in_rows * g->in[2], band_rows * g->out[2]);
    s->rows_bytes = pithi_align_up((size_t)pixels * sizeof(float *), PITH_ALIGNMENT);
    s->expanded_bytes = s->expand.gemm ? pithi_align_up((size_t)(s->in_rows * in_row), PITH_ALIGNMENT) : 0;
    s->projected_bytes = pithi_align_up((size_t)(band_rows * last_row), PITH_ALIGNMENT);
    prepare->scratch_bytes = s->rows_bytes + s->expanded_bytes + s->projected_bytes;
    prepare->scratch_bytes += s->project.gemm ? (size_t)(band_rows * out_row) : 0;
    prepare->max_parts = (int)pithi_min_s64(pithi_max_s64(g->batch * s->n_bands, 1), 1 << 20);
}

static pith_status prepare(pith_prepare *prepare)
{
    stage stages[3];
    pith_shape shapes[4];
    void *block = NULL;
    int n = find_shapes(prepare->attrs, prepare->inputs, prepare->n_inputs, stages, shapes);
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(separable), &block));
    separable *s = block;
    s->is_constant = true;
    for (int i = 0; i < n; i++) {
        s->is_constant &= stages[i].w->data && (!stages[i].bias || stages[i].bias->data) &&
                          (!stages[i].slope || stages[i].slope->data);
    }
    prepare->use_run = true;
    prepare->state = s;
    prepare->kernel = "separable_conv";
    s->pools = pithi_pool_f32(prepare->isa_limit);
    s->pool = pool_of(prepare->attrs);
    if (!s->is_constant) {
        prepare->shared_bytes = between_bytes(prepare->attrs, shapes, n);
        return PITH_OK;
    }
    int depthwise = operand(prepare->inputs, prepare->n_inputs, EXPAND_W) ? 1 : 0;
    if (depthwise == 1) {
        PITH_TRY(prepare_pointwise(prepare, &stages[0], &s->expand));
    }
    PITH_TRY(prepare_depthwise(prepare, &stages[depthwise], &shapes[depthwise], s));
    if (n > depthwise + 1) {
        PITH_TRY(prepare_pointwise(prepare, &stages[depthwise + 1], &s->project));
    }
    cut(prepare, s);
    return PITH_OK;
}

/* ---- run ------------------------------------------------------------------------------------ */

/* y [n_pixels][n] = finish(x [n_pixels][k] * w + bias + residual). */
static void run_pointwise(const pointwise *p, const float *x, const float *residual, float *y, int64_t n_pixels,
                          const float **rows)
{
    static const ptrdiff_t no_offset = 0;
    for (int64_t i = 0; i < n_pixels; i++) {
        rows[i] = x + i * p->k;
    }
    pith_gemm_f32_tile tile = {
        .a_rows = rows, .segment_offsets = &no_offset, .n_segments = p->k > 0, .segment_length = (size_t)p->k,
        .b = p->packed, .b_row_stride = (size_t)p->gemm->nr, .b_panel_stride = (size_t)(p->gemm->nr * p->k),
        .bias = p->bias, .residual = residual, .residual_stride = (size_t)p->n, .c = y, .c_stride = (size_t)p->n,
        .mr = (int)n_pixels, .n_columns = (int)p->n, .fold = p->fold,
    };
    if (n_pixels > 0 && p->n > 0) {
        pithi_gemm_f32_block(p->gemm, &tile, &p->finish);
    }
}

/* Input rows [begin, end) of an image that its output rows [out_begin, out_end) see. */
typedef struct band {
    int64_t image, out_begin, out_end, begin, end;
} band;

static band find_band(const separable *s, int64_t grain)
{
    const pithi_conv_geometry *g = &s->g;
    int64_t i = grain % s->n_bands, n_rows = g->out[1] / s->pool;
    band b = { .image = grain / s->n_bands, .out_begin = n_rows * i / s->n_bands * s->pool,
               .out_end = n_rows * (i + 1) / s->n_bands * s->pool };
    int64_t first = b.out_begin * g->stride[1] - g->pad[1];
    int64_t last = (b.out_end - 1) * g->stride[1] - g->pad[1] + (g->kernel[1] - 1) * g->dilation[1];
    b.begin = pithi_min_s64(pithi_max_s64(first, 0), g->in[1] - 1);
    b.end = pithi_max_s64(pithi_min_s64(last + 1, g->in[1]), b.begin + 1);
    return b;
}

/* Expanded rows of the band, those of the band before that it has in common moved to the front. */
static void expand_rows(const separable *s, const band *b, const band *before, const float *x, float *expanded,
                        const float **rows)
{
    int64_t row = s->g.in[2] * s->g.in_channels, from = b->begin;
    if (before->image == b->image && before->begin <= b->begin && b->begin < before->end) {
        from = pithi_min_s64(before->end, b->end);
        memmove(expanded, expanded + (b->begin - before->begin) * row,
                (size_t)((from - b->begin) * row) * sizeof(float));
    }
    const float *image = x + b->image * s->g.in[1] * s->g.in[2] * s->expand.k;
    run_pointwise(&s->expand, image + from * s->g.in[2] * s->expand.k, NULL, expanded + (from - b->begin) * row,
                  (b->end - from) * s->g.in[2], rows);
}

/* `x` begins at input row b->begin, `y` and `residual` at output row b->out_begin. */
static void run_depthwise(const separable *s, const band *b, const float *x, const float *residual, float *y)
{
    const pithi_conv_geometry *g = &s->g;
    size_t channels = (size_t)g->in_channels, n_pixels = (size_t)((b->out_end - b->out_begin) * g->out[2]);
    pith_dwconv_f32_task task = {
        .x = x, .x_row_stride = (size_t)g->in[2] * channels, .x_pixel_stride = channels, .w = s->w,
        .w_stride = channels, .bias = s->bias, .residual = pithi_finish_residual(&s->finish, residual), .y = y,
        .y_row_stride = (size_t)g->out[2] * channels, .y_pixel_stride = channels, .n_channels = channels,
        .in_h = (int)(b->end - b->begin), .in_w = (int)g->in[2], .out_w = (int)g->out[2],
        .y_end = (int)(b->out_end - b->out_begin), .kernel_h = (int)g->kernel[1], .kernel_w = (int)g->kernel[2],
        .stride_h = (int)g->stride[1], .stride_w = (int)g->stride[2], .dilation_h = (int)g->dilation[1],
        .dilation_w = (int)g->dilation[2],
        .pad_top = (int)(b->begin - (b->out_begin * g->stride[1] - g->pad[1])), .pad_left = (int)g->pad[2],
        .lo = s->finish.lo, .hi = s->finish.hi,
    };
    s->dwconv->run(&task);
    pithi_finish_apply(&s->finish, y, n_pixels, channels, channels, 0);
    pithi_finish_add(&s->finish, residual, channels, y, n_pixels, channels, channels);
}

/* Rows [out_begin, out_end) of results, which begin at x, to y. */
static void pool_rows(const separable *s, const band *b, const float *x, float *y)
{
    const size_t n = (size_t)out_channels(s), columns = (size_t)(s->g.out[2] / s->pool);
    const float *taps[PITHI_SEPARABLE_MAX_POOL * PITHI_SEPARABLE_MAX_POOL];
    for (int64_t row = 0; row < b->out_end - b->out_begin && columns > 0; row += s->pool, y += columns * n) {
        for (int64_t tap = 0; tap < s->pool * s->pool; tap++) {
            taps[tap] = x + ((row + tap / s->pool) * s->g.out[2] + tap % s->pool) * (int64_t)n;
        }
        s->pools->run[PITH_POOL_MAX](taps, (size_t)(s->pool * s->pool), (size_t)s->pool * n, y, n, columns, 1.0f);
    }
}

/* Where a worker keeps what a band makes on the way. */
typedef struct band_memory {
    const float **rows;
    float *expanded, *projected, *between;
} band_memory;

static band_memory find_memory(const separable *s, void *scratch)
{
    char *expanded = (char *)scratch + s->rows_bytes, *projected = expanded + s->expanded_bytes;
    return (band_memory){ scratch, (float *)(void *)expanded, (float *)(void *)projected,
                          (float *)(void *)(projected + s->projected_bytes) };
}

static void run_bands(const pith_run *run, const separable *s, const pith_part *part)
{
    const pithi_conv_geometry *g = &s->g;
    const band_memory memory = find_memory(s, part->scratch);
    int64_t begin, end, n = out_channels(s), in_row = g->in[2] * g->in_channels, out_row = g->out[2] / s->pool * n;
    const float *residual = run->n_inputs > RESIDUAL ? run->inputs[RESIDUAL].data : NULL, *x = run->inputs[X].data;
    band before = { .image = -1 };
    pithi_part_range(part, g->batch * s->n_bands, &begin, &end);
    if (part->follows && begin > 0) {
        before = find_band(s, begin - 1);
    }
    for (int64_t grain = begin; grain < end; grain++) {
        band b = find_band(s, grain);
        const float *rest = residual ? residual + (b.image * g->out[1] + b.out_begin) * g->out[2] * n : NULL;
        float *to = (float *)run->outputs[0].data + (b.image * (g->out[1] / s->pool) + b.out_begin / s->pool) * out_row;
        float *y = s->pool > 1 ? memory.projected : to;
        const float *from = x + (b.image * g->in[1] + b.begin) * in_row;
        if (s->expand.gemm) {
            expand_rows(s, &b, &before, x, memory.expanded, memory.rows);
            before = b;
            from = memory.expanded;
        }
        run_depthwise(s, &b, from, s->project.gemm ? NULL : rest, s->project.gemm ? memory.between : y);
        if (s->project.gemm) {
            run_pointwise(&s->project, memory.between, rest, y, (b.out_end - b.out_begin) * g->out[2], memory.rows);
        }
        if (s->pool > 1) {
            pool_rows(s, &b, y, to);
        }
    }
}

static void run(const pith_run *run, const pith_part *part)
{
    const separable *s = run->state;
    if (s->is_constant) {
        run_bands(run, s, part);
    } else if (part->index == 0) {
        ref(run);
    }
}

/* ---- record --------------------------------------------------------------------------------- */

#define FLOATS PITH_DTYPES(PITH_DTYPE_F32)
static const pith_operand_spec inputs[] = {
    { "x", FLOATS, PITH_ONE },
    { "w", FLOATS, PITH_ONE },
    { "bias", FLOATS, PITH_OPTIONAL },
    { "residual", FLOATS, PITH_OPTIONAL },
    { "expand_w", FLOATS, PITH_OPTIONAL },
    { "expand_bias", FLOATS, PITH_OPTIONAL },
    { "project_w", FLOATS, PITH_OPTIONAL },
    { "project_bias", FLOATS, PITH_OPTIONAL },
    { "expand_slope", FLOATS, PITH_OPTIONAL }, /* of leaky ReLUs, for each channel, as conv's */
    { "slope", FLOATS, PITH_OPTIONAL },
    { "project_slope", FLOATS, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", FLOATS, PITH_ONE } };
static const char *const samples[] = {
    "f32[1,9,8,5] f32[12,1,3,3] f32[12] - f32[12,5,1,1] f32[12] f32[6,12,1,1] f32[6] | pads=[1,1,1,1] strides=[2,2] "
    "expand_activation=3",
    "f32[2,7,6,20] f32[20,1,5,5] - f32[2,7,6,33] - - f32[33,20,1,1] | pads=[2,2,2,2] depthwise_activation=3",
    "f32[1,6,9,3] f32[17,1,3,3] f32[17] f32[1,6,9,17] f32[17,3,1,1] | auto_pad=SAME_UPPER activation=3",
    "f32[1,6,9,3] f32[17,1,3,3] f32[17] f32[1,6,9,17] f32[17,3,1,1] | auto_pad=SAME_UPPER activation=8 "
    "residual_behind=1",
    "f32[2,7,6,20] f32[20,1,5,5] - f32[2,7,6,33] - - f32[33,20,1,1] | pads=[2,2,2,2] depthwise_activation=3 "
    "activation=9 activation_alpha=1 residual_behind=1",
    "f32[1,4,3,2] f32[2,1,1,1]",
    "f32[1,9,8,5] f32[12,1,3,3] - f32[1,9,8,6] f32[12,5,1,1] - f32[6,12,1,1] f32[6] f32[12]{-1:1} f32[12]{-1:1} "
    "f32[6]{-1:1} | "
    "pads=[1,1,1,1] expand_activation=5 depthwise_activation=5 activation=5",
    "f32[1,9,8,12] f32[12,1,3,3] f32[12] - - - - - - f32[12]{-1:1} | pads=[1,1,1,1] activation=5",
    "f32[2,9,7,12] f32[12,1,3,3] f32[12] | pads=[1,1,1,1] activation=3 pool=2",
    "f32[1,25,9,5] f32[20,1,3,3] - f32[1,25,9,6] f32[20,5,1,1] - f32[6,20,1,1] | pads=[1,1,1,1] activation=3 pool=3",
};

const pith_op pith_op_separable_conv = {
    .head = { "separable_conv", 1, PITH_ATTRS(attrs, pithi_separable_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .prepare = prepare,
    .run = run,
    .packed_inputs = 1u << 1 | 1u << 4 | 1u << 6, /* the weights */
    .cost = cost,
    .fused_activation_plus_1 = offsetof(pithi_separable_attrs, conv.activation) + 1,
    .residual_input_plus_1 = RESIDUAL + 1,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
