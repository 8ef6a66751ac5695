/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as files, and two of them compared by what they compute. */
#ifndef PITH_TEST_ONNX_FILE_H
#define PITH_TEST_ONNX_FILE_H

#include "graph/graph.h"
#include "pith/quantize.h"
#include "support/test.h"

/* Both fail the case where the file can't be written. */
bool pith_test_write_file(pith_test *test, const char *path, const void *data, size_t n_bytes);
bool pith_test_save_onnx(pith_test *test, pith_graph *graph, const char *path);

/* How far the network in memory is from that in a file: SQNR of all first outputs together in dB; samples on which the
 * largest element of the first output is the same one. */
typedef struct pith_test_nearness {
    double sqnr_db;
    int n_agree;
} pith_test_nearness;
pith_test_nearness pith_test_compare_models(pith_test *test, const char *path, const void *bytes, size_t n_bytes,
                                            const pith_samples *samples);

#endif
