/* SPDX-License-Identifier: Apache-2.0 */
/* Products with packed weights: operands, inference, reference; shared_nbits_run.c has the fast path. */
#include "ops/shared_nbits.h"

#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_quant.h"
#include "ops/shared_unary.h"

static const char *const forms[] = { "bytes", "kn", "nk", NULL };
const pith_attr_spec pithi_nbits_attr_table[10] = {
    PITH_ATTR_CHOICE(pithi_nbits_attrs, form, "form", PITHI_NBITS_BYTES, forms),
    PITH_ATTR_INT(pithi_nbits_attrs, bits, "bits", 4),
    PITH_ATTR_INT(pithi_nbits_attrs, k, "K", 0),
    PITH_ATTR_INT(pithi_nbits_attrs, n, "N", 0),
    PITH_ATTR_INT(pithi_nbits_attrs, block_size, "block_size", 0),
    PITH_ATTR_INT(pithi_nbits_attrs, accuracy_level, "accuracy_level", 0),
    PITH_ATTR_OWN_INT(pithi_nbits_attrs, channels_last, "channels_last", 0),
    PITHI_ACTIVATION_ATTRS(pithi_nbits_attrs, activation),
};

#define WEIGHT_DTYPES                                                                                                \
    (PITH_DTYPES_8BIT | PITH_DTYPES_S4U4 | PITH_DTYPES_S2U2 | PITH_DTYPES(PITH_DTYPE_F16) |                          \
     PITH_DTYPES(PITH_DTYPE_BF16) | PITH_DTYPES(PITH_DTYPE_F8E4M3FN) | PITH_DTYPES(PITH_DTYPE_F8E5M2))
const pith_operand_spec pithi_nbits_inputs[PITHI_NBITS_INPUTS] = {
    { "a", PITH_DTYPES_FLOAT, PITH_ONE },
    { "w", WEIGHT_DTYPES, PITH_ONE },
    { "bias", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "residual", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "scale", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "zero_point", WEIGHT_DTYPES | PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "group_index", PITH_DTYPES(PITH_DTYPE_S32), PITH_OPTIONAL },
    { "table", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
};
const pith_operand_spec pithi_nbits_outputs[1] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };

/* ---- operands ----------------------------------------------------------------------------- */

static pith_tensor operand(const pith_tensor *inputs, int n_inputs, int index)
{
    return pithi_has_operand(inputs, n_inputs, index) ? inputs[index] : (pith_tensor){ 0 };
}

/* Bytes as the codes that they hold. */
static bool view_codes(pith_tensor *tensor, int64_t bits)
{
    const pith_dtype dtype = bits == 2 ? PITH_DTYPE_U2 : bits == 4 ? PITH_DTYPE_U4 : PITH_DTYPE_U8;
    int64_t n = pith_shape_elements(&tensor->shape);
    tensor->dtype = dtype;
    tensor->shape = (pith_shape){ 1, { 0 } };
    return !__builtin_mul_overflow(n, 8 / bits, &tensor->shape.dims[0]);
}

static pith_status read_bytes(pith_ctx *ctx, const pithi_nbits_attrs *attrs, pithi_nbits_weights *w)
{
    const int64_t bits = attrs->bits, block = attrs->block_size;
    PITH_CHECK(ctx, bits == 2 || bits == 4 || bits == 8, PITH_STATUS_UNSUPPORTED,
               "weights of %lld bits; pith computes with 2, 4 and 8", (long long)bits);
    PITH_CHECK(ctx, attrs->k > 0 && attrs->n > 0 && block > 0 && block * bits % 8 == 0, PITH_STATUS_ARG,
               "K %lld, N %lld, block_size %lld: they must be positive, and blocks whole bytes", (long long)attrs->k,
               (long long)attrs->n, (long long)block);
    PITH_CHECK(ctx, w->codes.dtype == PITH_DTYPE_U8 && w->scale.dtype, PITH_STATUS_DTYPE,
               "packed weights must be u8 and have scales");
    PITH_CHECK(ctx, view_codes(&w->codes, bits), PITH_STATUS_SHAPE, "there are too many weights");
    w->n = attrs->n;
    w->k = attrs->k;
    w->n_groups = pithi_div_up(w->k, block);
    w->k_step = 1;
    w->default_zero = (int64_t)1 << (bits - 1);
    int64_t needed = 0, given = w->codes.shape.dims[0];
    bool fits = !__builtin_mul_overflow(w->n_groups, block, &w->n_step) &&
                !__builtin_mul_overflow(w->n_step, w->n, &needed) && needed == given;
    PITH_CHECK(ctx, fits, PITH_STATUS_SHAPE, "B has %lld weights, which N %lld, K %lld and block_size %lld don't make",
               (long long)given, (long long)w->n, (long long)w->k, (long long)block);
    w->scale_n = w->zero_n = w->n_groups;
    w->scale_g = w->zero_g = 1;
    if (w->zero.dtype == PITH_DTYPE_U8) {
        w->zero_n = pithi_div_up(w->n_groups * bits, 8) * (8 / bits);
        PITH_CHECK(ctx, view_codes(&w->zero, bits), PITH_STATUS_SHAPE, "there are too many zero points");
    }
    return PITH_OK;
}

static pith_status read_matrix(pith_ctx *ctx, const pithi_nbits_attrs *attrs, pithi_nbits_weights *w)
{
    const bool is_nk = attrs->form == PITHI_NBITS_NK;
    const pith_shape *shape = &w->codes.shape;
    const int64_t count = shape->rank >= 2 ? shape->dims[0] * shape->dims[1] : -1;
    PITH_CHECK(ctx, count == pith_shape_elements(shape) && (is_nk || shape->rank == 2), PITH_STATUS_SHAPE,
               "the weights must be a matrix");
    PITH_CHECK(ctx, attrs->block_size >= 0, PITH_STATUS_ARG, "block_size is %lld", (long long)attrs->block_size);
    w->n = shape->dims[is_nk ? 0 : 1];
    w->k = shape->dims[is_nk ? 1 : 0];
    w->n_step = is_nk ? w->k : 1;
    w->k_step = is_nk ? 1 : w->n;
    w->n_groups = attrs->block_size ? pithi_div_up(w->k, attrs->block_size) : 1;
    const bool is_single = pith_shape_elements(&w->scale.shape) == 1 && !attrs->block_size;
    w->scale_n = is_single ? 0 : is_nk ? w->n_groups : 1;
    w->scale_g = attrs->block_size ? (is_nk ? 1 : w->n) : 0;
    w->zero_n = w->scale_n;
    w->zero_g = w->scale_g;
    return PITH_OK;
}

static pith_status check_lists(pith_ctx *ctx, const pithi_nbits_weights *w)
{
    const int64_t n_scales = pith_shape_elements(&w->scale.shape), n_zeros = pith_shape_elements(&w->zero.shape);
    const int64_t wanted = w->scale_n || w->scale_g ? w->n * w->n_groups : 1;
    PITH_CHECK(ctx, !w->scale.dtype || n_scales == wanted, PITH_STATUS_SHAPE, "there are %lld scales for %lld groups",
               (long long)n_scales, (long long)wanted);
    PITH_CHECK(ctx, !w->zero.dtype || n_zeros == (w->zero_n == w->scale_n ? wanted : w->n * w->zero_n),
               PITH_STATUS_SHAPE, "there are %lld zero points for %lld groups", (long long)n_zeros, (long long)wanted);
    PITH_CHECK(ctx, !w->zero.dtype || w->zero.dtype == w->codes.dtype || pithi_dtype_is_float(w->zero.dtype),
               PITH_STATUS_DTYPE, "zero points are %s, but weights %s", pith_dtype_name(w->zero.dtype),
               pith_dtype_name(w->codes.dtype));
    PITH_CHECK(ctx, !w->group || pith_shape_elements(&w->group->shape) == w->k, PITH_STATUS_SHAPE,
               "the list of groups must have %lld elements", (long long)w->k);
    const int64_t n_codes = (int64_t)1 << pith_dtype_bits(w->codes.dtype);
    PITH_CHECK(ctx, !w->table || (pith_shape_elements(&w->table->shape) <= 256 &&
                                  pith_shape_elements(&w->table->shape) > 0 && n_codes <= 256),
               PITH_STATUS_SHAPE, "a table of weights must have 1 to 256 elements");
    return PITH_OK;
}

pith_status pithi_nbits_weights_of(pith_ctx *ctx, const pithi_nbits_attrs *attrs, const pith_tensor *inputs,
                                   int n_inputs, int64_t k, pithi_nbits_weights *weights_out)
{
    pithi_nbits_weights w = { .codes = inputs[PITHI_NBITS_W], .scale = operand(inputs, n_inputs, PITHI_NBITS_SCALE),
                              .zero = operand(inputs, n_inputs, PITHI_NBITS_ZERO) };
    if (pithi_has_operand(inputs, n_inputs, PITHI_NBITS_GROUP)) {
        w.group = &inputs[PITHI_NBITS_GROUP];
    }
    if (pithi_has_operand(inputs, n_inputs, PITHI_NBITS_TABLE)) {
        w.table = &inputs[PITHI_NBITS_TABLE];
    }
    if (attrs->form == PITHI_NBITS_BYTES) {
        PITH_TRY(read_bytes(ctx, attrs, &w));
    } else {
        PITH_TRY(read_matrix(ctx, attrs, &w));
    }
    w.block = w.n_groups > 1 || attrs->block_size ? attrs->block_size : pithi_max_s64(w.k, 1);
    PITH_CHECK(ctx, k < 0 || k == w.k, PITH_STATUS_SHAPE, "a has %lld columns, the weights have %lld rows",
               (long long)k, (long long)w.k);
    PITH_TRY(check_lists(ctx, &w));
    *weights_out = w;
    return PITH_OK;
}

/* A list of groups that names one which isn't there is met by the nearest that is. */
int64_t pithi_nbits_group(const pithi_nbits_weights *weights, int64_t k)
{
    const int64_t group = weights->group ? pithi_tensor_get_s64(weights->group, k) : k / weights->block;
    return pithi_max_s64(pithi_min_s64(group, weights->n_groups - 1), 0);
}

float pithi_nbits_value(const pithi_nbits_weights *w, int64_t n, int64_t k)
{
    const int64_t at = n * w->n_step + k * w->k_step, g = pithi_nbits_group(w, k);
    double value = 0.0, zero = (double)w->default_zero;
    if (w->table) {
        const int64_t last = pith_shape_elements(&w->table->shape) - 1;
        value = pithi_tensor_get_f64(w->table, pithi_min_s64(pithi_tensor_get_s64(&w->codes, at), last));
    } else {
        value = pithi_tensor_get_f64(&w->codes, at);
    }
    if (w->zero.dtype) {
        zero = pithi_tensor_get_f64(&w->zero, n * w->zero_n + g * w->zero_g);
    }
    const float scale = w->scale.dtype ? (float)pithi_tensor_get_f64(&w->scale, n * w->scale_n + g * w->scale_g) : 1.0f;
    return (float)(value - zero) * scale;
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status check_added(const pith_infer *infer, int64_t n)
{
    const int n_inputs = infer->n_inputs;
    const pith_tensor bias = operand(infer->inputs, n_inputs, PITHI_NBITS_BIAS);
    const pith_tensor residual = operand(infer->inputs, n_inputs, PITHI_NBITS_RESIDUAL);
    PITH_CHECK(infer->ctx, !bias.dtype || pith_shape_elements(&bias.shape) == n, PITH_STATUS_SHAPE,
               "the bias must have %lld elements", (long long)n);
    PITH_CHECK(infer->ctx, !residual.dtype || pith_shape_equal(&residual.shape, &infer->outputs[0].shape),
               PITH_STATUS_SHAPE, "the residual must have the shape of the result");
    return PITH_OK;
}

pith_status pithi_nbits_infer(pith_infer *infer, bool is_conv)
{
    const pithi_nbits_attrs *attrs = infer->attrs;
    pith_shape shape = infer->inputs[PITHI_NBITS_A].shape;
    pithi_nbits_weights weights;
    PITH_CHECK(infer->ctx, shape.rank >= (is_conv ? 3 : 1), PITH_STATUS_SHAPE, "a has rank %d", shape.rank);
    const int axis = is_conv && !attrs->channels_last ? 1 : shape.rank - 1;
    PITH_TRY(pithi_nbits_weights_of(infer->ctx, attrs, infer->inputs, infer->n_inputs, shape.dims[axis], &weights));
    shape.dims[axis] = weights.n;
    infer->outputs[0].dtype = infer->inputs[PITHI_NBITS_A].dtype;
    infer->outputs[0].shape = shape;
    return check_added(infer, weights.n);
}

void pithi_nbits_cost(const pith_infer *infer, pith_cost *cost)
{
    pithi_nbits_weights weights;
    if (pithi_nbits_weights_of(NULL, infer->attrs, infer->inputs, infer->n_inputs, -1, &weights) == PITH_OK) {
        cost->macs = (uint64_t)pith_shape_elements(&infer->outputs[0].shape) * (uint64_t)weights.k;
    }
}

/* ---- reference ---------------------------------------------------------------------------- */

void pithi_nbits_ref(const pith_run *run, bool is_conv)
{
    const pithi_nbits_attrs *attrs = run->attrs;
    const pith_tensor *a = &run->inputs[PITHI_NBITS_A];
    pith_tensor *y = &run->outputs[0];
    pithi_nbits_weights w;
    if (pithi_nbits_weights_of(NULL, attrs, run->inputs, run->n_inputs, -1, &w) != PITH_OK) {
        return; /* infer has checked it */
    }
    /* Elements of a row (a pixel) are `step` apart. */
    const int64_t step = is_conv && !attrs->channels_last ? pithi_dims_product(&a->shape, 2, a->shape.rank) : 1;
    const bool has_bias = pithi_has_operand(run->inputs, run->n_inputs, PITHI_NBITS_BIAS);
    const bool has_residual = pithi_has_operand(run->inputs, run->n_inputs, PITHI_NBITS_RESIDUAL);
    for (int64_t i = 0; i < pith_shape_elements(&y->shape); i++) {
        const int64_t n = i / step % w.n, row = i / step / w.n * w.k * step + i % step;
        double sum = has_bias ? pithi_tensor_get_f64(&run->inputs[PITHI_NBITS_BIAS], n) : 0.0;
        for (int64_t k = 0; k < w.k; k++) {
            sum += pithi_tensor_get_f64(a, row + k * step) * (double)pithi_nbits_value(&w, n, k);
        }
        sum += has_residual ? pithi_tensor_get_f64(&run->inputs[PITHI_NBITS_RESIDUAL], i) : 0.0;
        pithi_tensor_set_f64(y, i, pithi_activation_f64(&attrs->activation, sum));
    }
}
