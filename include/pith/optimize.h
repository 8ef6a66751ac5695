/* SPDX-License-Identifier: Apache-2.0 */
/* A network simplified and written again: what any engine, and any tool that takes ONNX, has less work with. */
#ifndef PITH_OPTIMIZE_H
#define PITH_OPTIMIZE_H

#include "pith/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_optimize_options {
    const char *disable_passes;     /**< Comma list of passes to leave out; NULL: none. */
    const pith_shape *input_shapes; /**< NULL, or one per input of the model: the network is written for these. A
                                         dimension of -1 stays open. Must agree with what the model says. */
} pith_optimize_options;

typedef struct pith_optimize_report {
    int n_nodes_before, n_nodes_after;
    size_t weight_bytes_before, weight_bytes_after; /**< Constants that nodes use. */
} pith_optimize_report;

/**
 * Simplifies the ONNX network in `path` by the passes whose results ONNX can say: constants and batch normalisations
 * are folded, common nodes merged, padding goes into convolutions, and branches and sequences of convolutions without
 * a function in between become one (RepVGG, ACNet, DBB, ECBSR, MobileOne). Results differ by rounding only.
 *
 * @param options     NULL: defaults.
 * @param bytes_out   Receives the ONNX file, pith_free_bytes() releases it.
 * @param report_out  NULL, or receives the report.
 * @retval PITH_STATUS_SHAPE        input_shapes contradict the model.
 * @retval PITH_STATUS_UNSUPPORTED  The network has nodes that pith can't run or write.
 */
pith_status pith_optimize(pith_ctx *ctx, const char *path, const pith_optimize_options *options, void **bytes_out,
                          size_t *n_bytes_out, pith_optimize_report *report_out);

#ifdef __cplusplus
}
#endif
#endif
