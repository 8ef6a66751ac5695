/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_prelu: leaky ReLU of a quantised image with one slope, or one for each channel ([N, C, spatial...]). Of pith
 * alone; every operation is rounded to float32:
 *
 *   f = x_scale / y_scale, d = x - x_zero: y = saturate(round_half_even(d * (d < 0 ? f slope : f) + y_zero)) */
#include "kernels/norm_u8.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_lookup.h"

typedef struct prelu_attrs {
    int64_t channels_last;
} prelu_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_OWN_INT(prelu_attrs, channels_last, "channels_last", 0) };

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO, SLOPE };

#define SIDE 1024 /* elements that are worked on together, at least */

/* y as [outer][channels][inner]. */
typedef struct prelu_state {
    const pith_norm_u8 *kernel;
    pith_norm_u8_row row;
    int64_t n_channels, inner, n_side; /* n_side: pixels whose slopes lie side by side */
    float *slopes;                     /* f slope, n_side times where inner is 1 */
} prelu_state;

static int64_t channels_of(const prelu_attrs *attrs, const pith_shape *x, int64_t *inner_out)
{
    int axis = attrs->channels_last ? x->rank - 1 : 1;
    *inner_out = axis < x->rank ? pithi_dims_product(x, axis + 1, x->rank) : 1;
    return axis < x->rank && axis >= 0 ? x->dims[axis] : 1;
}

static void ref(const pith_run *run)
{
    const pith_tensor *slope = &run->inputs[SLOPE];
    pith_tensor *to = &run->outputs[0];
    pithi_quant_pair x, y;
    int64_t inner, n_channels = channels_of(run->attrs, &to->shape, &inner);
    pithi_quant_unary_pairs(run, &x, &y);
    float factor = x.scale / y.scale;
    for (int64_t i = 0; i < pith_shape_elements(&to->shape); i++) {
        int64_t channel = pith_shape_elements(&slope->shape) == 1 ? 0 : i / inner % n_channels;
        float number = (float)(pithi_tensor_get_s64(&run->inputs[X], i) - x.zero);
        float own = number < 0.0f ? factor * ((const float *)slope->data)[channel] : factor;
        pithi_tensor_set_s64(to, i, pithi_quantize((double)(number * own + (float)y.zero), 0, to->dtype));
    }
}

/* ---- run ------------------------------------------------------------------------------------ */

static void run_part(const pith_run *run, const pith_part *part)
{
    const prelu_state *state = run->state;
    const int64_t total = pith_shape_elements(&run->outputs[0].shape);
    const int64_t length = state->inner > 1 ? state->inner : state->n_side * state->n_channels;
    pith_norm_u8_row row = state->row;
    int64_t begin, end;
    pithi_part_range(part, pithi_div_up(total, length), &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        row.x = (const uint8_t *)run->inputs[X].data + i * length;
        row.y = (uint8_t *)run->outputs[0].data + i * length;
        row.n = (size_t)pithi_min_s64(length, total - i * length);
        row.scale = state->inner > 1 ? state->slopes + i % state->n_channels : state->slopes;
        state->kernel->slopes(&row);
    }
}

static pith_status fill_slopes(pith_prepare *prepare, prelu_state *state, float factor)
{
    const pith_tensor *slope = &prepare->inputs[SLOPE];
    void *block = NULL;
    const int64_t n = state->inner > 1 ? state->n_channels : state->n_side * state->n_channels;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)n, sizeof(float), &block));
    state->slopes = block;
    for (int64_t i = 0; i < n; i++) {
        state->slopes[i] = factor * ((const float *)slope->data)[i % pith_shape_elements(&slope->shape)];
    }
    return PITH_OK;
}

static pith_status prepare(pith_prepare *prepare)
{
    const pith_run run = { .inputs = prepare->inputs, .n_inputs = prepare->n_inputs };
    const pith_tensor *x = &prepare->inputs[X];
    const int64_t worthwhile = 16384, n_elements = pith_shape_elements(&x->shape);
    pithi_quant_pair from, to;
    int64_t low, high;
    void *block = NULL;
    for (int i = X_SCALE; i < prepare->n_inputs; i++) {
        if (prepare->inputs[i].dtype != PITH_DTYPE_NONE && !prepare->inputs[i].data) {
            return PITH_OK;
        }
    }
    if (n_elements == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(prelu_state), &block));
    prelu_state *state = block;
    pithi_quant_unary_pairs(&run, &from, &to);
    pithi_quant_range(x->dtype, &low, &high);
    state->kernel = pithi_norm_u8(prepare->isa_limit);
    state->n_channels = channels_of(prepare->attrs, &x->shape, &state->inner);
    if (pith_shape_elements(&prepare->inputs[SLOPE].shape) == 1) {
        state->n_channels = state->inner = 1;
    }
    state->n_side = pithi_div_up(SIDE, state->n_channels);
    state->row = (pith_norm_u8_row){ .flip = x->dtype == PITH_DTYPE_S8 ? 0x80 : 0, .zero = from.zero,
                                     .low = (int32_t)low, .high = (int32_t)high, .mean = (float)to.zero,
                                     .factor = from.scale / to.scale, .step = state->inner == 1 };
    PITH_TRY(fill_slopes(prepare, state, state->row.factor));
    prepare->state = state;
    prepare->use_run = true;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(n_elements / worthwhile, 1024), 1);
    prepare->kernel = state->kernel->head.name;
    return PITH_OK;
}

/* ---- infer ---------------------------------------------------------------------------------- */

static pith_status infer(pith_infer *infer)
{
    int64_t inner, n_slopes = pith_shape_elements(&infer->inputs[SLOPE].shape);
    int64_t n_channels = channels_of(infer->attrs, &infer->inputs[X].shape, &inner);
    PITH_CHECK(infer->ctx, n_slopes == 1 || n_slopes == n_channels, PITH_STATUS_SHAPE,
               "%lld slopes; one, or one for each of %lld channels, is needed", (long long)n_slopes,
               (long long)n_channels);
    return pithi_quant_unary_infer(infer);
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    ((prelu_attrs *)node->attrs)->channels_last = 1;
    return true;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_8BIT, PITH_ONE },
    { "x_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "x_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
    { "y_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "y_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
    { "slope", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
};
static const char *const samples[] = {
    "u8[2,3,7,6]{0:256} f32[]{0.05} u8[]{128} f32[]{0.04} u8[]{120} f32[3]{-1:1}",
    "s8[2,7,6,5]{-128:128} f32[]{0.05} s8[]{28} f32[]{0.05} s8[]{-12} f32[5]{-1:2} | channels_last=1",
    "u8[1,40,41,3]{0:256} f32[]{0.05} u8[]{128} f32[]{0.04} u8[]{120} f32[3]{-1:1} | channels_last=1",
    "s8[5,700]{-128:128} f32[]{0.05} - f32[]{0.02} - f32[1]{0.1}",
    "u8[0,4,9,2]{0:256} f32[]{0.05} - f32[]{0.02} - f32[4]",
};

const pith_op pith_op_qlinear_prelu = {
    .head = { "qlinear_prelu", 1, PITH_ATTRS(attr_table, prelu_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_quant_unary_outputs, .n_outputs = PITH_COUNT(pithi_quant_unary_outputs),
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = run_part,
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = to_channels_last,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
