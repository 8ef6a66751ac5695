/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_softmax: softmax along an axis from quantised to quantised. com.microsoft QLinearSoftmax,
 * with the arithmetic of ONNX Runtime: exponentials come from a table of 256, in units that keep
 * sums far from overflow,
 *
 *   e[i] = (float)exp((i - 255 + shift) x_scale),  shift = max(0, log((float)(FLT_MAX / n)) - 5) /
 * x_scale, in double
 *
 * read at i = 255 - (largest - x) and summed in float32 with the index rising; then in float32
 *
 *   y = saturate(round_half_even(e floor(1 / y_scale) / sum) + y_zero).
 *
 * The zero point of x has no influence. */
#include <float.h>
#include <math.h>

#include "kernels/quantize_f32.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_lookup.h"

typedef struct softmax_attrs {
    int64_t axis, opset;
} softmax_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(softmax_attrs, axis, "axis", -1),
    PITH_ATTR_INT(softmax_attrs, opset, "opset", 13),
};

/* Opsets below 13 flatten everything from the axis on. */
typedef struct softmax_lines {
    int64_t outer, n, inner;
} softmax_lines;

static softmax_lines lines_of(const softmax_attrs *attrs, const pith_shape *x)
{
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis);
    int last = attrs->opset < 13 ? x->rank : axis + 1;
    return (softmax_lines){ pithi_dims_product(x, 0, axis), pithi_dims_product(x, axis, last),
                            pithi_dims_product(x, last, x->rank) };
}

static void fill_table(float x_scale, int64_t n, float table[256])
{
    double room = log((double)(FLT_MAX / (float)n)) - 5.0;
    double shift = (room > 0.0 ? room : 0.0) / (double)x_scale;
    for (int i = 0; i < 256; i++) {
        table[i] = (float)exp(((double)i - 255.0 + shift) * (double)x_scale);
    }
}

static void one_line(const pith_run *run, int64_t first, const softmax_lines *lines,
                     const float *table, const pithi_quant_pair *to)
{
    const pith_tensor *x = &run->inputs[0];
    int64_t largest = INT64_MIN;
    float sum = 0.0f, factor = floorf(1.0f / to->scale);
    for (int64_t i = 0; i < lines->n; i++) {
        largest = pithi_max_s64(largest, pithi_tensor_get_s64(x, first + i * lines->inner));
    }
    for (int64_t i = 0; i < lines->n; i++) {
        sum += table[255 - (largest - pithi_tensor_get_s64(x, first + i * lines->inner))];
    }
    for (int64_t i = 0; i < lines->n; i++) {
        int64_t at = first + i * lines->inner;
        float value = table[255 - (largest - pithi_tensor_get_s64(x, at))] * factor / sum;
        pithi_tensor_set_s64(&run->outputs[0], at,
                             pithi_quantize((double)value, to->zero, run->outputs[0].dtype));
    }
}

static void ref(const pith_run *run)
{
    softmax_lines lines = lines_of(run->attrs, &run->inputs[0].shape);
    float table[256];
    pithi_quant_pair x, y;
    pithi_quant_unary_pairs(run, &x, &y);
    fill_table(x.scale, pithi_max_s64(lines.n, 1), table);
    for (int64_t i = 0; i < lines.outer * lines.inner && lines.n > 0; i++) {
        one_line(run, i / lines.inner * lines.n * lines.inner + i % lines.inner, &lines, table, &y);
    }
}

/* ---- run: lines next to each other, several at a time --------------------------------------- */

enum { SIDE = 4 }; /* lines whose sums, each in its order, hide each other's latency */

typedef struct softmax_state {
    softmax_lines lines;
    const pith_quantize_f32 *kernel;
    float table[256], scaled[256]; /* scaled: times floor(1 / y_scale) */
    int32_t zero;
    bool is_signed;
} softmax_state;

typedef uint8_t bytes __attribute__((vector_size(16)));

/* Largest byte of a line, read with `flip`. */
static uint8_t largest_of(const uint8_t *x, int64_t n, uint8_t flip)
{
    bytes best = { 0 }, next;
    uint8_t largest = 0;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        memcpy(&next, x + i, 16);
        next ^= flip;
        bytes is_larger = (bytes)(next > best);
        best = (next & is_larger) | (best & ~is_larger);
    }
    for (int k = 0; k < 16 && n >= 16; k++) {
        largest = best[k] > largest ? best[k] : largest;
    }
    for (; i < n; i++) {
        uint8_t number = x[i] ^ flip;
        largest = number > largest ? number : largest;
    }
    return largest;
}

/* Where each number's exponential lies in the table, whose last entry is that of a line's largest. */
static void find_entries(const uint8_t *x, int64_t n, uint8_t flip, uint8_t *at)
{
    const uint8_t shift = (uint8_t)(255 - largest_of(x, n, flip));
    bytes some;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        memcpy(&some, x + i, 16);
        some = (some ^ flip) + shift;
        memcpy(at + i, &some, 16);
    }
    for (; i < n; i++) {
        at[i] = (uint8_t)((x[i] ^ flip) + shift);
    }
}

/* Lines from x on; `values` has room for the numerators of all of them and, behind those, for as many bytes. */
static inline __attribute__((always_inline)) void run_lines(const softmax_state *s, const uint8_t *x, uint8_t *y,
                                                            float *values, const int n_lines)
{
    const int64_t n = s->lines.n;
    const uint8_t flip = s->is_signed ? 0x80 : 0;
    const float *restrict table = s->table, *restrict scaled = s->scaled;
    float *restrict numerators = values;
    uint8_t *restrict at = (uint8_t *)(values + n_lines * n);
    float sums[SIDE], running[SIDE] = { 0 }; /* `running` has no address, and thus stays in registers */
    for (int k = 0; k < n_lines; k++) {
        find_entries(x + k * n, n, flip, at + k * n);
    }
    for (int64_t i = 0; i < n; i++) {
#pragma GCC unroll 4
        for (int k = 0; k < n_lines; k++) {
            running[k] += table[at[k * n + i]];
            numerators[k * n + i] = scaled[at[k * n + i]];
        }
    }
    for (int k = 0; k < n_lines; k++) {
        sums[k] = running[k];
        if (s->is_signed) {
            s->kernel->quantize_s8(values + k * n, &sums[k], &(int8_t){ (int8_t)s->zero }, 0, (int8_t *)y + k * n, n);
        } else {
            s->kernel->quantize_u8(values + k * n, &sums[k], &(uint8_t){ (uint8_t)s->zero }, 0, y + k * n, n);
        }
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    const softmax_state *s = run->state;
    int64_t begin, end;
    pithi_part_range(part, pithi_div_up(s->lines.outer, SIDE), &begin, &end);
    for (int64_t i = begin * SIDE; i < end * SIDE && i < s->lines.outer; i += SIDE) {
        const uint8_t *x = (const uint8_t *)run->inputs[0].data + i * s->lines.n;
        uint8_t *y = (uint8_t *)run->outputs[0].data + i * s->lines.n;
        if (i + SIDE <= s->lines.outer) {
            run_lines(s, x, y, part->scratch, SIDE);
            continue;
        }
        for (int64_t k = 0; k < s->lines.outer - i; k++) {
            run_lines(s, x + k * s->lines.n, y + k * s->lines.n, part->scratch, 1);
        }
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    const pith_run run = { .inputs = prepare->inputs, .n_inputs = prepare->n_inputs };
    const softmax_lines lines = lines_of(prepare->attrs, &prepare->inputs[0].shape);
    const int64_t worthwhile = 8192, n_elements = pith_shape_elements(&prepare->inputs[0].shape);
    pithi_quant_pair x, y;
    void *block = NULL;
    for (int i = 1; i < prepare->n_inputs; i++) {
        if (prepare->inputs[i].dtype != PITH_DTYPE_NONE && !prepare->inputs[i].data) {
            return PITH_OK;
        }
    }
    if (lines.inner != 1 || n_elements == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(softmax_state), &block));
    softmax_state *s = block;
    pithi_quant_unary_pairs(&run, &x, &y);
    *s = (softmax_state){ .lines = lines, .kernel = pithi_quantize_f32(prepare->isa_limit), .zero = y.zero,
                          .is_signed = prepare->inputs[0].dtype == PITH_DTYPE_S8 };
    fill_table(x.scale, lines.n, s->table);
    for (int i = 0; i < 256; i++) {
        s->scaled[i] = s->table[i] * floorf(1.0f / y.scale);
    }
    prepare->state = s;
    prepare->use_run = true;
    prepare->scratch_bytes = (size_t)(SIDE * lines.n) * (sizeof(float) + 1);
    prepare->max_parts = (int)pithi_max_s64(
        pithi_min_s64(pithi_min_s64(n_elements / worthwhile, pithi_div_up(lines.outer, SIDE)), 1024), 1);
    prepare->kernel = "table_8";
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const softmax_attrs *attrs = infer->attrs;
    int axis = 0;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, infer->inputs[0].shape.rank, &axis));
    return pithi_quant_unary_infer(infer);
}

/* The axis was 1 by default before opset 13. */
static pith_status map_axis(pith_ctx *ctx, pith_source *source, void *attrs_out)
{
    (void)ctx;
    const pith_source_attr *axis = pithi_source_attr(source, "axis"),
                           *opset = pithi_source_attr(source, "opset");
    softmax_attrs *attrs = attrs_out;
    attrs->opset = opset ? opset->i : 13;
    attrs->axis = axis ? axis->i : attrs->opset < 13 ? 1 : -1;
    return PITH_OK;
}

/* Both are always written: ONNX Runtime wants the opset, and the axis has a default of its own in each version. */
static pith_status to_source(pith_ctx *ctx, const pith_node *node, pith_source *source)
{
    const softmax_attrs *attrs = node->attrs;
    (void)ctx;
    source->attrs[0] = (pith_source_attr){ .name = "axis", .kind = PITH_SOURCE_INT, .i = attrs->axis };
    source->attrs[1] = (pith_source_attr){ .name = "opset", .kind = PITH_SOURCE_INT, .i = attrs->opset };
    source->n_attrs = PITH_COUNT(attr_table);
    return PITH_OK;
}

static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearSoftmax", 1,
                                             map_axis } };
static const char *const samples[] = {
    "u8[3,70]{100:160} f32[]{0.05} u8[]{128} f32[]{0.00390625} u8[]{0}",
    "s8[2,5,7]{-128:128} f32[1]{0.1} - f32[]{0.00390625} s8[]{-128} | axis=1",
    "u8[2,5,7]{0:256} f32[1]{0.02} - f32[]{0.003} - | axis=1 opset=11",
    "s8[2,9,41]{-128:128} f32[1]{0.03} s8[]{3} f32[]{0.00390625} s8[]{-128}",
    "s8[0,3] f32[]{1} s8[]{1} f32[]{1} s8[]{1}",
};

const pith_op pith_op_qlinear_softmax = {
    .head = { "qlinear_softmax", 1, PITH_ATTRS(attr_table, softmax_attrs) },
    .inputs = pithi_quant_unary_inputs,
    .n_inputs = PITH_COUNT(pithi_quant_unary_inputs),
    .outputs = pithi_quant_unary_outputs,
    .n_outputs = PITH_COUNT(pithi_quant_unary_outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .to_source = to_source,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
