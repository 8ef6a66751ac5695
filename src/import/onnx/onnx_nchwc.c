/* SPDX-License-Identifier: Apache-2.0 */
/* com.microsoft.nchwc: what ONNX Runtime writes at its level "all". Channels lie in blocks of b = 8 or 16, as suited
 * the CPU that wrote the file, which doesn't say which: weights of the shape [O, I, H, W] are [O / b, I / b, H, W, b of
 * I, b of O], where I is no multiple of b [O / b, I, H, W, b]. Here values are plain again, with as many channels as
 * the file's have, and the recipes put weights back in order.
 * The block size is found by maximum likelihood: output channels of a trained network have variances of their own, and
 * read in the wrong blocks two of them mix. Of N(0, v_c) with n weights a channel the negative log likelihood is
 * sum over c of n / 2 log(v_c), up to a constant. Weights without such differences give a difference between the two
 * sizes of at most about sqrt(channels), by chance: six times that is certainty, less is refused. */
#include <math.h>

#include "base/ctx.h"
#include "import/onnx/onnx.h"

enum { SMALL = 8, LARGE = 16 };

typedef struct evidence {
    double surplus;    /* cost of small blocks minus that of large ones */
    double n_channels; /* that took part */
    bool must_be_small;
} evidence;

/* sum over channels of n / 2 log(v) if channels lie in blocks of `block`. */
static double cost_of(const pith_tensor *weights, int64_t n, int64_t block, double *sums, double least)
{
    const float *at = weights->data;
    double cost = 0.0;
    for (int64_t first = 0; first < weights->shape.dims[0]; first += block) {
        memset(sums, 0, (size_t)block * sizeof *sums);
        for (int64_t i = 0; i < n * block; i++, at++) {
            sums[i % block] += (double)*at * (double)*at;
        }
        for (int64_t c = 0; c < block; c++) {
            cost += 0.5 * (double)n * log(sums[c] / (double)n + least);
        }
    }
    return cost;
}

static void weigh(const pith_tensor *weights, evidence *found)
{
    double sums[LARGE] = { 0.0 }, all = 0.0;
    const int64_t rows = weights->shape.dims[0];
    const int64_t n = weights->shape.dims[1] * weights->shape.dims[2] * weights->shape.dims[3];
    if (rows % LARGE != 0) {
        found->must_be_small = true;
        return;
    }
    for (int64_t i = 0; i < rows * n; i++) {
        all += (double)((const float *)weights->data)[i] * (double)((const float *)weights->data)[i];
    }
    if (all > 0.0 && isfinite(all)) {
        const double least = 1e-9 * all / (double)(rows * n);
        found->surplus += cost_of(weights, n, SMALL, sums, least) - cost_of(weights, n, LARGE, sums, least);
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

/* All convolutions of the graph together. */
static pith_status find_block(pithi_onnx *onnx, const pithi_onnx_scope *scope, pithi_arena *scratch)
{
    pithi_pb pb;
    pithi_pb_field field;
    evidence found = { 0 };
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        pithi_onnx_node node;
        pithi_pb_span message;
        if (field.number != scope->node_field) {
            continue;
        }
        PITH_TRY(pithi_pb_get_span(&pb, &field, "node", &message));
        PITH_TRY(pithi_onnx_node_read(onnx, scope, &message, scratch, &node));
        if (pithi_pb_is(&node.domain, PITHI_ONNX_NCHWC) && pithi_pb_is(&node.op_type, "Conv") && node.n_inputs > 1) {
            const pithi_onnx_name *entry = pithi_onnx_lookup(scope, &node.inputs[1]);
            const pith_tensor *weights = entry ? weights_of(entry->value) : NULL;
            if (weights) {
                weigh(weights, &found);
            }
        }
    }
    onnx->nchwc_block = found.must_be_small || found.surplus < -6.0 * sqrt(found.n_channels)  ? SMALL
                        : found.surplus > 6.0 * sqrt(found.n_channels)                        ? LARGE
                                                                                              : -1;
    return pb.status;
}

/* Adds attributes for the recipe: `block`, and `whole` if the input channels of a convolution lie in blocks too. */
pith_status pithi_onnx_nchwc(pithi_onnx *onnx, const pithi_onnx_scope *scope, pith_source *source, pithi_arena *scratch,
                             const char **problem_out)
{
    const bool is_conv = pithi_same_text(source->type, "Conv");
    const pith_tensor *weights = is_conv && source->n_inputs > 1 ? weights_of(source->inputs[1]) : NULL;
    void *attrs = NULL;
    if (!onnx->nchwc_block) {
        PITH_TRY(find_block(onnx, scope, scratch));
    }
    if (onnx->nchwc_block < 0 || (is_conv && (!weights || weights->shape.dims[0] % onnx->nchwc_block != 0))) {
        return pithi_arena_format(&source->graph->arena, problem_out,
                                  "%.100s: ONNX Runtime has optimised the model for one kind of CPU, and in which "
                                  "order its weights are can't be told from them; save it with "
                                  "GraphOptimizationLevel.ORT_ENABLE_EXTENDED instead of ORT_ENABLE_ALL", source->type);
    }
    PITH_TRY(pithi_arena_array(scratch, (size_t)source->n_attrs + 2, sizeof(pith_source_attr), &attrs));
    memcpy(attrs, source->attrs, (size_t)source->n_attrs * sizeof(pith_source_attr));
    source->attrs = attrs;
    source->attrs[source->n_attrs++] = (pith_source_attr){
        .name = "block", .kind = PITH_SOURCE_INT, .i = onnx->nchwc_block, .is_used = true
    };
    source->attrs[source->n_attrs++] = (pith_source_attr){
        .name = "whole", .kind = PITH_SOURCE_INT, .is_used = true,
        .i = weights && weights->shape.dims[1] % onnx->nchwc_block == 0
    };
    return PITH_OK;
}
