/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_reduce.h"

#include <math.h>

#include "kernels/reduce_f32.h"
#include "kernels/transpose.h"
#include "ops/shared_unary.h"

const pith_attr_spec pithi_reduce_attrs_table[2] = {
    PITH_ATTR_INT(pithi_reduce_attrs, keepdims, "keepdims", 1),
    PITH_ATTR_INT(pithi_reduce_attrs, noop_with_empty_axes, "noop_with_empty_axes", 0),
};
const pith_operand_spec pithi_reduce_inputs[2] = { { "data", PITH_DTYPES_NUMBER, PITH_ONE },
                                                   { "axes", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL } };
const pith_operand_spec pithi_reduce_inputs_bool[2] = { { "data", PITH_DTYPES_ANY, PITH_ONE },
                                                        { "axes", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL } };
const pith_operand_spec pithi_reduce_outputs[1] = { { "reduced", PITH_DTYPES_ANY, PITH_ONE } };

/* ---- axes and shapes ---------------------------------------------------------------------- */

static const pith_tensor *axes_operand(const pith_tensor *inputs, int n_inputs)
{
    return n_inputs > 1 && inputs[1].dtype != PITH_DTYPE_NONE ? &inputs[1] : NULL;
}

uint32_t pithi_reduce_mask(const pith_tensor *axes, const pith_shape *x, bool noop_with_empty_axes)
{
    int64_t n_axes = axes ? pith_shape_elements(&axes->shape) : 0;
    uint32_t mask = 0;
    for (int64_t i = 0; i < n_axes; i++) {
        int64_t axis = pithi_tensor_get_s64(axes, i);
        mask |= 1u << (axis < 0 ? axis + x->rank : axis);
    }
    return n_axes == 0 && !noop_with_empty_axes ? (1u << x->rank) - 1u : mask;
}

static uint32_t mask_of(const pith_tensor *inputs, int n_inputs, const void *attrs)
{
    const pithi_reduce_attrs *a = attrs;
    return pithi_reduce_mask(axes_operand(inputs, n_inputs), &inputs[0].shape, a->noop_with_empty_axes != 0);
}

pith_status pithi_reduce_infer(pith_infer *infer)
{
    const pithi_reduce_attrs *attrs = infer->attrs;
    const pith_tensor *axes = axes_operand(infer->inputs, infer->n_inputs);
    const pith_shape *x = &infer->inputs[0].shape;
    if (axes && !axes->data && pith_shape_elements(&axes->shape) > 0) {
        return pithi_infer_need_value(infer, 1);
    }
    for (int64_t i = 0; axes && i < pith_shape_elements(&axes->shape); i++) {
        int axis = 0;
        PITH_TRY(pithi_infer_axis(infer, pithi_tensor_get_s64(axes, i), x->rank, &axis));
    }
    uint32_t mask = mask_of(infer->inputs, infer->n_inputs, attrs);
    pith_shape *y = &infer->outputs[0].shape;
    *y = (pith_shape){ 0 };
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    for (int i = 0; i < x->rank; i++) {
        bool is_reduced = mask >> i & 1u;
        if (!is_reduced || attrs->keepdims) {
            y->dims[y->rank++] = is_reduced ? 1 : x->dims[i];
        }
    }
    return PITH_OK;
}

void pithi_reduce_cost(const pith_infer *infer, pith_cost *cost)
{
    cost->flops = (uint64_t)pith_shape_elements(&infer->inputs[0].shape);
}

/* ---- reference ---------------------------------------------------------------------------- */

/* The elements that meet in one result: n_items of them, item k at offset(k) from the result's base. */
typedef struct group {
    const pith_tensor *x;
    uint32_t mask;
    int64_t base, n_items;
} group;

/* Offset in x of the index-th point of the dimensions that are (is_reduced) or aren't in the mask. */
static int64_t point(const group *g, int64_t index, bool is_reduced)
{
    int64_t offset = 0, stride = 1;
    for (int i = g->x->shape.rank - 1; i >= 0; i--) {
        const int64_t dim = g->x->shape.dims[i];
        if ((g->mask >> i & 1u) == (is_reduced ? 1u : 0u)) {
            offset += index % dim * stride;
            index /= dim;
        }
        stride *= dim;
    }
    return offset;
}

static double item_f64(const group *g, int64_t index)
{
    return pithi_tensor_get_f64(g->x, g->base + point(g, index, true));
}

static double greatest(const group *g, double sign)
{
    double best = -INFINITY;
    for (int64_t k = 0; k < g->n_items; k++) {
        double x = sign * item_f64(g, k);
        best = x > best || isnan(x) ? x : best;
        if (isnan(best)) {
            break;
        }
    }
    return sign * best;
}

static double log_sum_exp(const group *g)
{
    const double shift = greatest(g, 1.0);
    double sum = 0.0;
    if (isinf(shift) || isnan(shift)) {
        return shift;
    }
    for (int64_t k = 0; k < g->n_items; k++) {
        sum += exp(item_f64(g, k) - shift);
    }
    return shift + log(sum);
}

static double reduce_f64(const group *g, pithi_reduce_kind kind)
{
    double sum = 0.0, sum_abs = 0.0, sum_square = 0.0, product = 1.0;
    if (kind == PITHI_REDUCE_MAX || kind == PITHI_REDUCE_MIN) {
        return greatest(g, kind == PITHI_REDUCE_MAX ? 1.0 : -1.0);
    }
    if (kind == PITHI_REDUCE_LOG_SUM_EXP) {
        return log_sum_exp(g);
    }
    for (int64_t k = 0; k < g->n_items; k++) {
        double x = item_f64(g, k);
        sum += x;
        sum_abs += fabs(x);
        sum_square += x * x;
        product *= x;
    }
    switch (kind) {
    case PITHI_REDUCE_MEAN: return sum / (double)g->n_items;
    case PITHI_REDUCE_PROD: return product;
    case PITHI_REDUCE_L1: return sum_abs;
    case PITHI_REDUCE_L2: return sqrt(sum_square);
    case PITHI_REDUCE_SUM_SQUARE: return sum_square;
    case PITHI_REDUCE_LOG_SUM: return log(sum);
    default: return sum;
    }
}

/* Integers: sums and products wrap; u64 is ordered by flipping its top bit. */
static int64_t reduce_s64(const group *g, pithi_reduce_kind kind)
{
    const uint64_t flip = g->x->dtype == PITH_DTYPE_U64 ? (uint64_t)1 << 63 : 0;
    uint64_t sum = 0, product = 1;
    int64_t greatest_x = INT64_MIN, least_x = INT64_MAX;
    for (int64_t k = 0; k < g->n_items; k++) {
        const uint64_t x = (uint64_t)pithi_tensor_get_s64(g->x, g->base + point(g, k, true));
        greatest_x = pithi_max_s64(greatest_x, (int64_t)(x ^ flip));
        least_x = pithi_min_s64(least_x, (int64_t)(x ^ flip));
        sum += kind == PITHI_REDUCE_L1 && !flip && (int64_t)x < 0 ? 0 - x : kind == PITHI_REDUCE_SUM_SQUARE ? x * x : x;
        product *= x;
    }
    switch (kind) {
    case PITHI_REDUCE_MAX: return (int64_t)((uint64_t)greatest_x ^ flip);
    case PITHI_REDUCE_MIN: return (int64_t)((uint64_t)least_x ^ flip);
    case PITHI_REDUCE_PROD: return (int64_t)product;
    case PITHI_REDUCE_MEAN:
        return g->n_items == 0 ? 0 : flip ? (int64_t)(sum / (uint64_t)g->n_items) : (int64_t)sum / g->n_items;
    default: return (int64_t)sum;
    }
}

/* An integer dtype's least (sign < 0) or greatest value, the result of an empty max or min. */
static void set_limit(pith_tensor *y, int64_t index, double sign)
{
    const unsigned n_bits = 8 * (unsigned)pith_dtype_bytes(y->dtype);
    const bool is_signed = y->dtype == PITH_DTYPE_S8 || y->dtype == PITH_DTYPE_S16 || y->dtype == PITH_DTYPE_S32 ||
                           y->dtype == PITH_DTYPE_S64;
    const uint64_t all = UINT64_MAX >> (64 - n_bits);
    const uint64_t greatest_value = is_signed ? all >> 1 : all;
    const uint64_t least_value = is_signed ? greatest_value + 1 : 0;
    pithi_tensor_set_s64(y, index, (int64_t)(sign > 0.0 ? greatest_value : least_value));
}

void pithi_reduce_ref(const pith_run *run, pithi_reduce_kind kind)
{
    uint32_t mask = mask_of(run->inputs, run->n_inputs, run->attrs);
    pithi_reduce_ref_mask(&run->inputs[0], mask, kind, &run->outputs[0]);
}

void pithi_reduce_ref_mask(const pith_tensor *x, uint32_t mask, pithi_reduce_kind kind, pith_tensor *y)
{
    group g = { .x = x, .mask = mask, .n_items = 1 };
    const bool in_f64 = pithi_dtype_is_float(y->dtype) || kind == PITHI_REDUCE_L2 || kind == PITHI_REDUCE_LOG_SUM ||
                        kind == PITHI_REDUCE_LOG_SUM_EXP;
    for (int i = 0; i < g.x->shape.rank; i++) {
        g.n_items *= g.mask >> i & 1u ? g.x->shape.dims[i] : 1;
    }
    for (int64_t i = 0; i < pith_shape_elements(&y->shape); i++) {
        g.base = point(&g, i, false);
        if (in_f64) {
            pithi_tensor_set_f64(y, i, reduce_f64(&g, kind));
        } else if (g.n_items == 0 && (kind == PITHI_REDUCE_MAX || kind == PITHI_REDUCE_MIN)) {
            set_limit(y, i, kind == PITHI_REDUCE_MAX ? -1.0 : 1.0);
        } else {
            pithi_tensor_set_s64(y, i, reduce_s64(&g, kind));
        }
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

/* x as [n_outer][n_items][n_inner], the middle reduced. n_inner 1: rows; else columns, cut into chunks.
 * n_slices > 1: x is [n_outer][n_slices][n_kept][n_items], slices and items reduced: rows, then over their results. */
typedef struct reduce_state {
    int64_t n_outer, n_items, n_inner, chunk;
    int64_t n_slices, n_kept;
    pithi_reduce_kind kind;
    pith_reduce_rows_f32_fn *rows, *slices;
    pith_reduce_columns_f32_fn *columns;
    pith_vunary_f32_fn *exp, *log; /* for log_sum_exp */
    pith_transpose_fn *transpose;  /* of short rows, else NULL */
} reduce_state;

#define COLUMN_CHUNK 256 /* columns per unit of work: a few cache lines, 16 vectors */
#define SHORT_ROW 8       /* rows up to here are transposed and go as columns: a vector would be mostly empty */
#define LEAST_ROWS 4      /* fewer aren't worth it */
#define MOST_SLICES 65536 /* their results are scratch memory */

static bool kernel_kind(pithi_reduce_kind kind, pith_reduce *kernel_kind_out)
{
    static const int kinds[] = {
        [PITHI_REDUCE_SUM] = PITH_REDUCE_SUM,         [PITHI_REDUCE_MEAN] = PITH_REDUCE_SUM,
        [PITHI_REDUCE_MAX] = PITH_REDUCE_MAX,         [PITHI_REDUCE_MIN] = PITH_REDUCE_MIN,
        [PITHI_REDUCE_PROD] = -1,                     [PITHI_REDUCE_L1] = PITH_REDUCE_SUM_ABS,
        [PITHI_REDUCE_L2] = PITH_REDUCE_SUM_SQUARE,   [PITHI_REDUCE_SUM_SQUARE] = PITH_REDUCE_SUM_SQUARE,
        [PITHI_REDUCE_LOG_SUM] = PITH_REDUCE_SUM,     [PITHI_REDUCE_LOG_SUM_EXP] = PITH_REDUCE_MAX,
    };
    *kernel_kind_out = (pith_reduce)kinds[kind];
    return kinds[kind] >= 0;
}

/* Sizes of the runs of dimensions that are all kept or all reduced, the first run kept (1 if there is none). */
static int alternating_runs(const pith_shape *x, uint32_t mask, int64_t runs[PITH_MAX_RANK + 1])
{
    int n_runs = 1;
    runs[0] = 1;
    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] == 1) {
            continue;
        }
        if ((mask >> i & 1u) == (n_runs % 2 == 1)) {
            runs[n_runs++] = 1;
        }
        runs[n_runs - 1] *= x->dims[i];
    }
    return n_runs;
}

/* False if kept and reduced dimensions alternate more often than the state can say. */
static bool split_extent(const pith_shape *x, uint32_t mask, reduce_state *state)
{
    int64_t runs[PITH_MAX_RANK + 1];
    const int n_runs = alternating_runs(x, mask, runs);
    state->n_outer = state->n_items = state->n_inner = state->n_slices = state->n_kept = 1;
    if (n_runs == 1) { /* nothing is reduced: columns of one element */
        state->n_inner = runs[0];
        return true;
    }
    state->n_outer = runs[0];
    state->n_items = runs[n_runs == 4 ? 3 : 1];
    state->n_inner = n_runs == 3 ? runs[2] : 1;
    if (n_runs == 4) {
        state->n_slices = runs[1];
        state->n_kept = runs[2];
    }
    return n_runs <= 4;
}

pith_status pithi_reduce_prepare_mask(pith_prepare *prepare, uint32_t mask, pithi_reduce_kind kind)
{
    const pith_shape *x = &prepare->inputs[0].shape;
    const pith_reduce_f32 *kernel = pithi_reduce_f32(prepare->isa_limit);
    const pith_vunary_f32 *unary = pithi_vunary_f32(prepare->isa_limit);
    reduce_state found = { .kind = kind, .chunk = 1, .exp = unary->functions[PITH_VUNARY_EXP],
                           .log = unary->functions[PITH_VUNARY_LOG] };
    pith_reduce op;
    const bool is_row_only = kind == PITHI_REDUCE_LOG_SUM_EXP;
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32 || !kernel_kind(kind, &op) || !split_extent(x, mask, &found) ||
        pith_shape_elements(x) == 0 || found.n_slices > MOST_SLICES ||
        (is_row_only && (found.n_inner > 1 || found.n_slices > 1))) {
        return PITH_OK;
    }
    found.rows = kernel->rows[op];
    found.slices = kernel->rows[op == PITH_REDUCE_MAX || op == PITH_REDUCE_MIN ? op : PITH_REDUCE_SUM];
    found.columns = kernel->columns[op];
    found.chunk = found.n_inner > 1 ? COLUMN_CHUNK : 1;
    int64_t n_units = found.n_outer * found.n_kept * pithi_div_up(found.n_inner, found.chunk);
    if (found.n_inner == 1 && found.n_slices == 1 && found.n_items <= SHORT_ROW && found.n_outer >= LEAST_ROWS &&
        !is_row_only) {
        found.transpose = pithi_transpose_find(prepare->isa_limit, 2);
        n_units = pithi_div_up(n_units, COLUMN_CHUNK);
        prepare->scratch_bytes = SHORT_ROW * COLUMN_CHUNK * sizeof(float);
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof found, &block));
    memcpy(block, &found, sizeof found);
    prepare->state = block;
    prepare->max_parts = (int)pithi_min_s64(n_units, pithi_element_parts(pith_shape_elements(x)));
    if (is_row_only || found.n_slices > 1) {
        prepare->scratch_bytes = (is_row_only ? COLUMN_CHUNK : (size_t)found.n_slices) * sizeof(float);
    }
    prepare->kernel = kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

pith_status pithi_reduce_prepare(pith_prepare *prepare, pithi_reduce_kind kind)
{
    const pithi_reduce_attrs *attrs = prepare->attrs;
    const pith_tensor *axes = axes_operand(prepare->inputs, prepare->n_inputs);
    if (axes && !axes->data && pith_shape_elements(&axes->shape) > 0) {
        return PITH_OK; /* a value of an earlier stretch, which a plan can't rely on */
    }
    uint32_t mask = pithi_reduce_mask(axes, &prepare->inputs[0].shape, attrs->noop_with_empty_axes != 0);
    return pithi_reduce_prepare_mask(prepare, mask, kind);
}

/* ln sum e^x = max + ln sum e^(x - max), chunk by chunk. */
static float row_log_sum_exp(const reduce_state *state, const float *x, float shift, float *scratch)
{
    double sum = 0.0;
    float result = 0.0f;
    if (isinf(shift) || isnan(shift)) {
        return shift;
    }
    for (int64_t i = 0; i < state->n_items; i += COLUMN_CHUNK) {
        const int64_t n = pithi_min_s64(COLUMN_CHUNK, state->n_items - i);
        for (int64_t k = 0; k < n; k++) {
            scratch[k] = x[i + k] - shift;
        }
        state->exp(scratch, scratch, (size_t)n, 0.0f, 0.0f);
        for (int64_t k = 0; k < n; k++) {
            sum += (double)scratch[k];
        }
    }
    result = (float)sum;
    state->log(&result, &result, 1, 0.0f, 0.0f);
    return shift + result;
}

static void finish(const reduce_state *state, float *y, int64_t n)
{
    for (int64_t i = 0; i < n && state->kind == PITHI_REDUCE_MEAN; i++) {
        y[i] /= (float)(state->n_items * state->n_slices);
    }
    for (int64_t i = 0; i < n && state->kind == PITHI_REDUCE_L2; i++) {
        y[i] = sqrtf(y[i]);
    }
    if (state->kind == PITHI_REDUCE_LOG_SUM) {
        state->log(y, y, (size_t)n, 0.0f, 0.0f);
    }
}

pith_status pithi_reduce_rows_prepare(pith_prepare *prepare, pithi_reduce_kind kind, int64_t n, const void **state_out)
{
    pith_reduce op;
    void *block = NULL;
    *state_out = NULL;
    if (!kernel_kind(kind, &op) || kind == PITHI_REDUCE_LOG_SUM_EXP) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(reduce_state), &block));
    *(reduce_state *)block = (reduce_state){ .kind = kind, .n_items = n, .n_slices = 1,
                                             .rows = pithi_reduce_f32(prepare->isa_limit)->rows[op],
                                             .log = pithi_vunary_f32(prepare->isa_limit)->functions[PITH_VUNARY_LOG] };
    *state_out = block;
    return PITH_OK;
}

void pithi_reduce_rows(const void *state, const float *x, int64_t n_rows, float *y)
{
    const reduce_state *s = state;
    for (int64_t i = 0; i < n_rows; i++) {
        y[i] = s->rows(x + i * s->n_items, (size_t)s->n_items);
    }
    finish(s, y, n_rows);
}

/* Units are results. */
static void run_slices(const pith_run *run, const pith_part *part)
{
    const reduce_state *state = run->state;
    const int64_t slice = state->n_kept * state->n_items;
    float *y = run->outputs[0].data, *results = part->scratch;
    int64_t begin, end;
    pithi_part_range(part, state->n_outer * state->n_kept, &begin, &end);
    for (int64_t unit = begin; unit < end; unit++) {
        const float *x = (const float *)run->inputs[0].data + unit / state->n_kept * state->n_slices * slice +
                         unit % state->n_kept * state->n_items;
        for (int64_t i = 0; i < state->n_slices; i++) {
            results[i] = state->rows(x + i * slice, (size_t)state->n_items);
        }
        y[unit] = state->slices(results, (size_t)state->n_slices);
        finish(state, y + unit, 1);
    }
}

static void run_short_rows(const pith_run *run, const pith_part *part)
{
    const reduce_state *state = run->state;
    const float *x = run->inputs[0].data;
    float *y = run->outputs[0].data, *columns = part->scratch;
    int64_t begin, end;
    pithi_part_range(part, pithi_div_up(state->n_outer, COLUMN_CHUNK), &begin, &end);
    for (int64_t row = begin * COLUMN_CHUNK; row < end * COLUMN_CHUNK; row += COLUMN_CHUNK) {
        const int64_t n_rows = pithi_min_s64(COLUMN_CHUNK, state->n_outer - row);
        state->transpose(x + row * state->n_items, state->n_items, columns, COLUMN_CHUNK, n_rows, state->n_items);
        state->columns(columns, (size_t)state->n_items, COLUMN_CHUNK, y + row, (size_t)n_rows);
        finish(state, y + row, n_rows);
    }
}

void pithi_reduce_run(const pith_run *run, const pith_part *part)
{
    const reduce_state *state = run->state;
    if (state->n_slices > 1 || state->transpose) {
        (state->transpose ? run_short_rows : run_slices)(run, part);
        return;
    }
    const float *x = run->inputs[0].data;
    float *y = run->outputs[0].data;
    const int64_t n_chunks = pithi_div_up(state->n_inner, state->chunk);
    int64_t begin, end;
    pithi_part_range(part, state->n_outer * n_chunks, &begin, &end);
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t outer = unit / n_chunks, column = unit % n_chunks * state->chunk;
        const int64_t n_columns = pithi_min_s64(state->chunk, state->n_inner - column);
        const float *from = x + outer * state->n_items * state->n_inner + column;
        float *to = y + outer * state->n_inner + column;
        if (state->n_inner == 1) {
            *to = state->rows(from, (size_t)state->n_items);
        } else {
            state->columns(from, (size_t)state->n_items, (size_t)state->n_inner, to, (size_t)n_columns);
        }
        if (state->kind == PITHI_REDUCE_LOG_SUM_EXP) {
            *to = row_log_sum_exp(state, from, *to, part->scratch);
        }
        finish(state, to, n_columns);
    }
}

/* ---- layout and spellings ----------------------------------------------------------------- */

bool pithi_reduce_to_channels_last(pith_graph *graph, pith_node *node)
{
    const pithi_reduce_attrs *attrs = node->attrs;
    const pith_value *axes = node->n_inputs > 1 ? node->inputs[1] : NULL;
    if (!attrs->keepdims) {
        return false;
    }
    if (!axes) {
        return true;
    }
    if (!axes->constant || !axes->constant->data) {
        return false;
    }
    int64_t moved[PITH_MAX_RANK];
    const int64_t n_axes = pith_shape_elements(&axes->constant->shape);
    if (n_axes > PITH_MAX_RANK) {
        return false;
    }
    for (int64_t i = 0; i < n_axes; i++) {
        moved[i] = pithi_channels_last_axis(pithi_tensor_get_s64(axes->constant, i), node->inputs[0]->shape.rank);
    }
    return pithi_graph_add_s64s(graph, moved, (int)n_axes, &node->inputs[1]) == PITH_OK;
}

pith_status pithi_map_reduce_axes(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    (void)attrs;
    return pithi_source_attr_to_input(source, "axes", 1);
}
