/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_binary.h"

#include "ops/shared_source.h"

#define AB(types) { { "a", (types), PITH_ONE }, { "b", (types), PITH_ONE } }
const pith_operand_spec pithi_ab_number[2] = AB(PITH_DTYPES_NUMBER);
const pith_operand_spec pithi_ab_float[2] = AB(PITH_DTYPES_FLOAT);
const pith_operand_spec pithi_ab_bool[2] = AB(PITH_DTYPES_BOOL);
const pith_operand_spec pithi_ab_integer[2] = AB(PITH_DTYPES_INTEGER);
const pith_operand_spec pithi_ab_any[2] = AB(PITH_DTYPES_ANY);

const pith_attr_spec pithi_binary_attrs_table[3] = { PITHI_ACTIVATION_ATTRS(pithi_binary_attrs, activation) };

/* ---- infer -------------------------------------------------------------------------------- */

pith_status pithi_infer_binary(pith_infer *infer)
{
    for (int i = 1; i < infer->n_inputs; i++) {
        PITH_CHECK(infer->ctx, infer->inputs[i].dtype == infer->inputs[0].dtype, PITH_STATUS_DTYPE,
                   "operands must have one dtype, but input 0 is %s and input %d is %s",
                   pith_dtype_name(infer->inputs[0].dtype), i, pith_dtype_name(infer->inputs[i].dtype));
    }
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return pithi_infer_broadcast(infer, &infer->outputs[0].shape);
}

pith_status pithi_infer_compare(pith_infer *infer)
{
    PITH_TRY(pithi_infer_binary(infer));
    infer->outputs[0].dtype = PITH_DTYPE_BOOL;
    return PITH_OK;
}

/* ---- reference ---------------------------------------------------------------------------- */

static bool is_unsigned(pith_dtype dtype)
{
    return dtype == PITH_DTYPE_U8 || dtype == PITH_DTYPE_U16 || dtype == PITH_DTYPE_U32 || dtype == PITH_DTYPE_U64;
}

static double element_f64(const pith_run *run, const pithi_binary_fns *fns, int64_t index)
{
    const pith_shape *to = &run->outputs[0].shape;
    double result = pithi_tensor_get_f64(&run->inputs[0], pithi_broadcast_offset(&run->inputs[0].shape, to, index));
    for (int k = 1; k < run->n_inputs; k++) {
        const pith_tensor *operand = &run->inputs[k];
        result = fns->f64(result, pithi_tensor_get_f64(operand, pithi_broadcast_offset(&operand->shape, to, index)));
    }
    return fns->is_mean ? result / run->n_inputs : result;
}

static int64_t element_s64(const pith_run *run, const pithi_binary_fns *fns, int64_t index)
{
    const pith_shape *to = &run->outputs[0].shape;
    const bool use_u64 = fns->u64 && is_unsigned(run->inputs[0].dtype);
    int64_t result = pithi_tensor_get_s64(&run->inputs[0], pithi_broadcast_offset(&run->inputs[0].shape, to, index));
    for (int k = 1; k < run->n_inputs; k++) {
        const pith_tensor *operand = &run->inputs[k];
        int64_t b = pithi_tensor_get_s64(operand, pithi_broadcast_offset(&operand->shape, to, index));
        result = use_u64 ? (int64_t)fns->u64((uint64_t)result, (uint64_t)b) : fns->s64(result, b);
    }
    return result;
}

static const pith_activation *fused_activation(const pith_op *op, const void *attrs)
{
    const void *field = op->fused_activation_plus_1 ? (const char *)attrs + op->fused_activation_plus_1 - 1 : NULL;
    const pith_activation *activation = field;
    return activation && activation->kind != PITH_VUNARY_NONE ? activation : NULL;
}

void pithi_binary_ref(const pith_run *run, const pithi_binary_fns *fns)
{
    pith_tensor *y = &run->outputs[0];
    const pith_activation *activation = fused_activation(run->node->op, run->attrs);
    const bool is_float = pithi_dtype_is_float(run->inputs[0].dtype);
    const int64_t n_elements = pith_shape_elements(&y->shape);
    for (int64_t i = 0; i < n_elements; i++) {
        if (!is_float) {
            pithi_tensor_set_s64(y, i, element_s64(run, fns, i));
        } else {
            double value = element_f64(run, fns, i);
            pithi_tensor_set_f64(y, i, activation ? pithi_activation_f64(activation, value) : value);
        }
    }
}

void pithi_fault_zero_divisor(const pith_run *run)
{
    const pith_tensor *b = &run->inputs[1];
    const int64_t n_elements = pithi_dtype_is_integer(b->dtype) ? pith_shape_elements(&b->shape) : 0;
    for (int64_t i = 0; i < n_elements; i++) {
        if (pithi_tensor_get_s64(b, i) == 0) {
            pithi_run_fault(run, "integer division by zero: element %lld of input 1", (long long)i);
            return;
        }
    }
}

/* ---- f32 by rows -------------------------------------------------------------------------- */

static void kernel_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)
{
    pith_vbinary_f32_fn *const *form = rows->user;
    (*form)(operands[0], operands[1], y, (size_t)n);
}

/* Two single values give one, repeated over the row (of more than one element only if other inputs of a variadic
 * operator broadcast). */
static void single_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)
{
    float *to = y;
    kernel_row(rows, operands, y, 1);
    for (int64_t i = 1; i < n; i++) {
        to[i] = to[0];
    }
}

static void set_kernel_row(pithi_rows *rows, const pith_vbinary_f32 *kernel, pith_vbinary kind)
{
    const bool is_vector_a = rows->inner_strides[0] != 0, is_vector_b = rows->inner_strides[1] != 0;
    const pith_vbinary_form mixed = is_vector_a ? PITH_VBINARY_VS : PITH_VBINARY_SV;
    const pith_vbinary_form form = is_vector_a == is_vector_b ? PITH_VBINARY_VV : mixed;
    rows->row = is_vector_a || is_vector_b ? kernel_row : single_row;
    rows->user = &kernel->functions[kind][form];
}

static void apply_activation(const pithi_rows *rows, void *y, int64_t n)
{
    pith_vunary_f32_fn *const *fn = rows->finish_user;
    (*fn)(y, y, (size_t)n, rows->finish_alpha, rows->finish_beta);
}

pith_status pithi_binary_prepare(pith_prepare *prepare, pith_vbinary kind)
{
    const pith_vbinary_f32 *kernel = pithi_vbinary_f32(prepare->isa_limit);
    const pith_vunary_f32 *unary = pithi_vunary_f32(prepare->isa_limit);
    const pith_activation *activation = fused_activation(prepare->node->op, prepare->attrs);
    pithi_rows *rows = NULL;
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32 || prepare->n_inputs != 2 ||
        (activation && !unary->functions[activation->kind])) {
        return PITH_OK;
    }
    PITH_TRY(pithi_rows_prepare(prepare, &rows));
    set_kernel_row(rows, kernel, kind);
    if (activation) {
        rows->finish = apply_activation;
        rows->finish_user = &unary->functions[activation->kind];
        rows->finish_alpha = activation->alpha;
        rows->finish_beta = activation->beta;
    }
    prepare->kernel = kernel->head.name;
    return PITH_OK;
}

typedef struct variadic_state {
    const pith_vbinary_f32 *kernel;
    pithi_rows steps[]; /* the first on inputs 0 and 1, then output 0 and input k */
} variadic_state;

static void scale(const pithi_rows *rows, void *y, int64_t n)
{
    const pith_vbinary_f32 *kernel = rows->finish_user;
    kernel->functions[PITH_VBINARY_MUL][PITH_VBINARY_VS](y, &rows->finish_alpha, y, (size_t)n);
}

pith_status pithi_variadic_prepare(pith_prepare *prepare, pith_vbinary kind, float factor)
{
    const int n_steps = prepare->n_inputs - 1;
    const int64_t n_elements = pith_shape_elements(&prepare->outputs[0].shape);
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32 || n_steps < 1) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(variadic_state) + (size_t)n_steps * sizeof(pithi_rows), &block));
    variadic_state *state = block;
    state->kernel = pithi_vbinary_f32(prepare->isa_limit);
    for (int k = 0; k < n_steps; k++) {
        const pith_tensor operands[2] = { k == 0 ? prepare->inputs[0] : prepare->outputs[0], prepare->inputs[k + 1] };
        pithi_rows_init(&state->steps[k], operands, 2, &prepare->outputs[0]);
        set_kernel_row(&state->steps[k], state->kernel, kind);
    }
    if (factor != 1.0f) {
        state->steps[n_steps - 1].finish = scale;
        state->steps[n_steps - 1].finish_user = state->kernel;
        state->steps[n_steps - 1].finish_alpha = factor;
    }
    prepare->state = state;
    prepare->n_phases = n_steps;
    prepare->max_parts = pithi_element_parts(n_elements);
    prepare->kernel = state->kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

void pithi_variadic_run(const pith_run *run, const pith_part *part)
{
    const variadic_state *state = run->state;
    void *y = run->outputs[0].data;
    const void *operands[2] = { part->phase == 0 ? run->inputs[0].data : y, run->inputs[part->phase + 1].data };
    pithi_rows_apply(&state->steps[part->phase], operands, y, part);
}

pith_status pithi_row_prepare(pith_prepare *prepare, pithi_row_fn *row)
{
    pithi_rows *rows = NULL;
    if (!row) {
        return PITH_OK;
    }
    PITH_TRY(pithi_rows_prepare(prepare, &rows));
    rows->row = row;
    return PITH_OK;
}

/* ---- spellings ---------------------------------------------------------------------------- */

/* b gets so many dimensions of 1 at its end that its first one meets dimension `axis` of a; ranks are looked up when
 * the shapes are known. */
static pith_status align_by_nodes(pith_source *source, pith_value *a, pith_value **b, int64_t axis)
{
    pith_status status = PITH_OK;
    pith_graph *graph = source->graph;
    pith_value *b_shape = pithi_source_put(graph, &status, "shape", b, 1), *a_shape, *count;
    if (axis < 0) {
        count = pithi_source_put_s64(graph, &status, -axis);
    } else {
        a_shape = pithi_source_put(graph, &status, "shape", &a, 1);
        pith_value *operands[] = { pithi_source_put(graph, &status, "shape", &a_shape, 1),
                                   pithi_source_put_s64(graph, &status, axis) };
        count = pithi_source_put(graph, &status, "sub", operands, 2);
    }
    pith_value *ranks[] = { count, pithi_source_put(graph, &status, "shape", &b_shape, 1) };
    pith_value *ones[] = { pithi_source_put_s64(graph, &status, 1), pithi_source_put(graph, &status, "sub", ranks, 2) };
    pith_value *parts[] = { b_shape, pithi_source_put(graph, &status, "expand", ones, 2) };
    pith_value *operands[] = { *b, pithi_source_put(graph, &status, "concat", parts, 2) };
    *b = pithi_source_put(graph, &status, "reshape", operands, 2);
    return status;
}

pith_status pithi_source_align_input(pith_ctx *ctx, pith_source *source, int index, int64_t axis)
{
    pith_value *a = source->inputs[0];
    const pith_value *b = source->inputs[index];
    PITH_CHECK(ctx, a && b, PITH_STATUS_FORMAT, "input 0 or %d of %s is missing", index, source->type);
    PITH_CHECK(ctx, axis >= -PITH_MAX_RANK && axis <= PITH_MAX_RANK, PITH_STATUS_SHAPE,
               "axis %lld of %s is outside -%d to %d", (long long)axis, source->type, PITH_MAX_RANK, PITH_MAX_RANK);
    bool is_known = (a->has_shape || a->constant) && b->constant;
    if (!is_known) {
        return align_by_nodes(source, a, &source->inputs[index], axis);
    }
    int a_rank = a->constant ? a->constant->shape.rank : a->shape.rank;
    pith_tensor tensor = *b->constant;
    axis += axis < 0 ? a_rank : 0;
    PITH_CHECK(ctx, axis >= 0 && axis + tensor.shape.rank <= a_rank, PITH_STATUS_SHAPE,
               "axis %lld and rank %d of input %d don't fit into rank %d of input 0", (long long)axis,
               tensor.shape.rank, index, a_rank);
    while (axis + tensor.shape.rank < a_rank) {
        tensor.shape.dims[tensor.shape.rank++] = 1;
    }
    return pithi_graph_add_constant(source->graph, NULL, &tensor, &source->inputs[index]);
}

pith_status pithi_map_legacy_broadcast(pith_ctx *ctx, pith_source *source, void *attrs)
{
    PITH_TRY(pithi_map_consumed_inputs(ctx, source, attrs));
    const pith_source_attr *broadcast = pithi_source_attr(source, "broadcast");
    const pith_source_attr *axis = pithi_source_attr(source, "axis");
    PITH_CHECK(ctx, source->n_inputs == 2, PITH_STATUS_FORMAT, "%s has %d inputs, not 2", source->type,
               source->n_inputs);
    if (broadcast && broadcast->i && axis) {
        PITH_TRY(pithi_source_align_input(ctx, source, 1, axis->i));
    }
    return PITH_OK;
}
