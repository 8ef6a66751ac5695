/* SPDX-License-Identifier: Apache-2.0 */
/* Products of matrices that exporters write in several ways: Gemm with weights of either order, MatMul and Add, 1x1
 * convolutions. Where the twin has another way for the same weights, the float network takes it, so both can be
 * compared node by node. */
#include "diagnose/diagnose.h"

#define SIMILAR 0.8 /* signs that agree; of unrelated weights half do */

typedef struct matrix {
    pith_node *node;
    pith_tensor weights;
    int64_t k, n;
    bool is_transposed; /* the weights are [n][k] */
    float *rows;        /* as [k][n] */
    bool is_taken;
} matrix;

static bool is_all(const pith_node *node, const char *attr, int64_t wanted)
{
    const pith_ints ints = pithi_attr_ints(node, attr);
    bool is_so = true;
    for (int i = 0; i < ints.n_items; i++) {
        is_so = is_so && ints.items[i] == wanted;
    }
    return is_so;
}

static bool is_pointwise(const pith_node *node, const pith_shape *w)
{
    return pithi_is(node, "conv") && w->rank == 4 && w->dims[2] == 1 && w->dims[3] == 1 && node->n_inputs <= 3 &&
           pithi_attr_int(node, "group") == 1 && is_all(node, "strides", 1) && is_all(node, "pads", 0);
}

static bool find_sizes(matrix *m)
{
    const pith_node *node = m->node;
    const pith_shape *w = &m->weights.shape;
    const bool is_gemm = pithi_is(node, "gemm") && w->rank == 2 && pithi_attr_int(node, "transA") == 0 &&
                         pithi_attr_float(node, "alpha") == 1.0f && pithi_attr_float(node, "beta") == 1.0f;
    const bool is_matmul = pithi_is(node, "matmul") && w->rank == 2 && pithi_attr_float(node, "alpha") == 1.0f;
    m->is_transposed = is_gemm ? pithi_attr_int(node, "transB") != 0 : !is_matmul;
    m->k = w->dims[m->is_transposed];
    m->n = w->dims[!m->is_transposed];
    return m->weights.dtype == PITH_DTYPE_F32 && (is_gemm || is_matmul || is_pointwise(node, w));
}

/* Products of the graph with constant weights. */
static pith_status list_products(pithi_arena *arena, pith_graph *graph, matrix **list_out, int *n_out)
{
    void *block = NULL, *rows = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)graph->n_nodes + 1, sizeof(matrix), &block));
    matrix *list = block;
    int n = 0;
    for (pith_node *node = graph->first; node; node = node->next) {
        const bool is_product = pithi_is(node, "gemm") || pithi_is(node, "matmul") || pithi_is(node, "conv");
        bool is_constant = false;
        matrix *m = &list[n];
        *m = (matrix){ .node = node };
        if (!is_product || !node->inputs[1]) {
            continue;
        }
        PITH_TRY(pithi_diag_constant(arena, node->inputs[1], &m->weights, &is_constant));
        if (!is_constant || !find_sizes(m)) {
            continue;
        }
        PITH_TRY(pithi_arena_array(arena, (size_t)(m->k * m->n) + 1, sizeof(float), &rows));
        m->rows = rows;
        const float *w = m->weights.data;
        for (int64_t i = 0; i < m->k * m->n; i++) {
            const int64_t k = i / m->n, column = i % m->n;
            m->rows[i] = w[m->is_transposed ? column * m->k + k : i];
        }
        n++;
    }
    *list_out = list;
    *n_out = n;
    return PITH_OK;
}

static bool is_alike(const matrix *a, const matrix *b)
{
    return a->k == b->k && a->n == b->n && pithi_diag_sign_agreement(a->rows, b->rows, a->k * a->n) > SIMILAR;
}

static bool is_written_alike(const matrix *a, const matrix *b)
{
    return a->node->op == b->node->op && a->is_transposed == b->is_transposed;
}

static pith_status new_weights(pith_graph *graph, const matrix *m, bool is_transposed, pith_value **value_out)
{
    const pith_shape shape = { .rank = 2, .dims = { is_transposed ? m->n : m->k, is_transposed ? m->k : m->n } };
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, value_out));
    for (int64_t i = 0; i < m->k * m->n; i++) {
        const int64_t k = i / m->n, column = i % m->n;
        ((float *)to.data)[is_transposed ? column * m->k + k : i] = m->rows[i];
    }
    return PITH_OK;
}

static pith_status put(pith_graph *graph, pith_node *before, const char *op, pith_value *a, pith_value *b,
                       pith_node **node_out)
{
    PITH_TRY(pithi_insert(graph, before, op, (pith_value *[]){ a, b }, b ? 2 : 1, node_out));
    (*node_out)->outputs[0]->dtype = PITH_DTYPE_F32;
    return PITH_OK;
}

/* `node` becomes the product of `x` and, where it has one, the bias behind it. */
static pith_status become_matmul(pith_graph *graph, pith_node *node, pith_value *x, pith_value *w)
{
    pith_value *bias = pithi_node_input(node, 2);
    pith_node *product = NULL;
    if (!bias) {
        return pithi_become(graph, node, "matmul", (pith_value *[]){ x, w }, 2);
    }
    PITH_TRY(put(graph, node, "matmul", x, w, &product));
    return pithi_become(graph, node, "add", (pith_value *[]){ product->outputs[0], bias }, 2);
}

/* Channels last around the product. */
static pith_status unfold_conv(pith_graph *graph, pith_node *node, pith_value *w)
{
    static const int64_t last[] = { 0, 2, 3, 1 }, first[] = { 0, 3, 1, 2 };
    pith_node *front = NULL, *product = NULL;
    pith_value *bias = pithi_node_input(node, 2);
    PITH_TRY(put(graph, node, "transpose", node->inputs[0], NULL, &front));
    PITH_TRY(pithi_attr_set_ints(&graph->arena, front, "perm", last, 4));
    PITH_TRY(put(graph, node, "matmul", front->outputs[0], w, &product));
    if (bias) {
        PITH_TRY(put(graph, node, "add", product->outputs[0], bias, &product));
    }
    PITH_TRY(pithi_become(graph, node, "transpose", &product->outputs[0], 1));
    return pithi_attr_set_ints(&graph->arena, node, "perm", first, 4);
}

/* A product of matrices of two axes, with the bias that an Add behind it adds if the twin has it inside. */
static pith_status become_gemm(pith_graph *graph, pith_node *node, const matrix *as, pith_value *w)
{
    pith_value *inputs[3] = { node->inputs[0], w, pithi_is(node, "gemm") ? pithi_node_input(node, 2) : NULL };
    pith_node *add = pithi_graph_only_consumer(graph, node->outputs[0]);
    const int side = add && add->inputs[0] == node->outputs[0] ? 1 : 0;
    const pith_tensor *row = pithi_is(add, "add") ? pithi_constant_input(add, side) : NULL;
    if (!inputs[2] && pithi_node_input(as->node, 2) && row && pith_shape_elements(&row->shape) == as->n) {
        inputs[2] = add->inputs[side];
        pithi_graph_remove_node(graph, node);
        node = add;
    }
    PITH_TRY(pithi_become(graph, node, "gemm", inputs, inputs[2] ? 3 : 2));
    return pithi_attr_set_int(graph->ctx, node, "transB", as->is_transposed);
}

static pith_status write_as(pith_graph *graph, const matrix *m, const matrix *as)
{
    pith_node *node = m->node;
    const pith_value *x = node->inputs[0];
    const bool is_plane = pithi_is(node, "gemm") || (pithi_is(node, "matmul") && x->has_shape && x->shape.rank == 2);
    pith_value *w = NULL;
    PITH_TRY(new_weights(graph, m, as->is_transposed, &w));
    if (pithi_is(as->node, "matmul")) {
        return pithi_is(node, "conv") ? unfold_conv(graph, node, w) : become_matmul(graph, node, node->inputs[0], w);
    }
    return pithi_is(as->node, "gemm") && is_plane ? become_gemm(graph, node, as, w) : PITH_OK;
}

static pith_status rearrange(pithi_diagnosis *job, pithi_arena *arena)
{
    matrix *floats = NULL, *twins = NULL;
    int n_floats = 0, n_twins = 0;
    PITH_TRY(list_products(arena, job->graph, &floats, &n_floats));
    PITH_TRY(list_products(arena, job->twin, &twins, &n_twins));
    for (int i = 0; i < n_floats; i++) {
        matrix *found = NULL;
        for (int k = 0; k < n_twins && !(found && is_written_alike(&floats[i], found)); k++) {
            if (!twins[k].is_taken && is_alike(&floats[i], &twins[k]) &&
                (!found || is_written_alike(&floats[i], &twins[k]))) {
                found = &twins[k];
            }
        }
        if (found) {
            found->is_taken = true;
        }
        if (found && !is_written_alike(&floats[i], found)) {
            PITH_TRY(write_as(job->graph, &floats[i], found));
        }
    }
    return PITH_OK;
}

pith_status pithi_diag_rearrange(pithi_diagnosis *job)
{
    pithi_arena arena = { .ctx = job->ctx };
    pith_status status = rearrange(job, &arena);
    pithi_arena_deinit(&arena);
    return status;
}
