/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_group_norm.h"

#include <math.h>

#include "ops/shared_moments.h"
#include "ops/shared_unary.h"

const pith_operand_spec pithi_group_norm_inputs[3] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                                       { "scale", PITH_DTYPES_FLOAT, PITH_ONE },
                                                       { "bias", PITH_DTYPES_FLOAT, PITH_ONE } };
const pith_operand_spec pithi_group_norm_outputs[1] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };

enum { X, SCALE, BIAS };

/* [n_batch][n_groups][n_members][n_inner]; n_members channels in a group. */
typedef struct extent {
    int64_t n_batch, n_groups, n_members, n_inner;
    bool is_per_group;
    float epsilon;
} extent;

static extent extent_of(const pith_shape *x, const pithi_group_norm *norm)
{
    extent e = { x->dims[0], norm->n_groups, x->dims[1] / pithi_max_s64(1, norm->n_groups), 1, norm->is_per_group,
                 norm->epsilon };
    for (int i = 2; i < x->rank; i++) {
        e.n_inner *= x->dims[i];
    }
    return e;
}

pith_status pithi_group_norm_infer(pith_infer *infer, const pithi_group_norm *norm)
{
    const pith_shape *x = &infer->inputs[X].shape;
    PITH_CHECK(infer->ctx, x->rank >= 2, PITH_STATUS_SHAPE,
               "the input needs batch and channel dimensions; its rank is %d", x->rank);
    PITH_CHECK(infer->ctx, norm->n_groups > 0 ? x->dims[1] % norm->n_groups == 0 : x->dims[1] == 0, PITH_STATUS_SHAPE,
               "%lld channels can't be cut into %lld equal groups", (long long)x->dims[1], (long long)norm->n_groups);
    const int64_t wanted = norm->is_per_group ? norm->n_groups : x->dims[1];
    for (int i = SCALE; i <= BIAS; i++) {
        const pith_shape *shape = &infer->inputs[i].shape;
        PITH_CHECK(infer->ctx, shape->rank == 1 && shape->dims[0] == wanted, PITH_STATUS_SHAPE,
                   "%s must have %lld values, one per %s", i == SCALE ? "scale" : "bias", (long long)wanted,
                   norm->is_per_group ? "group" : "channel");
    }
    return pithi_infer_same(infer);
}

void pithi_group_norm_cost(const pith_infer *infer, pith_cost *cost)
{
    cost->flops = 5 * (uint64_t)pith_shape_elements(&infer->inputs[X].shape);
}

static void ref_group(const pith_run *run, const extent *e, int64_t group)
{
    const pith_tensor *x = &run->inputs[X];
    const int64_t n = e->n_members * e->n_inner, base = group * n;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += pithi_tensor_get_f64(x, base + i);
    }
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double centred = pithi_tensor_get_f64(x, base + i) - mean;
        squares += centred * centred;
    }
    const double factor = 1.0 / sqrt(squares / (double)n + (double)e->epsilon);
    for (int64_t i = 0; i < n; i++) {
        const int64_t g = group % e->n_groups, at = e->is_per_group ? g : g * e->n_members + i / e->n_inner;
        const double value = (pithi_tensor_get_f64(x, base + i) - mean) * factor;
        pithi_tensor_set_f64(&run->outputs[0], base + i,
                             value * pithi_tensor_get_f64(&run->inputs[SCALE], at) +
                                 pithi_tensor_get_f64(&run->inputs[BIAS], at));
    }
}

void pithi_group_norm_ref(const pith_run *run, const pithi_group_norm *norm)
{
    const extent e = extent_of(&run->inputs[X].shape, norm);
    for (int64_t group = 0; group < e.n_batch * e.n_groups; group++) {
        ref_group(run, &e, group);
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

typedef struct group_norm_state {
    extent e;
    pithi_moments_kernels kernels;
} group_norm_state;

pith_status pithi_group_norm_prepare(pith_prepare *prepare, const pithi_group_norm *norm)
{
    const int64_t n_elements = pith_shape_elements(&prepare->inputs[X].shape);
    bool is_f32 = n_elements > 0;
    for (int i = X; i <= BIAS; i++) {
        is_f32 = is_f32 && prepare->inputs[i].dtype == PITH_DTYPE_F32;
    }
    if (!is_f32) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(group_norm_state), &block));
    group_norm_state *state = block;
    *state = (group_norm_state){ extent_of(&prepare->inputs[X].shape, norm),
                                 pithi_moments_kernels_of(prepare->isa_limit) };
    prepare->state = state;
    prepare->max_parts = (int)pithi_min_s64(state->e.n_batch * state->e.n_groups, pithi_element_parts(3 * n_elements));
    prepare->kernel = state->kernels.norm->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

void pithi_group_norm_run(const pith_run *run, const pith_part *part)
{
    const group_norm_state *state = run->state;
    const extent *e = &state->e;
    const float *scale = run->inputs[SCALE].data, *bias = run->inputs[BIAS].data;
    const int64_t n = e->n_members * e->n_inner;
    int64_t begin, end;
    pithi_part_range(part, e->n_batch * e->n_groups, &begin, &end);
    for (int64_t group = begin; group < end; group++) {
        const float *x = (const float *)run->inputs[X].data + group * n;
        float *y = (float *)run->outputs[0].data + group * n;
        const int64_t g = group % e->n_groups;
        const pith_norm_line line = pithi_moments(&state->kernels, x, (size_t)n, e->epsilon, NULL);
        for (int64_t member = 0; member < e->n_members; member++) {
            const int64_t at = e->is_per_group ? g : g * e->n_members + member;
            const pith_norm_line scaled = { line.mean, line.factor * scale[at], line.offset * scale[at] + bias[at] };
            state->kernels.norm->affine_single(x + member * e->n_inner, y + member * e->n_inner, (size_t)e->n_inner,
                                               &scaled);
        }
    }
}
