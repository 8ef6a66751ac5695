/* SPDX-License-Identifier: Apache-2.0 */
/* AWQ's factors brought into the network: products of matrices share theirs with all that read the same value, and what
 * makes it (or a mul in front of them) divides; those of convolutions go through the chain to the layer in front, which
 * takes the division into its weights. */
#include "quant/chains.h"
#include "quant/moments.h"

/* An input of a node that is a constant per channel of what has k of them, the last dimension. */
static bool is_row(const pith_node *node, int input, int64_t k)
{
    const pith_tensor *c = pithi_constant_input(node, input);
    return c && c->dtype == PITH_DTYPE_F32 && c->shape.rank > 0 && c->shape.dims[c->shape.rank - 1] == k &&
           pith_shape_elements(&c->shape) == k;
}

/* The constant operand of a mul that is a factor per channel of its result. */
static int factor_operand(const pith_node *node, int64_t k)
{
    for (int i = 0; pithi_is(node, "mul") && i < 2; i++) {
        if (is_row(node, i, k)) {
            return i;
        }
    }
    return -1;
}

static pith_status scaled_constant(pith_graph *graph, const pith_tensor *from, const float *factors, bool divides,
                                   pith_value **value_out)
{
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &from->shape, &to, value_out));
    for (int64_t i = 0; i < pith_shape_elements(&from->shape); i++) {
        const float x = ((const float *)from->data)[i];
        ((float *)to.data)[i] = divides ? x / factors[i] : x * factors[i];
    }
    return PITH_OK;
}

/* What makes the products' input divides it by the factors, or a mul in front of them does. */
static pith_status divide_input(pithi_quant *quant, pithi_moments *const *products, int n, const float *factors)
{
    pith_graph *graph = quant->graph;
    pith_value *x = products[0]->node->inputs[0], *constant = NULL, *bias = NULL;
    pith_node *maker = x->producer;
    const int64_t k = products[0]->k;
    const int operand = maker ? factor_operand(maker, k) : -1;
    const bool is_norm = pithi_is(maker, "layer_normalization") && is_row(maker, 1, k) &&
                         (!pithi_node_input(maker, 2) || is_row(maker, 2, k));
    if (x->n_uses == n && operand >= 0) {
        PITH_TRY(scaled_constant(graph, maker->inputs[operand]->constant, factors, true, &constant));
        pithi_set_input(maker, operand, constant);
        return PITH_OK;
    }
    if (x->n_uses == n && is_norm && maker->outputs[0] == x) {
        PITH_TRY(scaled_constant(graph, maker->inputs[1]->constant, factors, true, &constant));
        pithi_set_input(maker, 1, constant);
        if (pithi_node_input(maker, 2)) {
            PITH_TRY(scaled_constant(graph, maker->inputs[2]->constant, factors, true, &bias));
            pithi_set_input(maker, 2, bias);
        }
        return PITH_OK;
    }
    const pith_shape shape = { 1, { k } };
    pith_tensor to;
    pith_node *mul = NULL;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, &constant));
    for (int64_t i = 0; i < k; i++) {
        ((float *)to.data)[i] = 1.0f / factors[i];
    }
    PITH_TRY(pithi_insert(graph, products[0]->node, "mul", (pith_value *[]){ x, constant }, 2, &mul));
    mul->name = "";
    mul->outputs[0]->dtype = x->dtype;
    mul->outputs[0]->has_shape = x->has_shape;
    mul->outputs[0]->shape = x->shape;
    for (int i = 0; i < n; i++) {
        pithi_set_input(products[i]->node, 0, mul->outputs[0]);
    }
    return PITH_OK;
}

/* The inputs are divided by the factors. */
static void divide_moments(pithi_moments *p, const float *factors)
{
    for (int64_t i = 0; i < p->k * p->k; i++) {
        p->h[i] /= (double)factors[i / p->k] * (double)factors[i % p->k];
    }
}

static pith_status multiply_weights(pithi_quant *quant, pithi_moments *p, const float *factors)
{
    pith_value *value = NULL;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(quant->graph, NULL, PITH_DTYPE_F32, &p->weights.tensor->shape, &to, &value));
    for (int64_t i = 0; i < p->n_rows * p->k; i++) {
        const int64_t at = pithi_moments_place(p, i / p->k, i % p->k);
        ((float *)to.data)[at] = ((const float *)p->weights.tensor->data)[at] * factors[i % p->k];
    }
    pithi_set_input(p->node, 1, value);
    p->weights.tensor = value->constant;
    divide_moments(p, factors);
    return PITH_OK;
}

/* Products of matrices that read the same value are scaled together. */
static pith_status scale_together(pithi_quant *quant, pithi_moments *const *products, int n,
                                  const pithi_weight_format *format)
{
    pithi_arena arena = { .ctx = quant->ctx };
    pith_status status = PITH_OK;
    void *matrices = NULL, *factors = NULL;
    double alpha = 0.0;
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)n, sizeof(pithi_nbits_matrix), &matrices), done);
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)products[0]->k, sizeof(float), &factors), done);
    for (int i = 0; i < n; i++) {
        PITH_TRY_GOTO(pithi_moments_matrix(products[i], format, 0, &arena, (pithi_nbits_matrix *)matrices + i), done);
    }
    PITH_TRY_GOTO(pithi_awq_scale(quant->ctx, matrices, n, products[0]->h, products[0]->magnitudes, factors, &alpha),
                  done);
    if (alpha > 0.0) {
        PITH_TRY_GOTO(divide_input(quant, products, n, factors), done);
        for (int i = 0; i < n; i++) {
            PITH_TRY_GOTO(multiply_weights(quant, products[i], factors), done);
        }
    }
done:
    pithi_arena_deinit(&arena);
    return status;
}

/* ---- convolutions -------------------------------------------------------------------------- */

/* The products that read a chain's channels; 0 unless all of them are convolutions without groups, with moments. */
static int find_readers(const pithi_chain *chain, pithi_moments *all, int n, pithi_moments *readers[])
{
    int count = 0;
    for (int i = 0; i < chain->n_consumers; i++) {
        pithi_moments *found = NULL;
        for (int j = 0; j < n && !found; j++) {
            found = all[j].node == chain->consumers[i].node ? &all[j] : NULL;
        }
        if (!found || !found->h || found->groups != 1 || !pithi_is(found->node, "conv") ||
            found->k != chain->n_channels * found->window ||
            (count > 0 && found->k != readers[0]->k)) {
            return 0;
        }
        readers[count++] = found;
    }
    return count;
}

/* One factor for all of a channel's positions. */
static pith_status scale_chain(pithi_quant *quant, const pithi_chain *chain, pithi_moments *const *readers, int n,
                               const pithi_weight_format *format)
{
    const int64_t k = readers[0]->k, n_channels = chain->n_channels;
    pithi_arena arena = { .ctx = quant->ctx };
    pith_status status = PITH_OK;
    void *matrices = NULL, *factors = NULL, *x = NULL, *h = NULL, *s = NULL;
    double alpha = 0.0;
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)n, sizeof(pithi_nbits_matrix), &matrices), done);
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)k, sizeof(float), &factors), done);
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)k, sizeof(double), &x), done);
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)(k * k), sizeof(double), &h), done);
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)n_channels, sizeof(double), &s), done);
    for (int i = 0; i < n; i++) {
        PITH_TRY_GOTO(pithi_moments_matrix(readers[i], format, 0, &arena, (pithi_nbits_matrix *)matrices + i), done);
        for (int64_t j = 0; j < k * k; j++) {
            ((double *)h)[j] += readers[i]->h[j] / n;
        }
        for (int64_t j = 0; j < k; j++) {
            ((double *)s)[j % n_channels] += readers[i]->magnitudes[j];
        }
    }
    for (int64_t j = 0; j < k; j++) {
        ((double *)x)[j] = ((double *)s)[j % n_channels];
    }
    PITH_TRY_GOTO(pithi_awq_scale(quant->ctx, matrices, n, h, x, factors, &alpha), done);
    if (alpha > 0.0) {
        for (int64_t c = 0; c < n_channels; c++) {
            ((double *)s)[c] = (double)((float *)factors)[c];
        }
        pithi_chain_scale(chain, s);
        for (int i = 0; i < n; i++) {
            divide_moments(readers[i], factors);
        }
    }
done:
    pithi_arena_deinit(&arena);
    return status;
}

/* A layer in front loses nothing: its rows, and their scales with them, are multiplied by a number each. A clip on the
 * way would have to move. */
static pith_status scale_chains(pithi_quant *quant, pithi_moments *all, int n, const pithi_weight_format *format)
{
    pithi_chains chains;
    PITH_TRY(pithi_quant_chains(quant, &chains));
    for (int i = 0; i < n; i++) { /* constants of chains are copies now */
        pithi_quant_weights_of(all[i].node, &all[i].weights);
    }
    for (int i = 0; i < chains.n; i++) {
        pithi_moments *readers[PITHI_CHAIN_CONSUMERS];
        const int count = chains.items[i].high > 0.0 ? 0 : find_readers(&chains.items[i], all, n, readers);
        if (count > 0) {
            PITH_TRY(scale_chain(quant, &chains.items[i], readers, count, format));
        }
    }
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

pith_status pithi_awq_edit(pithi_quant *quant, pithi_moments *all, int n, const pithi_weight_format *format)
{
    void *block = NULL, *flags = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(scale_chains(quant, all, n, format));
    PITH_TRY_GOTO(pithi_alloc_array(quant->ctx, (size_t)n, sizeof(pithi_moments *), &block), done);
    PITH_TRY_GOTO(pithi_alloc_array(quant->ctx, (size_t)n, sizeof(bool), &flags), done);
    pithi_moments **group = block;
    for (int i = 0; i < n; i++) {
        const pith_value *x = all[i].node->inputs[0];
        int count = 0;
        for (int j = i; j < n && all[i].h && !pithi_is(all[i].node, "conv"); j++) {
            if (!((bool *)flags)[j] && all[j].node->inputs[0] == x && all[j].h && all[j].k == all[i].k &&
                !pithi_is(all[j].node, "conv")) {
                ((bool *)flags)[j] = true;
                group[count++] = &all[j];
            }
        }
        if (count > 0) {
            PITH_TRY_GOTO(scale_together(quant, group, count, format), done);
        }
        pithi_quant_tell(quant, "activation-aware scales", i + 1, n);
    }
done:
    pithi_free(quant->ctx, flags);
    pithi_free(quant->ctx, block);
    return status;
}
