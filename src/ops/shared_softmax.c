/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_softmax.h"

#include <math.h>

#include "kernels/softmax_f32.h"
#include "kernels/transpose.h"
#include "ops/shared_reduce.h"
#include "ops/shared_unary.h"

const pith_attr_spec pithi_softmax_attrs_table[2] = {
    PITH_ATTR_INT(pithi_softmax_attrs, axis, "axis", -1),
    PITH_ATTR_OWN_INT(pithi_softmax_attrs, flatten, "flatten", 0),
};

pithi_softmax_extent pithi_softmax_extent_of(const pith_shape *x, const pithi_softmax_attrs *attrs)
{
    pithi_softmax_extent extent = { 1, 1, 1 };
    const int64_t axis = attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis;
    for (int i = 0; i < x->rank; i++) {
        if (i < axis) {
            extent.n_outer *= x->dims[i];
        } else if (i == axis || attrs->flatten) {
            extent.n_axis *= x->dims[i];
        } else {
            extent.n_inner *= x->dims[i];
        }
    }
    return extent;
}

pith_status pithi_softmax_infer(pith_infer *infer)
{
    const pithi_softmax_attrs *attrs = infer->attrs;
    const int rank = infer->inputs[0].shape.rank;
    int axis = 0;
    if (!(attrs->flatten && attrs->axis == rank)) { /* flattening may leave one element per group */
        PITH_TRY(pithi_infer_axis(infer, attrs->axis, rank, &axis));
    }
    return pithi_infer_same(infer);
}

void pithi_softmax_cost(const pith_infer *infer, pith_cost *cost)
{
    cost->flops = 4 * (uint64_t)pith_shape_elements(&infer->inputs[0].shape); /* max, exp, sum, scale */
}

/* ---- reference ---------------------------------------------------------------------------- */

static void one_group(const pith_tensor *x, pith_tensor *y, int64_t base, const pithi_softmax_extent *extent,
                      pithi_softmax_kind kind)
{
    double shift = -INFINITY, sum = 0.0;
    int64_t first_max = 0;
    for (int64_t k = 0; k < extent->n_axis; k++) {
        double value = pithi_tensor_get_f64(x, base + k * extent->n_inner);
        first_max = value > shift ? k : first_max;
        shift = value > shift || isnan(value) ? value : shift;
    }
    for (int64_t k = 0; k < extent->n_axis && kind != PITHI_HARDMAX; k++) {
        sum += exp(pithi_tensor_get_f64(x, base + k * extent->n_inner) - shift);
    }
    for (int64_t k = 0; k < extent->n_axis; k++) {
        const int64_t at = base + k * extent->n_inner;
        const double value = pithi_tensor_get_f64(x, at) - shift;
        pithi_tensor_set_f64(y, at, kind == PITHI_HARDMAX       ? (k == first_max ? 1.0 : 0.0)
                                    : kind == PITHI_LOG_SOFTMAX ? value - log(sum)
                                                                : exp(value) / sum);
    }
}

void pithi_softmax_ref_part(const pith_run *run, const pith_part *part, pithi_softmax_kind kind)
{
    const pith_tensor *x = &run->inputs[0];
    const pithi_softmax_extent e = pithi_softmax_extent_of(&x->shape, run->attrs);
    int64_t begin, end;
    pithi_part_range(part, e.n_outer * e.n_inner, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        one_group(x, &run->outputs[0], i / e.n_inner * e.n_axis * e.n_inner + i % e.n_inner, &e, kind);
    }
}

void pithi_softmax_ref(const pith_run *run, pithi_softmax_kind kind)
{
    pithi_softmax_ref_part(run, &(pith_part){ .count = 1 }, kind);
}

/* ---- run ---------------------------------------------------------------------------------- */

#define COLUMN_CHUNK 64 /* columns, or short rows, per unit of work */
#define SHORT_ROW 8     /* rows up to here are transposed and go as columns: a vector would be mostly empty */
#define LEAST_ROWS 4    /* fewer aren't worth it */

typedef struct softmax_state {
    pithi_softmax_extent extent;
    pith_softmax_row_fn *row;
    pith_softmax_columns_fn *columns;
    pith_transpose_fn *transpose; /* of short rows, else NULL */
    int64_t chunk;
} softmax_state;

pith_status pithi_softmax_prepare(pith_prepare *prepare, pithi_softmax_kind kind)
{
    const pith_softmax_f32 *kernel = pithi_softmax_f32(prepare->isa_limit);
    const pith_shape *x = &prepare->inputs[0].shape;
    const int64_t n_elements = pith_shape_elements(x);
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32 || n_elements == 0) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(softmax_state), &block));
    softmax_state *state = block;
    state->extent = pithi_softmax_extent_of(x, prepare->attrs);
    state->row = kind == PITHI_SOFTMAX ? kernel->row : kernel->log_row;
    state->columns = kind == PITHI_SOFTMAX ? kernel->columns : kernel->log_columns;
    state->chunk = state->extent.n_inner > 1 ? COLUMN_CHUNK : 1;
    int64_t n_units = state->extent.n_outer * pithi_div_up(state->extent.n_inner, state->chunk);
    if (state->extent.n_inner == 1 && state->extent.n_axis <= SHORT_ROW && state->extent.n_outer >= LEAST_ROWS) {
        state->transpose = pithi_transpose_find(prepare->isa_limit, 2);
        n_units = pithi_div_up(n_units, COLUMN_CHUNK);
        prepare->scratch_bytes = SHORT_ROW * COLUMN_CHUNK * sizeof(float);
    }
    prepare->state = state;
    prepare->max_parts = (int)pithi_min_s64(n_units, pithi_element_parts(4 * n_elements));
    prepare->kernel = kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

static void run_short_rows(const softmax_state *state, const float *x, float *y, const pith_part *part)
{
    const int64_t n = state->extent.n_axis;
    float *columns = part->scratch;
    int64_t begin, end;
    pithi_part_range(part, pithi_div_up(state->extent.n_outer, COLUMN_CHUNK), &begin, &end);
    for (int64_t row = begin * COLUMN_CHUNK; row < end * COLUMN_CHUNK; row += COLUMN_CHUNK) {
        const int64_t n_rows = pithi_min_s64(COLUMN_CHUNK, state->extent.n_outer - row);
        state->transpose(x + row * n, n, columns, COLUMN_CHUNK, n_rows, n);
        state->columns(columns, columns, (size_t)n, COLUMN_CHUNK, (size_t)n_rows);
        state->transpose(columns, COLUMN_CHUNK, y + row * n, n, n, n_rows);
    }
}

void pithi_softmax_run(const pith_run *run, const pith_part *part)
{
    const softmax_state *state = run->state;
    const pithi_softmax_extent *e = &state->extent;
    const float *x = run->inputs[0].data;
    float *y = run->outputs[0].data;
    const int64_t n_chunks = pithi_div_up(e->n_inner, state->chunk);
    int64_t begin, end;
    if (state->transpose) {
        run_short_rows(state, x, y, part);
        return;
    }
    pithi_part_range(part, e->n_outer * n_chunks, &begin, &end);
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t column = unit % n_chunks * state->chunk;
        const int64_t at = unit / n_chunks * e->n_axis * e->n_inner + column;
        if (e->n_inner == 1) {
            state->row(x + at, y + at, (size_t)e->n_axis);
        } else {
            state->columns(x + at, y + at, (size_t)e->n_axis, (size_t)e->n_inner,
                           (size_t)pithi_min_s64(state->chunk, e->n_inner - column));
        }
    }
}

/* ---- layout and spellings ----------------------------------------------------------------- */

bool pithi_softmax_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    pithi_softmax_attrs *attrs = node->attrs;
    const int rank = node->inputs[0]->shape.rank;
    const int64_t axis = attrs->axis < 0 ? attrs->axis + rank : attrs->axis;
    if (attrs->flatten) {
        return axis <= 1; /* the group then has all channels and positions, in any order */
    }
    attrs->axis = pithi_channels_last_axis(axis, rank);
    return true;
}

/* One group of all elements from `axis` on is what newer opsets mean, where no longer axis follows. */
pith_status pithi_softmax_to_source(pith_ctx *ctx, const pith_node *node, pith_source *source)
{
    const pith_value *x = node->inputs[0];
    const pithi_softmax_attrs *attrs = node->attrs;
    int64_t axis = attrs->axis + (attrs->axis < 0 && x->has_shape ? x->shape.rank : 0), behind = 1;
    if (!attrs->flatten) {
        return PITH_OK;
    }
    for (int64_t i = x->shape.rank - 1; x->has_shape && i > axis && i >= 0; i--) {
        behind *= x->shape.dims[i] == 1 ? 1 : 0;
    }
    PITH_CHECK(ctx, x->has_shape && axis < x->shape.rank && behind == 1, PITH_STATUS_UNSUPPORTED,
               "node '%s' groups all dimensions from %lld on, as before opset 13, and they are more than one or not "
               "known; write the model in opset 13 or later", node->name, (long long)axis);
    for (int i = 0; i < source->n_attrs; i++) {
        if (pithi_same_text(source->attrs[i].name, "flatten")) {
            source->attrs[i] = source->attrs[--source->n_attrs];
        }
    }
    return PITH_OK;
}

pith_status pithi_map_softmax_flatten(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    (void)source;
    pithi_softmax_attrs *a = attrs;
    a->axis = 1;
    a->flatten = 1;
    return PITH_OK;
}
