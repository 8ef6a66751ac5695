/* SPDX-License-Identifier: Apache-2.0 */
/* A product reads a transposed matrix by an attribute instead of a copy. A transpose that moves more than the two
 * dimensions of the matrix (the keys of an attention) is at least left with whole rows to copy. */
#include "passes/rewrite.h"

static const char *flag_name(const pith_node *node, int operand)
{
    bool is_gemm = pithi_is(node, "gemm");
    return operand == 0 ? (is_gemm ? "transA" : "trans_a") : (is_gemm ? "transB" : "trans_b");
}

static bool is_in_order(const int64_t *perm, int rank)
{
    for (int i = 0; i < rank; i++) {
        if (perm[i] != i) {
            return false;
        }
    }
    return true;
}

/* The same transpose with another permutation. */
static pith_status insert_like(pith_graph *graph, const pith_node *transpose, const int64_t *perm, int rank,
                               pith_value **value_out)
{
    pith_node *copy = NULL;
    PITH_TRY(pithi_insert(graph, transpose->next, "transpose", transpose->inputs, 1, &copy));
    copy->name = transpose->name;
    *value_out = copy->outputs[0];
    return pithi_attr_set_ints(&graph->arena, copy, "perm", perm, rank);
}

static pith_status visit(pith_graph *graph, pith_node *node, int operand, int *n_changes)
{
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    pith_node *transpose = node->inputs[operand] ? node->inputs[operand]->producer : NULL;
    if (!pithi_is(transpose, "transpose") || !pithi_transpose_perm(transpose, perm, &rank) || rank < 2) {
        return PITH_OK;
    }
    int64_t swapped = perm[rank - 1];
    perm[rank - 1] = perm[rank - 2];
    perm[rank - 2] = swapped;
    if (perm[rank - 1] != rank - 1) {
        return PITH_OK;
    }
    pith_value *source = transpose->inputs[0];
    if (!is_in_order(perm, rank)) {
        PITH_TRY(insert_like(graph, transpose, perm, rank, &source));
    }
    const char *flag = flag_name(node, operand);
    PITH_TRY(pithi_attr_set_int(graph->ctx, node, flag, !pithi_attr_int(node, flag)));
    pithi_set_input(node, operand, source);
    ++*n_changes;
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    for (pith_node *node = graph->first; node; node = node->next) {
        bool is_product = pithi_is(node, "matmul") || pithi_is(node, "gemm");
        for (int i = 0; is_product && i < 2; i++) {
            PITH_TRY(visit(graph, node, i, n_changes));
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fold_transpose_matmul = {
    .name = "fold_transpose_matmul",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "lets products read transposed operands as they lie",
    .run = run,
};
