/* SPDX-License-Identifier: Apache-2.0 */
/* com.microsoft.nchwc: what ONNX Runtime writes at its level "all". Channels lie in blocks of b = 8 or 16, as suited
 * the CPU that wrote the file, which doesn't say which: weights of the shape [O, I, H, W] are [O / b, I / b, H, W, b of
 * I, b of O], where I is no multiple of b [O / b, I, H, W, b]. Here values are plain again, with as many channels as
 * the file's have, and the recipes put weights back in order.
 * The block size is found by maximum likelihood: output channels of a trained network have variances of their own, and
 * read in the wrong blocks two of them mix. Of N(0, v_c) with n weights a channel the negative log likelihood is
 * sum over c of n / 2 log(v_c), up to a constant; that a variance is estimated takes 1/2 away on average. Exact zeros,
 * which pad channels, say nothing about v_c and don't count. Weights without such differences give a difference between
 * the two sizes of at most about sqrt(channels), by chance: six times that is certainty, less is refused.
 * Where operands of Add or Sum broadcast, the file splits blocks by plain Reshapes around the plain operator, which
 * would do something else to plain values: refused. */
#include <math.h>

#include "base/ctx.h"
#include "import/onnx/onnx.h"

enum { SMALL = 8, LARGE = 16 };
enum { SPLITS_BLOCKS = -2 };           /* of pithi_onnx_scope.nchwc_block; -1: the size can't be told */
#define ENOUGH_WEIGHTS ((int64_t)64 << 20)

typedef struct evidence {
    double surplus;    /* cost of small blocks minus that of large ones */
    double n_channels; /* that took part */
    int64_t n_weights; /* that were looked at */
    bool must_be_small;
} evidence;

/* sum over channels of n / 2 log(v) if channels lie in blocks of `block`. */
static double cost_of(const pith_tensor *weights, int64_t n, int64_t block, double least)
{
    const float *at = weights->data;
    double cost = 0.0;
    for (int64_t first = 0; first < weights->shape.dims[0]; first += block) {
        double sums[LARGE] = { 0.0 }, counts[LARGE] = { 0.0 };
        for (int64_t i = 0; i < n * block; i++, at++) {
            const double weight = (double)pithi_load_f32(at);
            sums[i % block] += weight * weight;
            counts[i % block] += weight != 0.0;
        }
        for (int64_t c = 0; c < block; c++) {
            cost += counts[c] > 0.0 ? 0.5 * counts[c] * log(sums[c] / counts[c] + least) + 0.5 : 0.0;
        }
    }
    return cost;
}

static void weigh(const pith_tensor *weights, evidence *found)
{
    const float *at = weights->data;
    double all = 0.0;
    const int64_t rows = weights->shape.dims[0];
    const int64_t n = weights->shape.dims[1] * weights->shape.dims[2] * weights->shape.dims[3];
    if (rows % LARGE != 0) {
        found->must_be_small = true;
        return;
    }
    found->n_weights += rows * n;
    for (int64_t i = 0; i < rows * n; i++) {
        const double weight = (double)pithi_load_f32(at + i);
        all += weight * weight;
    }
    if (all > 0.0 && isfinite(all)) {
        const double least = 1e-9 * all / (double)(rows * n);
        found->surplus += cost_of(weights, n, SMALL, least) - cost_of(weights, n, LARGE, least);
        found->n_channels += (double)rows;
    }
}

/* The weights of a convolution: constant, f32, of rank 4 and a multiple of 8 rows; or NULL. */
static const pith_tensor *weights_of(const pith_value *value)
{
    const pith_tensor *weights = value ? value->constant : NULL;
    return weights && weights->dtype == PITH_DTYPE_F32 && weights->shape.rank == 4 && weights->shape.dims[0] > 0 &&
                   weights->shape.dims[0] % SMALL == 0 && weights->data
               ? weights
               : NULL;
}

/* Reshape to [0, n, 0, 0, block]. */
static bool splits_blocks(const pithi_onnx_node *node, const pithi_onnx_scope *scope)
{
    const pithi_onnx_name *entry = !node->domain.n_bytes && pithi_pb_is(&node->op_type, "Reshape") && node->n_inputs > 1
                                       ? pithi_onnx_lookup(scope, &node->inputs[1])
                                       : NULL;
    const pith_tensor *to = entry && entry->value ? entry->value->constant : NULL;
    if (!to || !to->data || to->dtype != PITH_DTYPE_S64 || to->shape.rank != 1 || to->shape.dims[0] != 5) {
        return false;
    }
    const int64_t last = pithi_tensor_get_s64(to, 4);
    return !pithi_tensor_get_s64(to, 0) && !pithi_tensor_get_s64(to, 2) && !pithi_tensor_get_s64(to, 3) &&
           (last == SMALL || last == LARGE);
}

static pith_status read_node(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *message, evidence *found)
{
    pithi_arena scratch = { .ctx = onnx->ctx };
    pithi_onnx_node node;
    const pith_status status = pithi_onnx_node_read(onnx, scope, message, &scratch, &node);
    if (status == PITH_OK && splits_blocks(&node, scope)) {
        scope->nchwc_block = SPLITS_BLOCKS;
    } else if (status == PITH_OK && pithi_pb_is(&node.domain, PITHI_ONNX_NCHWC) && pithi_pb_is(&node.op_type, "Conv") &&
               node.n_inputs > 1 && !onnx->nchwc_block && !found->must_be_small && found->n_weights < ENOUGH_WEIGHTS) {
        pithi_onnx_name *entry = pithi_onnx_lookup(scope, &node.inputs[1]);
        const pith_tensor *weights = entry && !entry->is_weighed ? weights_of(entry->value) : NULL;
        if (weights) {
            entry->is_weighed = true;
            weigh(weights, found);
        }
    }
    pithi_arena_deinit(&scratch);
    return status;
}

/* All convolutions of the first graph with such nodes together; the others have the same size. */
static pith_status find_block(pithi_onnx *onnx, pithi_onnx_scope *scope)
{
    pithi_pb pb;
    pithi_pb_field field;
    evidence found = { 0 };
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        pithi_pb_span message;
        if (field.number == scope->node_field) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "node", &message));
            PITH_TRY(read_node(onnx, scope, &message, &found));
        }
    }
    if (!onnx->nchwc_block) {
        onnx->nchwc_block = found.must_be_small || found.surplus < -6.0 * sqrt(found.n_channels) ? SMALL
                            : found.surplus > 6.0 * sqrt(found.n_channels)                       ? LARGE
                                                                                                 : -1;
    }
    scope->nchwc_block = scope->nchwc_block ? scope->nchwc_block : onnx->nchwc_block;
    return pb.status;
}

/* Adds attributes for the recipe: `block`, and `whole` if the input channels of a convolution lie in blocks too. */
pith_status pithi_onnx_nchwc(pithi_onnx *onnx, pithi_onnx_scope *scope, pith_source *source, pithi_arena *scratch,
                             const char **problem_out)
{
    const bool is_conv = pithi_same_text(source->type, "Conv");
    const pith_tensor *weights = is_conv && source->n_inputs > 1 ? weights_of(source->inputs[1]) : NULL;
    void *attrs = NULL;
    PITH_CHECK(onnx->ctx, !pithi_source_attr(source, "block") && !pithi_source_attr(source, "whole"),
               PITH_STATUS_FORMAT, "%.100s has an attribute 'block' or 'whole', which the operator doesn't know",
               source->type);
    if (!scope->nchwc_block) {
        PITH_TRY(find_block(onnx, scope));
    }
    const int block = scope->nchwc_block;
    if (block < 0 || (is_conv && (!weights || weights->shape.dims[0] % block != 0))) {
        return pithi_arena_format(&source->graph->arena, problem_out,
                                  "%.100s: ONNX Runtime has optimised the model for one kind of CPU, and %s; save it "
                                  "with GraphOptimizationLevel.ORT_ENABLE_EXTENDED instead of ORT_ENABLE_ALL",
                                  source->type, block == SPLITS_BLOCKS ? "a Reshape splits its blocks of channels"
                                                : "in which order its weights are can't be told from them");
    }
    PITH_TRY(pithi_arena_array(scratch, (size_t)source->n_attrs + 2, sizeof(pith_source_attr), &attrs));
    memcpy(attrs, source->attrs, (size_t)source->n_attrs * sizeof(pith_source_attr));
    source->attrs = attrs;
    source->attrs[source->n_attrs++] = (pith_source_attr){
        .name = "block", .kind = PITH_SOURCE_INT, .i = block, .is_used = true
    };
    source->attrs[source->n_attrs++] = (pith_source_attr){
        .name = "whole", .kind = PITH_SOURCE_INT, .is_used = true, .i = weights && weights->shape.dims[1] % block == 0
    };
    return PITH_OK;
}
