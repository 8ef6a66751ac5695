/* SPDX-License-Identifier: Apache-2.0 */
/* softmax(scale Q K^T + mask) V, written as nodes, becomes one attention, which never holds more than the scores of a
 * few rows. Transposes between [batch, rows, heads, size] and [batch, heads, rows, size] around it and keys that are
 * repeated for several heads (grouped queries) go into it. */
#include "passes/rewrite.h"

enum { Q, K, V, MASK, N_OPERANDS };

typedef struct found_attention {
    pith_node *last;       /* makes the result: the product with V, or the transpose behind it */
    pith_node *product;    /* with V */
    pith_value *operands[N_OPERANDS];
    const pith_node *chooser; /* where that puts a very low number in place of blinded scores, or NULL */
    int blind;                /* its operand that is that number */
    float scale;
    int64_t n_heads, n_key_heads;
    pith_shape shapes[MASK]; /* that Q, K and V shall be read in */
} found_attention;

/* ---- the nodes -------------------------------------------------------------------------------- */

/* A product of two known matrices without activation; `flags[i]`: operand i is transposed. */
static bool read_product(const pith_node *node, bool flags[2])
{
    const bool is_gemm = pithi_is(node, "gemm");
    if ((!is_gemm && !pithi_is(node, "matmul")) || !pithi_node_result(node) || !pithi_has_no_activation(node)) {
        return false;
    }
    flags[0] = pithi_attr_int(node, is_gemm ? "transA" : "trans_a") != 0;
    flags[1] = pithi_attr_int(node, is_gemm ? "transB" : "trans_b") != 0;
    for (int i = 0; i < 2; i++) {
        const pith_value *value = node->inputs[i];
        if (value->dtype != PITH_DTYPE_F32 || !pithi_value_has_dims(value) || value->shape.rank < 2 ||
            value->shape.rank > 4) {
            return false;
        }
    }
    return true;
}

/* What is added to the scores must be a mask for all keys, in as few dimensions as it likes. */
static bool is_mask(const pith_value *mask, pith_dtype dtype, const pith_shape *scores)
{
    if (!pithi_value_has_dims(mask) || mask->dtype != dtype || mask->shape.rank < 1 ||
        mask->shape.rank > scores->rank) {
        return false;
    }
    const int skipped = scores->rank - mask->shape.rank;
    bool fits = mask->shape.dims[mask->shape.rank - 1] == scores->dims[scores->rank - 1];
    for (int i = 0; i < mask->shape.rank; i++) {
        fits = fits && (mask->shape.dims[i] == 1 || mask->shape.dims[i] == scores->dims[i + skipped]);
    }
    return fits;
}

#define LOWEST (-1e30) /* so low that adding it to a score gives it itself */

static bool is_lowest(const pith_value *value)
{
    double number = 0.0;
    return value->constant && pithi_is_uniform(value->constant, &number) && number <= LOWEST;
}

/* Scores where a condition holds, or doesn't, and a very low number elsewhere: the same as adding zero or that. */
static pith_node *find_chosen(const pith_node *node, found_attention *found)
{
    for (int i = 1; i <= 2; i++) {
        const pith_value *scores = node->inputs[3 - i];
        if (is_lowest(node->inputs[i]) && scores->n_uses == 1 && pithi_value_has_dims(scores) &&
            pith_shape_equal(&scores->shape, &node->outputs[0]->shape) &&
            is_mask(node->inputs[0], PITH_DTYPE_BOOL, &scores->shape)) {
            found->chooser = node;
            found->blind = i;
            return scores->producer;
        }
    }
    return NULL;
}

/* From the scores' sum with a mask to their product; NULL if there is something else in between. */
static pith_node *find_scores(const pith_value *value, found_attention *found)
{
    pith_node *node = value->n_uses == 1 ? value->producer : NULL;
    if (pithi_is(node, "where") && pithi_value_has_dims(value)) {
        return find_chosen(node, found);
    }
    if (pithi_is(node, "add") && node->n_inputs == 2 && pithi_has_no_activation(node)) {
        for (int i = 0; i < 2; i++) {
            const pith_value *scores = node->inputs[i], *mask = node->inputs[1 - i];
            if (scores->n_uses == 1 && pithi_value_has_dims(scores) && is_mask(mask, PITH_DTYPE_F32, &scores->shape) &&
                (pithi_is(scores->producer, "matmul") || pithi_is(scores->producer, "gemm"))) {
                found->operands[MASK] = node->inputs[1 - i];
                return scores->producer;
            }
        }
        return NULL;
    }
    return node;
}

/* A bias or residual of the product of the scores is a mask too. */
static bool take_mask_of_product(const pith_node *node, found_attention *found)
{
    for (int i = 2; i < node->n_inputs; i++) {
        if (!node->inputs[i]) {
            continue;
        }
        if (found->operands[MASK] || found->chooser ||
            !is_mask(node->inputs[i], PITH_DTYPE_F32, &node->outputs[0]->shape) ||
            (i == 2 && pithi_attr_float(node, "beta") != 1.0f)) {
            return false;
        }
        found->operands[MASK] = node->inputs[i];
    }
    return true;
}

static bool has_same_batches(const pith_shape *a, const pith_shape *b)
{
    bool same = a->rank == b->rank;
    for (int i = 0; same && i + 2 < a->rank; i++) {
        same = a->dims[i] == b->dims[i];
    }
    return same;
}

static bool find_attention(pith_node *node, found_attention *found)
{
    bool flags[2];
    if (!read_product(node, flags) || flags[0] || flags[1] || pithi_attr_float(node, "alpha") != 1.0f ||
        pithi_node_input(node, 2) || pithi_node_input(node, 3)) {
        return false;
    }
    const pith_node *softmax = pithi_sole_producer(node->inputs[0], "softmax");
    if (!softmax || !pithi_value_has_dims(softmax->inputs[0]) || pithi_attr_int(softmax, "flatten")) {
        return false;
    }
    const int rank = softmax->inputs[0]->shape.rank;
    const int64_t axis = pithi_attr_int(softmax, "axis");
    pith_node *scores = find_scores(softmax->inputs[0], found);
    if ((axis != -1 && axis != rank - 1) || !scores || !read_product(scores, flags) || flags[0] || !flags[1] ||
        !take_mask_of_product(scores, found)) {
        return false;
    }
    found->product = found->last = node;
    found->operands[Q] = scores->inputs[0];
    found->operands[K] = scores->inputs[1];
    found->operands[V] = node->inputs[1];
    found->scale = pithi_attr_float(scores, "alpha");
    return found->scale != 0.0f && has_same_batches(&found->operands[Q]->shape, &found->operands[K]->shape) &&
           has_same_batches(&found->operands[Q]->shape, &found->operands[V]->shape);
}

/* ---- where operands lie ------------------------------------------------------------------------ */

/* [batch, heads, rows, size] of an operand of rank 2 to 4. */
static pith_shape with_heads(const pith_shape *shape)
{
    pith_shape full = { 4, { 1, 1, 1, 1 } };
    for (int i = 0; i < shape->rank; i++) {
        full.dims[4 - shape->rank + i] = shape->dims[i];
    }
    return full;
}

static bool swaps_heads_and_rows(const pith_node *transpose)
{
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    return pithi_is(transpose, "transpose") && pithi_node_result(transpose) &&
           pithi_transpose_perm(transpose, perm, &rank) && rank == 4 && perm[0] == 0 && perm[1] == 2 && perm[2] == 1 &&
           perm[3] == 3 && pithi_value_has_dims(transpose->inputs[0]);
}

/* Heads stand at `axis` of `value`: if each is one of fewer heads, repeated, what was repeated; else NULL. */
static pith_value *find_repeated(const pith_value *value, int axis, int64_t *n_out)
{
    const pith_node *reshape = value->producer;
    const pith_node *expand = pithi_is(reshape, "reshape") ? reshape->inputs[0]->producer : NULL;
    if (!pithi_is(expand, "expand") || !pithi_value_has_dims(expand->inputs[0]) ||
        !pithi_value_has_dims(expand->outputs[0]) || expand->inputs[0]->shape.rank != 5 || value->shape.rank != 4) {
        return NULL;
    }
    const pith_shape *from = &expand->inputs[0]->shape, *to = &expand->outputs[0]->shape;
    bool fits = to->rank == 5 && from->dims[axis + 1] == 1;
    for (int i = 0; i < 5 && fits; i++) {
        int64_t merged = i < axis ? value->shape.dims[i] : i > axis + 1 ? value->shape.dims[i - 1] : to->dims[i];
        fits = to->dims[i] == merged && (i == axis + 1 || from->dims[i] == to->dims[i]);
    }
    *n_out = from->dims[axis];
    return fits && value->shape.dims[axis] == to->dims[axis] * to->dims[axis + 1] ? expand->inputs[0] : NULL;
}

/* Keys and values that are repeated for several query heads alike. */
static void take_repeated(found_attention *found, int axis)
{
    int64_t n[N_OPERANDS] = { 0 };
    pith_value *k = find_repeated(found->operands[K], axis, &n[K]);
    pith_value *v = find_repeated(found->operands[V], axis, &n[V]);
    if (k && v && n[K] == n[V]) {
        found->operands[K] = k;
        found->operands[V] = v;
        found->n_key_heads = n[K];
        found->shapes[K].dims[axis] = found->shapes[V].dims[axis] = n[K];
    }
}

/* If transposes stand in front of all operands and behind the result, all lie as [batch, rows, heads * size]. */
static void take_transposes(const pith_graph *graph, found_attention *found)
{
    pith_node *behind = pithi_graph_only_consumer(graph, found->product->outputs[0]);
    bool all = swaps_heads_and_rows(behind);
    for (int i = Q; i <= V; i++) {
        all = all && found->operands[i]->shape.rank == 4 && swaps_heads_and_rows(found->operands[i]->producer);
    }
    if (!all) {
        take_repeated(found, 1);
        return;
    }
    found->last = behind;
    for (int i = Q; i <= V; i++) {
        found->operands[i] = found->operands[i]->producer->inputs[0];
        found->shapes[i] = found->operands[i]->shape;
    }
    take_repeated(found, 2);
    for (int i = Q; i <= V; i++) {
        int64_t *dims = found->shapes[i].dims;
        found->shapes[i] = (pith_shape){ 3, { dims[0], dims[1], dims[2] * dims[3] } };
    }
}

/* ---- the pass --------------------------------------------------------------------------------- */

static pith_status reshape_to(pith_graph *graph, pith_node *before, pith_value *value, const pith_shape *shape,
                              pith_value **value_out)
{
    pith_value *inputs[2] = { value };
    pith_node *node = NULL;
    *value_out = value;
    if (pith_shape_equal(&value->shape, shape)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_add_s64s(graph, shape->dims, shape->rank, &inputs[1]));
    PITH_TRY(pithi_insert(graph, before, "reshape", inputs, 2, &node));
    node->name = before->name;
    *value_out = node->outputs[0];
    return pithi_attr_set_int(graph->ctx, node, "allowzero", 1);
}

static pith_status set_attrs(pith_graph *graph, pith_node *node, const found_attention *found)
{
    PITH_TRY(pithi_attr_set_float(graph->ctx, node, "scale", found->scale));
    PITH_TRY(pithi_attr_set_int(graph->ctx, node, "nan_where_blind", 1));
    PITH_TRY(pithi_attr_set_int(graph->ctx, node, "q_num_heads", found->n_heads));
    return pithi_attr_set_int(graph->ctx, node, "kv_num_heads", found->n_key_heads);
}

/* The condition as what is to be added: on its own shape, which mostly is smaller than that of the scores. */
static pith_status make_mask(pith_graph *graph, found_attention *found)
{
    const pith_shape scalar = { 0 };
    pith_value *operands[3] = { found->chooser->inputs[0] };
    pith_node *mask = NULL;
    for (int i = 1; i <= 2; i++) {
        pith_tensor number;
        PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &scalar, &number, &operands[i]));
        *(float *)number.data =
            i == found->blind ? (float)pithi_tensor_get_f64(found->chooser->inputs[i]->constant, 0) : 0.0f;
    }
    PITH_TRY(pithi_insert(graph, found->product, "where", operands, 3, &mask));
    found->operands[MASK] = mask->outputs[0];
    mask->outputs[0]->dtype = PITH_DTYPE_F32;
    mask->outputs[0]->shape = operands[0]->shape;
    mask->outputs[0]->has_shape = true;
    return PITH_OK;
}

static pith_status replace(pith_graph *graph, found_attention *found)
{
    pith_node *attention = NULL;
    if (found->chooser) {
        PITH_TRY(make_mask(graph, found));
    }
    for (int i = Q; i <= V; i++) {
        PITH_TRY(reshape_to(graph, found->product, found->operands[i], &found->shapes[i], &found->operands[i]));
    }
    PITH_TRY(pithi_insert(graph, found->product, "attention", found->operands, found->operands[MASK] ? 4 : 3,
                          &attention));
    attention->name = found->product->name;
    PITH_TRY(set_attrs(graph, attention, found));
    return pithi_become_reshape(graph, found->last, attention->outputs[0], &found->last->outputs[0]->shape);
}

static pith_status visit(pith_graph *graph, pith_node *node, int *n_changes)
{
    found_attention found = { .scale = 1.0f };
    if (!find_attention(node, &found) || !pithi_value_has_dims(node->outputs[0])) {
        return PITH_OK;
    }
    for (int i = Q; i <= V; i++) {
        found.shapes[i] = with_heads(&found.operands[i]->shape);
    }
    found.n_heads = found.n_key_heads = found.shapes[Q].dims[1];
    take_transposes(graph, &found);
    if (found.n_heads < 1 || found.n_key_heads < 1) { /* nothing to compute, and attention wants heads */
        return PITH_OK;
    }
    ++*n_changes;
    return replace(graph, &found);
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    if (!pithi_op_find("attention")) {
        return PITH_OK;
    }
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        PITH_TRY(visit(graph, node, n_changes));
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_attention = {
    .name = "fuse_attention",
    .stages = PITH_STAGE_SHAPE,
    .help = "makes one attention of two products with softmax between them",
    .run = run,
};
