/* SPDX-License-Identifier: Apache-2.0 */
/* Products with constant weights that are stored in few bits read them as they are: matmul, gemm and 1x1 convolutions
 * behind dequantize_linear (one scale, one per output channel or in blocks along the sum), behind a cast of small
 * floats, or behind a lookup of codes in a table (a palette) become matmul_nbits and conv_nbits, gather of
 * dequantize_linear becomes gather_nbits. Small weights are better off as floats, and are folded. */
#include "passes/fuse_nbits.h"

#define MIN_PACKED ((int64_t)4096)     /* weights of at most 4 bits */
#define MIN_BYTES ((int64_t)65536)     /* of 8 bits: as floats they are 256 KiB */
#define MIN_HALVES ((int64_t)1 << 20)  /* as floats they are 4 MiB, beyond L2 */

/* Weights as a file stores them. */
typedef struct stored {
    pith_value *codes, *scale, *zero, *table; /* NULL: absent */
    int64_t axis, block;                      /* of scales that are a list */
    bool is_transposed;
} stored;

static const pith_tensor *constant_of(const pith_value *value) { return value ? value->constant : NULL; }

/* Where dtypes aren't known yet, those of the weights stand for all: operands have one dtype. */
static bool may_be_f32(const pith_node *node)
{
    const pith_value *result = pithi_node_result(node);
    return result && (result->dtype == PITH_DTYPE_F32 || result->dtype == PITH_DTYPE_NONE);
}

static bool read_dequantize(const pith_node *node, stored *out)
{
    const pith_tensor *scale = pithi_constant_input(node, 1);
    pith_value *zero = pithi_node_input(node, 2);
    const int64_t *output = pithi_attr_field(node, "output_dtype", PITH_ATTR_KIND_INT);
    const bool is_wide = scale && (scale->dtype == PITH_DTYPE_F32 || (output && *output == 1));
    if (!is_wide || !pithi_constant_input(node, 0) || (zero && !zero->constant)) {
        return false;
    }
    *out = (stored){ .codes = node->inputs[0], .scale = node->inputs[1], .zero = zero,
                     .axis = pithi_attr_int(node, "axis"), .block = pithi_attr_int(node, "block_size") };
    return true;
}

static bool read_palette(const pith_node *node, stored *out)
{
    const pith_tensor *table = pithi_constant_input(node, 0);
    const pith_node *cast = pithi_node_input(node, 1) ? node->inputs[1]->producer : NULL;
    const pith_tensor *codes = pithi_is(cast, "cast") ? pithi_constant_input(cast, 0) : NULL;
    if (!table || table->dtype != PITH_DTYPE_F32 || table->shape.rank != 1 || pithi_attr_int(node, "axis") > 0 ||
        !codes || !(PITH_DTYPES(codes->dtype) & (PITH_DTYPES(PITH_DTYPE_U2) | PITH_DTYPES(PITH_DTYPE_U4) |
                                                 PITH_DTYPES(PITH_DTYPE_U8)))) {
        return false;
    }
    for (int64_t i = 0; i < pith_shape_elements(&codes->shape); i++) { /* an index beyond the table is a fault */
        if (pithi_tensor_get_s64(codes, i) >= table->shape.dims[0]) {
            return false;
        }
    }
    *out = (stored){ .codes = cast->inputs[0], .table = node->inputs[0] };
    return true;
}

static bool swaps_axes(const pith_node *node)
{
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    return pithi_is(node, "transpose") && pithi_transpose_perm(node, perm, &rank) && rank == 2 && perm[0] == 1;
}

static bool read_untransposed(const pith_node *node, stored *out)
{
    if (pithi_is(node, "dequantize_linear")) {
        return read_dequantize(node, out);
    }
    if (pithi_is_cast_to_f32(node) && pithi_constant_input(node, 0)) {
        *out = (stored){ .codes = node->inputs[0] };
        return !pithi_dtype_is_integer(node->inputs[0]->constant->dtype);
    }
    return pithi_is(node, "gather") && read_palette(node, out);
}

static bool read_stored(const pith_value *value, stored *out)
{
    const pith_node *node = value ? value->producer : NULL;
    bool is_transposed = false;
    while (swaps_axes(node)) {
        is_transposed = !is_transposed;
        node = node->inputs[0]->producer;
    }
    if (!read_untransposed(node, out)) {
        return false;
    }
    out->is_transposed = out->is_transposed != is_transposed;
    return true;
}

/* ---- what is worth it ----------------------------------------------------------------------- */

static bool is_half(pith_dtype dtype) { return dtype == PITH_DTYPE_F16 || dtype == PITH_DTYPE_BF16; }

static bool is_worth(const pith_tensor *codes)
{
    const int64_t n = pith_shape_elements(&codes->shape);
    const unsigned bits = pith_dtype_bits(codes->dtype);
    return n >= (bits <= 4 ? MIN_PACKED : bits == 8 ? MIN_BYTES : MIN_HALVES);
}

bool pithi_nbits_keeps_halves(const pith_node *node, int index)
{
    const pith_tensor *weights = index == 1 ? pithi_constant_input(node, 1) : NULL;
    const bool is_product = (pithi_is(node, "matmul") && !pithi_attr_int(node, "trans_a")) ||
                            (pithi_is(node, "gemm") && !pithi_attr_int(node, "transA") && !pithi_node_input(node, 2));
    return is_product && weights && weights->shape.rank == 2 && is_half(weights->dtype) && is_worth(weights) &&
           pithi_attr_float(node, "alpha") == 1.0f;
}

static bool is_supported(pith_dtype dtype)
{
    const pith_op *op = pithi_op_find("matmul_nbits");
    return op && (op->inputs[1].dtypes & PITH_DTYPES(dtype));
}

/* The scales fit [n, k] (or [k, n]) weights: one, one per output channel, or blocks along k. */
static bool fits(const stored *s, int out_axis, int rank)
{
    const pith_tensor *codes = s->codes->constant, *scale = constant_of(s->scale);
    const int64_t axis = s->axis < 0 ? s->axis + rank : s->axis;
    if (codes->shape.rank != rank || !is_supported(codes->dtype) || !is_worth(codes)) {
        return false;
    }
    if (s->block > 0) {
        return axis == 1 - out_axis && scale->shape.rank == rank;
    }
    return !scale || pith_shape_elements(&scale->shape) == 1 ||
           (axis == out_axis && pith_shape_elements(&scale->shape) == codes->shape.dims[out_axis]);
}

/* ---- rewriting ------------------------------------------------------------------------------ */

/* c is one row for all rows of the product, or absent. */
static bool bias_fits(const pith_value *bias, int64_t n)
{
    return !bias || (pithi_value_has_dims(bias) && bias->dtype == PITH_DTYPE_F32 &&
                     pith_shape_elements(&bias->shape) == n && (n > 1 || bias->shape.rank <= 1) &&
                     (bias->shape.rank == 0 || bias->shape.dims[bias->shape.rank - 1] == n));
}

static pith_status become(pith_graph *graph, pith_node *node, const char *op_name, const stored *s, pith_value *bias,
                          pith_value *residual, bool is_nk)
{
    pith_value *inputs[] = { node->inputs[0], s->codes, bias, residual, s->scale, s->zero, NULL, s->table };
    const pith_activation *from = pithi_activation_of(node);
    const pith_activation activation = from ? *from : (pith_activation){ 0 };
    PITH_TRY(pithi_become(graph, node, op_name, inputs, PITH_COUNT(inputs)));
    int64_t *form = pithi_attr_field(node, "form", PITH_ATTR_KIND_CHOICE);
    PITH_CHECK(graph->ctx, form, PITH_STATUS_INTERNAL, "%s has no attribute 'form'", op_name);
    *form = is_nk ? 2 : 1;
    pith_activation *to = pithi_activation_of(node);
    if (to) {
        *to = activation;
    }
    return s->block ? pithi_attr_set_int(graph->ctx, node, "block_size", s->block) : PITH_OK;
}

static pith_status fuse_product(pith_graph *graph, pith_node *node, bool *changed)
{
    const bool is_gemm = pithi_is(node, "gemm");
    pith_value *bias = pithi_node_input(node, 2);
    stored s;
    if (pithi_attr_int(node, is_gemm ? "transA" : "trans_a") || pithi_attr_float(node, "alpha") != 1.0f ||
        (bias && pithi_attr_float(node, "beta") != 1.0f) || !read_stored(node->inputs[1], &s) || !may_be_f32(node)) {
        return PITH_OK;
    }
    const bool is_nk = s.is_transposed != (pithi_attr_int(node, is_gemm ? "transB" : "trans_b") != 0);
    const int out_axis = is_nk ? 0 : 1;
    if (!fits(&s, out_axis, 2) || !bias_fits(bias, s.codes->constant->shape.dims[out_axis])) {
        return PITH_OK;
    }
    *changed = true;
    return become(graph, node, "matmul_nbits", &s, bias, pithi_node_input(node, 3), is_nk);
}

static bool are_all(pith_ints list, int64_t wanted)
{
    for (int i = 0; i < list.n_items; i++) {
        if (list.items[i] != wanted) {
            return false;
        }
    }
    return true;
}

static pith_status fuse_conv(pith_graph *graph, pith_node *node, bool *changed)
{
    stored s;
    const bool is_plain = pithi_attr_int(node, "group") == 1 && are_all(pithi_attr_ints(node, "strides"), 1) &&
                          are_all(pithi_attr_ints(node, "pads"), 0) && !pithi_attr_int(node, "channels_last") &&
                          !pithi_node_input(node, 4);
    if (!is_plain || !read_stored(node->inputs[1], &s) || s.is_transposed || !may_be_f32(node)) {
        return PITH_OK;
    }
    const pith_shape *w = &s.codes->constant->shape;
    if (w->rank < 3 || pith_shape_elements(w) != w->dims[0] * w->dims[1] || !fits(&s, 0, w->rank) ||
        !bias_fits(pithi_node_input(node, 2), w->dims[0])) {
        return PITH_OK;
    }
    *changed = true;
    return become(graph, node, "conv_nbits", &s, pithi_node_input(node, 2), pithi_node_input(node, 3), true);
}

/* Rows of a table that the file keeps quantised. */
static pith_status fuse_gather(pith_graph *graph, pith_node *node, bool *changed)
{
    stored s;
    const pith_node *dq = node->inputs[0] ? node->inputs[0]->producer : NULL;
    const pith_op *op = pithi_op_find("gather_nbits");
    if (!pithi_is(dq, "dequantize_linear") || !read_dequantize(dq, &s) || !op ||
        s.scale->constant->dtype != PITH_DTYPE_F32 ||
        !(op->inputs[0].dtypes & PITH_DTYPES(s.codes->constant->dtype)) || !is_worth(s.codes->constant) ||
        (s.codes->constant->dtype == PITH_DTYPE_U8 && s.block > 0 && !s.zero)) {
        return PITH_OK;
    }
    const int64_t axis = pithi_attr_int(node, "axis");
    pith_value *inputs[] = { s.codes, node->inputs[1], s.scale, s.zero };
    PITH_TRY(pithi_become(graph, node, "gather_nbits", inputs, PITH_COUNT(inputs)));
    PITH_TRY(pithi_attr_set_int(graph->ctx, node, "axis", axis));
    PITH_TRY(pithi_attr_set_int(graph->ctx, node, "quantize_axis", s.axis));
    *changed = true;
    return pithi_attr_set_int(graph->ctx, node, "block_size", s.block);
}

static pith_status fuse(pith_graph *graph, pith_node *node, bool *changed)
{
    if (pithi_is(node, "matmul") || pithi_is(node, "gemm")) {
        return fuse_product(graph, node, changed);
    }
    if (pithi_is(node, "conv")) {
        return fuse_conv(graph, node, changed);
    }
    return pithi_is(node, "gather") ? fuse_gather(graph, node, changed) : PITH_OK;
}

static bool has_stored(const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (pithi_is(node, "dequantize_linear") || pithi_is(node, "cast")) {
            return true;
        }
    }
    return false;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    if (!has_stored(graph)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_infer(graph));
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        bool changed = false;
        PITH_TRY_AT(graph->ctx, fuse(graph, node, &changed), "node '%s'", node->name);
        *n_changes += changed;
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_nbits = {
    .name = "fuse_nbits", .stages = PITH_STAGE_MODEL,
    .help = "products and lookups read weights of few bits as they are stored", .run = run,
};
