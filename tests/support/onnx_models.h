/* SPDX-License-Identifier: Apache-2.0 */
/* Small ONNX models that use much of the format, for tests of the importer and as seeds of its fuzzer. */
#ifndef PITH_TEST_ONNX_MODELS_H
#define PITH_TEST_ONNX_MODELS_H

#include "import/import.h"
#include "support/proto.h"

/* Texts in the language of proto.h. */
extern const char pith_onnx_dense[];    /* weights in several encodings, symbols, a Constant */
extern const char pith_onnx_control[];  /* If in Loop, captured values */
extern const char pith_onnx_function[]; /* nested functions, references, defaults, a sparse weight */
extern const char *const pith_onnx_all[];
extern const int pith_onnx_n_all;

/* A graph from bytes, with the facts of the file; deinit in any case. */
typedef struct pith_imported {
    pith_ctx *ctx;
    pith_graph *graph;
    pithi_import_info info;
} pith_imported;

pith_status pith_import_bytes(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder,
                              pith_imported *imported);
void pith_imported_deinit(pith_imported *imported);

#endif
