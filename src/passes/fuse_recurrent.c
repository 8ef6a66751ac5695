/* SPDX-License-Identifier: Apache-2.0 */
/* rnn, gru and lstm whose W and R both come from dequantize_linear of constant bytes with the zero point 0 (or 128, of
 * unsigned ones) and scales for all, for each row of a gate, or for each row of each direction (blocks as long as the
 * row): they read the bytes, and multiply in integers (ops/shared_s8_rows.h). Transposed weights, too. */
#include "passes/rewrite.h"

enum { IN_X, IN_W, IN_R, IN_W_SCALE = 8 }; /* inputs of the operators */

typedef struct stored {
    const pith_tensor *codes, *scale;
    pith_value *value; /* of the codes, if they can stay as they are */
    int64_t zero, n_k, n, k_step, n_step, scale_step, direction_scales;
} stored;

static bool reads_zero(const pith_node *node, pith_dtype dtype, int64_t *zero_out)
{
    const pith_value *value = pithi_node_input(node, 2);
    double zero = 0.0;
    if (value && (!value->constant || !pithi_is_uniform(value->constant, &zero))) {
        return false;
    }
    *zero_out = (int64_t)zero;
    return dtype == PITH_DTYPE_S8 ? *zero_out == 0 : dtype == PITH_DTYPE_U8 && *zero_out == 128;
}

/* One scale, one for each of n rows, or one for each row of each direction. */
static bool reads_scales(const pith_node *dq, int n_axis, stored *s)
{
    const int64_t block = pithi_attr_int(dq, "block_size"), given = pithi_attr_int(dq, "axis");
    const int axis = (int)(given < 0 ? given + 3 : given);
    const int64_t n_scales = pith_shape_elements(&s->scale->shape), n_directions = s->codes->shape.dims[0];
    s->scale_step = n_scales > 1 || s->n == 1;
    s->direction_scales = block ? s->n : 0;
    if (block) {
        return axis == 3 - n_axis && block >= s->n_k && s->scale->shape.rank == 3 && n_scales == n_directions * s->n;
    }
    return n_scales == 1 || (axis == n_axis && n_scales == s->n);
}

static bool read_stored(const pith_value *value, stored *out)
{
    const pith_node *node = value ? value->producer : NULL;
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    const bool is_transposed = pithi_is(node, "transpose") && pithi_transpose_perm(node, perm, &rank) && rank == 3 &&
                               perm[0] == 0 && perm[1] == 2;
    node = is_transposed ? node->inputs[0]->producer : node;
    const pith_tensor *codes = pithi_is(node, "dequantize_linear") ? pithi_constant_input(node, 0) : NULL;
    const pith_tensor *scale = codes ? pithi_constant_input(node, 1) : NULL;
    stored s = { .codes = codes, .scale = scale };
    if (!scale || codes->shape.rank != 3 || scale->dtype != PITH_DTYPE_F32 ||
        pithi_attr_int(node, "output_dtype") || !reads_zero(node, codes->dtype, &s.zero)) {
        return false;
    }
    const int n_axis = is_transposed ? 2 : 1;
    s.n = codes->shape.dims[n_axis];
    s.n_k = codes->shape.dims[3 - n_axis];
    s.n_step = is_transposed ? 1 : s.n_k;
    s.k_step = is_transposed ? s.n : 1;
    s.value = is_transposed || s.zero ? NULL : node->inputs[0];
    *out = s;
    return s.n > 0 && s.n_k > 0 && reads_scales(node, n_axis, out);
}

/* Bytes [directions, n, n_k] and scales [directions, n]. */
static pith_status make_operands(pith_graph *graph, stored *s, pith_value **scale_out)
{
    const int64_t n_directions = s->codes->shape.dims[0];
    const pith_shape shape = { 3, { n_directions, s->n, s->n_k } }, lists = { 2, { n_directions, s->n } };
    pith_tensor to, scales;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &lists, &scales, scale_out));
    for (int64_t i = 0; i < n_directions * s->n; i++) {
        const int64_t at = i / s->n * s->direction_scales + i % s->n * s->scale_step;
        ((float *)scales.data)[i] = ((const float *)s->scale->data)[at];
    }
    if (s->value) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S8, &shape, &to, &s->value));
    for (int64_t i = 0; i < n_directions * s->n * s->n_k; i++) {
        const int64_t row = i / s->n_k, direction = row / s->n;
        const int64_t at = direction * s->n * s->n_k + row % s->n * s->n_step + i % s->n_k * s->k_step;
        ((int8_t *)to.data)[i] = (int8_t)(pithi_tensor_get_s64(s->codes, at) - s->zero);
    }
    return PITH_OK;
}

static pith_status fuse(pith_graph *graph, pith_node *node, int *n_changes)
{
    const pith_value *x = pithi_node_input(node, IN_X);
    stored weights[2];
    if (!x || (x->dtype != PITH_DTYPE_F32 && x->dtype != PITH_DTYPE_NONE) ||
        !read_stored(pithi_node_input(node, IN_W), &weights[0]) ||
        !read_stored(pithi_node_input(node, IN_R), &weights[1])) {
        return PITH_OK;
    }
    PITH_TRY(pithi_node_resize_inputs(graph, node, IN_W_SCALE + 2));
    for (int i = 0; i < 2; i++) {
        pith_value *scale = NULL;
        PITH_TRY(make_operands(graph, &weights[i], &scale));
        pithi_set_input(node, IN_W + i, weights[i].value);
        pithi_set_input(node, IN_W_SCALE + i, scale);
    }
    (*n_changes)++;
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    bool is_inferred = false;
    for (pith_node *node = graph->first; node; node = node->next) {
        if (!pithi_is(node, "lstm") && !pithi_is(node, "gru") && !pithi_is(node, "rnn")) {
            continue;
        }
        if (!is_inferred) { /* dtypes; scales that are reshaped in the graph */
            PITH_TRY(pithi_graph_infer(graph));
            pithi_graph_count_uses(graph);
            is_inferred = true;
        }
        PITH_TRY_AT(graph->ctx, fuse(graph, node, n_changes), "node '%s'", node->name);
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_recurrent = {
    .name = "fuse_recurrent", .stages = PITH_STAGE_MODEL,
    .help = "recurrent operators multiply with 8-bit weights in integers", .run = run,
};
