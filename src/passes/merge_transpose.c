/* SPDX-License-Identifier: Apache-2.0 */
/* Transposes of transposes become one, and a transpose moves behind elementwise work, where it may meet one
 * that undoes it or be shared. */
#include "passes/rewrite.h"

static bool perm_of(const pith_node *node, int64_t perm[PITH_MAX_RANK], int *rank_out)
{
    return pithi_is(node, "transpose") && pithi_transpose_perm(node, perm, rank_out);
}

/* Dimension k of the result is dimension outer[k] of the middle, which is inner[outer[k]] of the input. */
static pith_status merge_pair(pith_graph *graph, pith_node *node, int *n_changes)
{
    int64_t inner[PITH_MAX_RANK], outer[PITH_MAX_RANK], both[PITH_MAX_RANK];
    int rank = 0, inner_rank = 0;
    pith_node *producer = node->inputs[0]->producer;
    if (!perm_of(node, outer, &rank) || !perm_of(producer, inner, &inner_rank) || rank != inner_rank) {
        return PITH_OK;
    }
    for (int k = 0; k < rank; k++) {
        both[k] = inner[outer[k]];
    }
    pithi_set_input(node, 0, producer->inputs[0]);
    ++*n_changes;
    return pithi_attr_set_ints(&graph->arena, node, "perm", both, rank);
}

/* ---- moving a transpose behind elementwise work ------------------------------------------------ */

/* The transpose of which every operand of `node` is made, all with one permutation; constants of one element
 * go with any. NULL if there is none, or if moving it would cost more than it does now. */
static pith_node *common_transpose(const pith_node *node)
{
    pith_node *common = NULL;
    int64_t perm[PITH_MAX_RANK], other[PITH_MAX_RANK];
    int rank = 0, other_rank = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *input = node->inputs[i];
        double element = 0.0;
        if (!input || (input->constant && input->shape.rank <= 1 && pith_shape_elements(&input->shape) == 1 &&
                       pithi_is_uniform(input->constant, &element))) {
            continue;
        }
        pith_node *producer = pithi_sole_producer(input, "transpose");
        if (!producer || !perm_of(producer, other, &other_rank)) {
            return NULL;
        }
        if (!common) {
            common = producer;
            rank = other_rank;
            memcpy(perm, other, sizeof perm);
        } else if (rank != other_rank || memcmp(perm, other, (size_t)rank * sizeof *perm) != 0) {
            return NULL;
        }
    }
    return rank > 0 ? common : NULL;
}

/* Operands that broadcast against each other have no common shape to which the permutation applies, unless
 * their ranks agree, which the equal permutations ensure. */
static bool may_move(const pith_node *node)
{
    bool is_elementwise = node->op && node->op->layout == PITH_LAYOUT_FREE && node->n_outputs == 1 &&
                          node->n_bodies == 0 && node->n_inputs > 0 && node->inputs[0] && node->outputs[0];
    if (!is_elementwise) {
        return false;
    }
    pith_dtype from = node->inputs[0]->dtype, to = node->outputs[0]->dtype;
    return from != PITH_DTYPE_NONE && pith_dtype_bytes(to) <= pith_dtype_bytes(from);
}

static pith_status move_behind(pith_graph *graph, pith_node *node, const pith_node *transpose)
{
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    pith_value *result = node->outputs[0], *plain = NULL;
    pith_node *moved = NULL;
    (void)pithi_transpose_perm(transpose, perm, &rank);
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] && !node->inputs[i]->constant) {
            pithi_set_input(node, i, node->inputs[i]->producer->inputs[0]);
        }
    }
    PITH_TRY(pithi_graph_add_value(graph, NULL, &plain));
    plain->dtype = result->dtype;
    plain->n_uses = 1;
    node->outputs[0] = plain;
    plain->producer = node;
    PITH_TRY(pithi_graph_insert_node(graph, node->next, transpose->op, transpose->name, &plain, 1, &result, 1, &moved));
    return pithi_attr_set_ints(&graph->arena, moved, "perm", perm, rank);
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        if (pithi_is(node, "transpose")) {
            PITH_TRY(merge_pair(graph, node, n_changes));
            continue;
        }
        const pith_node *transpose = may_move(node) ? common_transpose(node) : NULL;
        if (transpose) {
            PITH_TRY(move_behind(graph, node, transpose));
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_merge_transpose = {
    .name = "merge_transpose",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "joins transposes, and moves them to where they meet",
    .run = run,
};
