/* SPDX-License-Identifier: Apache-2.0 */
/* gather_nbits: slices of weights of few bits along `axis`, as floats: gather(dequantize_linear(w)), of which only what
 * is picked is computed. w may be bytes of packed codes, whose last dimension then counts codes. Made by recipes of
 * com.microsoft GatherBlockQuantized, and by pass fuse_nbits. */
#include "kernels/quantize_f32.h"
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_quant.h"

typedef struct gather_nbits_attrs {
    int64_t axis, quantize_axis, block_size, bits;
} gather_nbits_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(gather_nbits_attrs, axis, "axis", 0),
    PITH_ATTR_INT(gather_nbits_attrs, quantize_axis, "quantize_axis", 1),
    PITH_ATTR_INT(gather_nbits_attrs, block_size, "block_size", 0),
    PITH_ATTR_INT(gather_nbits_attrs, bits, "bits", 8), /* of w where it is u8 */
};

enum { W, INDICES, SCALE, ZERO };

/* Weights and zero points as the codes that they hold. */
typedef struct operands {
    pith_tensor w, zero; /* zero.dtype NONE: absent, default_zero instead */
    const pith_tensor *scale;
    double default_zero;
    int axis;
} operands;

static bool view_codes(pith_tensor *tensor, int64_t bits)
{
    const int last = tensor->shape.rank - 1;
    tensor->dtype = bits == 2 ? PITH_DTYPE_U2 : bits == 4 ? PITH_DTYPE_U4 : PITH_DTYPE_U8;
    return last >= 0 && !__builtin_mul_overflow(tensor->shape.dims[last], 8 / bits, &tensor->shape.dims[last]);
}

static bool read_operands(const gather_nbits_attrs *attrs, const pith_tensor *inputs, int n_inputs, operands *out)
{
    operands o = { .w = inputs[W], .scale = &inputs[SCALE] };
    const int64_t axis = attrs->axis < 0 ? attrs->axis + o.w.shape.rank : attrs->axis;
    const bool is_packed = o.w.dtype == PITH_DTYPE_U8 && attrs->bits != 8;
    o.axis = (int)axis;
    if (pithi_has_operand(inputs, n_inputs, ZERO)) {
        o.zero = inputs[ZERO];
    } else if (o.w.dtype == PITH_DTYPE_U8 && attrs->block_size > 0) {
        o.default_zero = (double)(1 << (attrs->bits - 1));
    }
    bool fits = axis >= 0 && axis < o.w.shape.rank && (!is_packed || axis < o.w.shape.rank - 1);
    fits = fits && (!is_packed || view_codes(&o.w, attrs->bits));
    *out = o;
    return fits && (!is_packed || !o.zero.dtype || view_codes(&out->zero, attrs->bits));
}

/* Elements [first, first + n) of w, in order. */
static void dequantize(const operands *o, const pithi_quant_rows *rows, int64_t first, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = pithi_quant_scale_at(rows, first + i);
        const double zero = o->zero.dtype ? pithi_tensor_get_f64(&o->zero, k) : o->default_zero;
        y[i] = (float)(pithi_tensor_get_f64(&o->w, first + i) - zero) * (float)pithi_tensor_get_f64(o->scale, k);
    }
}

/* Slices [begin, end), counted over what lies in front of the axis and the indices. */
static void gather(const pith_run *run, int64_t begin, int64_t end)
{
    const gather_nbits_attrs *attrs = run->attrs;
    const pith_tensor *indices = &run->inputs[INDICES];
    pith_tensor *y = &run->outputs[0];
    operands o;
    if (!read_operands(attrs, run->inputs, run->n_inputs, &o)) {
        return; /* infer has checked it */
    }
    const pithi_quant_rows rows = pithi_quant_rows_make(&o.w.shape, &o.scale->shape, attrs->quantize_axis,
                                                        attrs->block_size);
    const int64_t bound = o.w.shape.dims[o.axis], n_indices = pith_shape_elements(&indices->shape);
    const int64_t length = pithi_dims_product(&o.w.shape, o.axis + 1, o.w.shape.rank);
    for (int64_t i = begin; i < end && length > 0; i++) {
        const int64_t index = pithi_run_index(run, indices, i % n_indices, bound);
        const int64_t first = (i / n_indices * bound + index) * length;
        float some[64];
        for (int64_t k = 0; k < length; k += PITH_COUNT(some)) {
            const int64_t n = pithi_min_s64(length - k, PITH_COUNT(some));
            dequantize(&o, &rows, first + k, some, n);
            for (int64_t j = 0; j < n && y->dtype != PITH_DTYPE_F32; j++) {
                pithi_tensor_set_f64(y, i * length + k + j, (double)some[j]);
            }
            if (y->dtype == PITH_DTYPE_F32) {
                memcpy((float *)y->data + i * length + k, some, (size_t)n * sizeof(float));
            }
        }
    }
}

static int64_t count_slices(const gather_nbits_attrs *attrs, const pith_tensor *inputs)
{
    const int rank = inputs[W].shape.rank, axis = (int)(attrs->axis < 0 ? attrs->axis + rank : attrs->axis);
    return pithi_dims_product(&inputs[W].shape, 0, axis) * pith_shape_elements(&inputs[INDICES].shape);
}

static void ref(const pith_run *run) { gather(run, 0, count_slices(run->attrs, run->inputs)); }

static void run_part(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_range(part, count_slices(run->attrs, run->inputs), &begin, &end);
    gather(run, begin, end);
}

static pith_status prepare(pith_prepare *prepare)
{
    const gather_nbits_attrs *attrs = prepare->attrs;
    prepare->use_run = true;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(count_slices(attrs, prepare->inputs), 64), 1);
    prepare->kernel = "gather_nbits";
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const gather_nbits_attrs *attrs = infer->attrs;
    const pith_shape *indices = &infer->inputs[INDICES].shape;
    pith_shape *y = &infer->outputs[0].shape;
    operands o;
    PITH_CHECK(infer->ctx, attrs->bits == 2 || attrs->bits == 4 || attrs->bits == 8, PITH_STATUS_UNSUPPORTED,
               "weights of %lld bits; pith unpacks 2, 4 and 8", (long long)attrs->bits);
    PITH_CHECK(infer->ctx, read_operands(attrs, infer->inputs, infer->n_inputs, &o), PITH_STATUS_SHAPE,
               "axis %lld is none of the weights', or packed bytes lie along it", (long long)attrs->axis);
    pith_tensor quantised[] = { o.w, *o.scale, o.zero };
    pith_infer check = { .ctx = infer->ctx, .node = infer->node, .inputs = quantised };
    check.n_inputs = o.zero.dtype ? 3 : 2;
    PITH_TRY(pithi_infer_quant(&check, 1, attrs->quantize_axis, attrs->block_size, false));
    PITH_CHECK(infer->ctx, o.w.shape.rank + indices->rank - 1 <= PITH_MAX_RANK, PITH_STATUS_UNSUPPORTED,
               "the result has rank %d, pith handles up to %d", o.w.shape.rank + indices->rank - 1, PITH_MAX_RANK);
    PITH_CHECK(infer->ctx, o.w.shape.dims[o.axis] > 0 || pith_shape_elements(indices) == 0, PITH_STATUS_SHAPE,
               "axis %d has size 0, so no index is valid", o.axis);
    y->rank = 0;
    for (int i = 0; i < o.w.shape.rank; i++) {
        for (int k = 0; k < (i == o.axis ? indices->rank : 1); k++) {
            y->dims[y->rank++] = i == o.axis ? indices->dims[k] : o.w.shape.dims[i];
        }
    }
    infer->outputs[0].dtype = infer->inputs[SCALE].dtype;
    return PITH_OK;
}

#define DTYPES (PITH_DTYPES_8BIT | PITH_DTYPES_S4U4 | PITH_DTYPES_S2U2 | PITH_DTYPES_F8)
static const pith_operand_spec inputs[] = {
    { "w", DTYPES, PITH_ONE },
    { "indices", PITH_DTYPES_INDEX, PITH_ONE },
    { "scale", PITH_DTYPES_FLOAT, PITH_ONE },
    { "zero_point", DTYPES, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "pith", "GatherNBits", 1, NULL } };
static const char *const samples[] = {
    "u8[5,8]{0:256} s64[2,2]{1,4,0,-1} f32[5,2] u8[5,1]{0:256} | bits=4 block_size=8",
    "u8[5,70]{0:256} s64[3]{0:5} f32[5,5] | bits=8 block_size=14",
    "s4[7,6]{-8:8} s32[4]{0:7} f32[7] | quantize_axis=0",
    "s8[3,5,2]{-9:9} s64[2]{0,4} f32[3,5,2] s8[3,5,2]{-9:9} | axis=1 quantize_axis=2 block_size=1",
    "u2[4,9]{0:4} s64[]{2} f16[]{0.5}",
};

const pith_op pith_op_gather_nbits = {
    .head = { "gather_nbits", 1, PITH_ATTRS(attr_table, gather_nbits_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
