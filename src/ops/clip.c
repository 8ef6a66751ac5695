/* SPDX-License-Identifier: Apache-2.0 */
/* clip: y = min(max(x, min), max), NaN for NaN. ONNX Clip. The limits are attributes (as in ONNX before
 * 11, and where constants allow it, so that a clip can be fused) or inputs, which win. */
#include "ops/shared_unary.h"

typedef struct clip_attrs {
    float min, max;
} clip_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_FLOAT(clip_attrs, min, "min", -INFINITY),
    PITH_ATTR_FLOAT(clip_attrs, max, "max", INFINITY),
};

enum { LO = 1, HI = 2 };

static const pith_tensor *limit_input(const pith_run *run, int index)
{
    return index < run->n_inputs && run->inputs[index].data ? &run->inputs[index] : NULL;
}

static double limit_f64(const pith_run *run, int index)
{
    const clip_attrs *attrs = run->attrs;
    const pith_tensor *input = limit_input(run, index);
    return input ? pithi_tensor_get_f64(input, 0) : (double)(index == LO ? attrs->min : attrs->max);
}

static void clip_f64(const pith_run *run, int64_t n_elements)
{
    const double lo = limit_f64(run, LO), hi = limit_f64(run, HI);
    for (int64_t i = 0; i < n_elements; i++) {
        double x = pithi_tensor_get_f64(&run->inputs[0], i);
        double raised = x < lo ? lo : x;
        pithi_tensor_set_f64(&run->outputs[0], i, raised > hi ? hi : raised);
    }
}

/* Unsigned 64-bit values are compared as signed ones after flipping the top bit, which keeps order. */
static void clip_s64(const pith_run *run, int64_t n_elements)
{
    const uint64_t flip = run->inputs[0].dtype == PITH_DTYPE_U64 ? (uint64_t)1 << 63 : 0;
    const pith_tensor *lo_input = limit_input(run, LO), *hi_input = limit_input(run, HI);
    const int64_t lo = lo_input ? (int64_t)((uint64_t)pithi_tensor_get_s64(lo_input, 0) ^ flip) : INT64_MIN;
    const int64_t hi = hi_input ? (int64_t)((uint64_t)pithi_tensor_get_s64(hi_input, 0) ^ flip) : INT64_MAX;
    for (int64_t i = 0; i < n_elements; i++) {
        int64_t x = (int64_t)((uint64_t)pithi_tensor_get_s64(&run->inputs[0], i) ^ flip);
        int64_t y = pithi_min_s64(pithi_max_s64(x, lo), hi);
        pithi_tensor_set_s64(&run->outputs[0], i, (int64_t)((uint64_t)y ^ flip));
    }
}

static void ref(const pith_run *run)
{
    int64_t n_elements = pith_shape_elements(&run->outputs[0].shape);
    if (pithi_dtype_is_float(run->inputs[0].dtype)) {
        clip_f64(run, n_elements);
    } else {
        clip_s64(run, n_elements);
    }
}

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    const clip_attrs *a = attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_CLIP, a->min, a->max);
}

static void run(const pith_run *run, const pith_part *part)
{
    const pithi_unary_state *state = run->state;
    int64_t begin, end;
    pithi_part_elements(part, state->n_elements, &begin, &end);
    state->fn((const float *)run->inputs[0].data + begin, (float *)run->outputs[0].data + begin, (size_t)(end - begin),
              (float)limit_f64(run, LO), (float)limit_f64(run, HI));
}

static pith_status infer(pith_infer *infer)
{
    const clip_attrs *attrs = infer->attrs;
    pith_dtype dtype = infer->inputs[0].dtype;
    for (int i = LO; i < infer->n_inputs; i++) {
        const pith_tensor *limit = &infer->inputs[i];
        PITH_CHECK(infer->ctx, limit->dtype == PITH_DTYPE_NONE || limit->dtype == dtype, PITH_STATUS_DTYPE,
                   "the limits must have the input's dtype %s, but '%s' is %s", pith_dtype_name(dtype),
                   i == LO ? "min" : "max", pith_dtype_name(limit->dtype));
        PITH_CHECK(infer->ctx, limit->dtype == PITH_DTYPE_NONE || pith_shape_elements(&limit->shape) == 1,
                   PITH_STATUS_SHAPE, "'%s' must be a scalar", i == LO ? "min" : "max");
    }
    PITH_CHECK(infer->ctx, pithi_dtype_is_float(dtype) || (isinf(attrs->min) && isinf(attrs->max)), PITH_STATUS_DTYPE,
               "limits given as attributes are floats; the input is %s", pith_dtype_name(dtype));
    return pithi_infer_same(infer);
}

/* A constant limit of a dtype that float holds exactly becomes an attribute. */
static void take_constant_limit(pith_source *source, int index, float *attr)
{
    const pith_value *value = index < source->n_inputs ? source->inputs[index] : NULL;
    const pith_tensor *constant = value ? value->constant : NULL;
    bool fits = constant && constant->data && pith_shape_elements(&constant->shape) == 1 &&
                (constant->dtype == PITH_DTYPE_F32 || constant->dtype == PITH_DTYPE_F16 ||
                 constant->dtype == PITH_DTYPE_BF16);
    if (fits) {
        *attr = (float)pithi_tensor_get_f64(constant, 0);
        source->inputs[index] = NULL;
    }
}

static pith_status map_11(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    clip_attrs *a = attrs;
    take_constant_limit(source, LO, &a->min);
    take_constant_limit(source, HI, &a->max);
    while (source->n_inputs > 1 && !source->inputs[source->n_inputs - 1]) {
        source->n_inputs--;
    }
    return PITH_OK;
}

/* The limits are inputs since opset 11; attributes of pith's that stand at infinity are absent. */
static pith_status to_source(pith_ctx *ctx, const pith_node *node, pith_source *source)
{
    const pith_dtype dtype = node->inputs[0]->dtype;
    for (int i = 0; i < source->n_attrs; i++) {
        const pith_shape scalar = { 0 };
        pith_tensor limit;
        int index = pithi_same_text(source->attrs[i].name, "min") ? LO : HI;
        PITH_CHECK(ctx, pithi_dtype_is_float(dtype), PITH_STATUS_UNSUPPORTED,
                   "node '%s': limits given as attributes need an input whose dtype is known, and a float", node->name);
        while (source->n_inputs <= index) {
            source->inputs[source->n_inputs++] = NULL;
        }
        PITH_TRY(pithi_graph_new_constant(source->graph, NULL, dtype, &scalar, &limit, &source->inputs[index]));
        pithi_tensor_set_f64(&limit, 0, (double)source->attrs[i].f);
    }
    source->n_attrs = 0;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_NUMBER, PITH_ONE },
                                            { "min", PITH_DTYPES_NUMBER, PITH_OPTIONAL },
                                            { "max", PITH_DTYPES_NUMBER, PITH_OPTIONAL } };
static const pith_spelling spellings[] = {
    { "onnx", "", "Clip", 1, pithi_map_consumed_inputs },
    { "onnx", "", "Clip", 6, NULL },
    { "onnx", "", "Clip", 11, map_11 },
};
static const char *const samples[] = {
    "f32[2,3] | min=0 max=1.5", "f32[5,67] f32[]{-1} f32[]", "f32[3] - f32[1]{0.5}",
    "s32[4]{-3,0,7,200} s32[]{-1} s32[]{9}",
    "u8[4] u8[]{20} -", "f16[9] | min=-0.5", "f64[0,2]", "f32[4,9] f32[]{2} f32[]{-2}"
};

const pith_op pith_op_clip = {
    .head = { "clip", 1, PITH_ATTRS(attrs_table, clip_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_y_number, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = pithi_unary_prepare, .run = run,
    .as_activation = as_activation,
    .layout = PITH_LAYOUT_FREE,
    .to_source = to_source,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
