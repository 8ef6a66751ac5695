/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_qlinear_binary.h"

#include <math.h>

#include "ops/shared_copy.h"
#include "ops/shared_index.h"

const pith_attr_spec pithi_qlinear_binary_attrs_table[2] = { PITHI_LIMITS_ATTRS(
    pithi_qlinear_binary_attrs, limits) };

const pith_operand_spec pithi_qlinear_binary_inputs[8] = {
    { "a", PITH_DTYPES_8OR16, PITH_ONE },
    { "a_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "a_zero_point", PITH_DTYPES_8OR16, PITH_OPTIONAL },
    { "b", PITH_DTYPES_8OR16, PITH_ONE },
    { "b_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "b_zero_point", PITH_DTYPES_8OR16, PITH_OPTIONAL },
    { "y_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "y_zero_point", PITH_DTYPES_8OR16, PITH_OPTIONAL },
};
const pith_operand_spec pithi_qlinear_binary_outputs[1] = { { "y", PITH_DTYPES_8OR16, PITH_ONE } };

static const pith_tensor *zero_of(const pith_run *run, int index)
{
    return pithi_has_operand(run->inputs, run->n_inputs, index) ? &run->inputs[index] : NULL;
}

pithi_qlinear_binary pithi_qlinear_binary_of(const pith_run *run)
{
    const pithi_qlinear_binary_attrs *attrs = run->attrs;
    return (pithi_qlinear_binary){ .a = pithi_quant_pair_of(&run->inputs[1], zero_of(run, 2)),
                                   .b = pithi_quant_pair_of(&run->inputs[4], zero_of(run, 5)),
                                   .y = pithi_quant_pair_of(&run->inputs[6], zero_of(run, 7)),
                                   .limits =
                                       pithi_limits_in(&attrs->limits, run->outputs[0].dtype) };
}

/* The inputs' own dtypes may differ; without a zero point y has that of a. */
pith_status pithi_qlinear_binary_infer(pith_infer *infer)
{
    bool has_zero = pithi_has_operand(infer->inputs, infer->n_inputs, 7);
    const pith_tensor operands[] = { infer->inputs[0], infer->inputs[3] };
    pith_infer both = *infer;
    PITH_TRY(pithi_infer_quant_pair(infer, 1, infer->inputs[0].dtype));
    PITH_TRY(pithi_infer_quant_pair(infer, 4, infer->inputs[3].dtype));
    PITH_TRY(pithi_infer_quant_pair(infer, 6, PITH_DTYPE_NONE));
    both.inputs = operands;
    both.n_inputs = 2;
    infer->outputs[0].dtype = has_zero ? infer->inputs[7].dtype : infer->inputs[0].dtype;
    return pithi_infer_broadcast(&both, &infer->outputs[0].shape);
}

void pithi_qlinear_binary_ref(const pith_run *run,
                              float (*value)(const pithi_qlinear_binary *binary, int32_t a,
                                             int32_t b))
{
    pithi_qlinear_binary binary = pithi_qlinear_binary_of(run);
    const pith_tensor *a = &run->inputs[0], *b = &run->inputs[3];
    pith_tensor *y = &run->outputs[0];
    for (int64_t i = 0; i < pith_shape_elements(&y->shape); i++) {
        int64_t left = pithi_tensor_get_s64(a, pithi_broadcast_offset(&a->shape, &y->shape, i));
        int64_t right = pithi_tensor_get_s64(b, pithi_broadcast_offset(&b->shape, &y->shape, i));
        int64_t result =
            pithi_quantize((double)value(&binary, (int32_t)left, (int32_t)right), 0, y->dtype);
        pithi_tensor_set_s64(y, i, pithi_limit(&binary.limits, result));
    }
}

/* n numbers as floats; one of them for all where they don't move. */
static void load_operand(const pithi_qlinear_rows *state, int index, const void *from, int64_t at, bool is_product,
                         float *to, int64_t n)
{
    const pith_s16_type type = index ? state->b_type : state->a_type;
    const int32_t zero = is_product ? (index ? state->binary.b.zero : state->binary.a.zero) : 0;
    const bool moves = state->rows.inner_strides[index] != 0;
    const size_t item = pith_s16_bytes(type);
    state->wide->load((const char *)from + (moves ? (size_t)at * item : 0), type, zero, to, moves ? (size_t)n : 1);
    for (int64_t i = 1; i < n && !moves; i++) {
        to[i] = to[0];
    }
}

void pithi_qlinear_wide_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n, bool is_product,
                            const pith_s16_terms *terms)
{
    enum { CHUNK = 512 };
    const pithi_qlinear_rows *state = rows->user;
    const size_t item = pith_s16_bytes(state->finish.type);
    float a[CHUNK], b[CHUNK];
    for (int64_t at = 0; at < n; at += CHUNK) {
        const int64_t count = pithi_min_s64(n - at, CHUNK);
        load_operand(state, 0, operands[0], at, is_product, a, count);
        load_operand(state, 1, operands[1], at, is_product, b, count);
        (is_product ? state->wide->product : state->wide->sum)(a, b, terms, (size_t)count);
        state->wide->store(a, &state->finish, (char *)y + (size_t)at * item, (size_t)count);
    }
}

pith_qadd_s8_row pithi_qlinear_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)
{
    const pithi_qlinear_rows *state = rows->user;
    return (pith_qadd_s8_row){ .a = operands[0],
                               .b = operands[1],
                               .y = y,
                               .n = (size_t)n,
                               .a_step = (int)rows->inner_strides[0],
                               .b_step = (int)rows->inner_strides[1],
                               .a_flip = state->a_is_signed ? 0x80 : 0,
                               .b_flip = state->b_is_signed ? 0x80 : 0,
                               .a_base = state->a_is_signed ? -128 : 0,
                               .b_base = state->b_is_signed ? -128 : 0,
                               .low = (int32_t)state->binary.limits.low,
                               .high = (int32_t)state->binary.limits.high };
}

#define SIDE_BYTES 2048 /* of short rows that are worked on together */

/* Two dimensions, short rows, one operand the same in all of them: a factor for each channel. */
static void find_repeated(pithi_qlinear_rows *state)
{
    const pithi_rows *r = &state->rows;
    state->n_side = SIDE_BYTES / pithi_max_s64(r->row_length, 1);
    for (int k = 0; k < 2; k++) {
        if (r->rank == 2 && state->n_side > 1 && r->inner_strides[0] == 1 && r->inner_strides[1] == 1 &&
            r->strides[k][0] == 0 && r->strides[1 - k][0] == r->row_length) {
            state->repeated = k;
        }
    }
}

static void run_repeated(const pithi_qlinear_rows *state, const void *const *operands, void *y, const pith_part *part)
{
    const pithi_rows *rows = &state->rows;
    const int64_t length = rows->row_length, other = 1 - state->repeated;
    const void *from[2];
    int64_t begin, end;
    pithi_part_range(part, rows->n_rows, &begin, &end);
    pithi_fill_items(part->scratch, operands[state->repeated], length, pithi_min_s64(state->n_side, end - begin));
    for (int64_t row = begin; row < end; row += state->n_side) {
        from[state->repeated] = part->scratch;
        from[other] = (const char *)operands[other] + row * length;
        rows->row(rows, from, (char *)y + row * length, pithi_min_s64(state->n_side, end - row) * length);
    }
}

pith_status pithi_qlinear_binary_prepare(pith_prepare *prepare, pithi_row_fn *row)
{
    const pith_tensor operands[] = { prepare->inputs[0], prepare->inputs[3] };
    const pith_run run = { .attrs = prepare->attrs,
                           .inputs = prepare->inputs,
                           .n_inputs = prepare->n_inputs,
                           .outputs = (pith_tensor[]){ prepare->outputs[0] },
                           .n_outputs = 1 };
    const int64_t worthwhile = 16384;
    void *block = NULL;
    for (int i = 0; i < prepare->n_inputs; i++) {
        if (i != 0 && i != 3 && prepare->inputs[i].dtype != PITH_DTYPE_NONE &&
            !prepare->inputs[i].data) {
            return PITH_OK;
        }
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_qlinear_rows), &block));
    pithi_qlinear_rows *state = block;
    pithi_rows_init(&state->rows, operands, 2, &prepare->outputs[0]);
    state->binary = pithi_qlinear_binary_of(&run);
    state->kernel = pithi_qadd_s8(prepare->isa_limit);
    state->a_is_signed = operands[0].dtype == PITH_DTYPE_S8;
    state->b_is_signed = operands[1].dtype == PITH_DTYPE_S8;
    if (pithi_is_16bit(operands[0].dtype) || pithi_is_16bit(operands[1].dtype) ||
        pithi_is_16bit(prepare->outputs[0].dtype)) {
        state->wide = pithi_s16(prepare->isa_limit);
        state->a_type = pithi_s16_type(operands[0].dtype);
        state->b_type = pithi_s16_type(operands[1].dtype);
        state->finish = (pith_s16_finish){ 0, (int32_t)state->binary.limits.low, (int32_t)state->binary.limits.high,
                                           pithi_s16_type(prepare->outputs[0].dtype) };
    }
    state->rows.row = row;
    state->rows.user = state;
    state->repeated = -1;
    if (!state->wide) {
        find_repeated(state);
    }
    prepare->scratch_bytes = state->repeated >= 0 ? SIDE_BYTES : 0;
    int64_t n_elements = pith_shape_elements(&prepare->outputs[0].shape);
    int64_t n_units = state->rows.n_rows *
                      pithi_div_up(state->rows.row_length, pithi_max_s64(state->rows.chunk, 1));
    prepare->max_parts =
        (int)pithi_max_s64(1, pithi_min_s64(n_units, pithi_min_s64(n_elements / worthwhile, 1024)));
    prepare->state = state;
    prepare->kernel = state->wide ? state->wide->head.name : state->kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

void pithi_qlinear_binary_run(const pith_run *run, const pith_part *part)
{
    const pithi_qlinear_rows *state = run->state;
    const void *operands[] = { run->inputs[0].data, run->inputs[3].data };
    if (state->repeated >= 0) {
        run_repeated(state, operands, run->outputs[0].data, part);
    } else {
        pithi_rows_apply(&state->rows, operands, run->outputs[0].data, part);
    }
}

/* Both operands move, or one is a single element. */
bool pithi_qlinear_binary_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    const pith_value *a = node->inputs[0], *b = node->inputs[3];
    return a->shape.rank == b->shape.rank || pith_shape_elements(&b->shape) == 1;
}
