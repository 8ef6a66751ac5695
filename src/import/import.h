/* SPDX-License-Identifier: Apache-2.0 */
/* Level 5: model files -> graphs. */
#ifndef PITH_IMPORT_H
#define PITH_IMPORT_H

#include "graph/graph.h"
#include "platform/platform.h"

#define PITHI_UNALIGNED_BYTES ((size_t)4096) /* less is copied to where it is aligned */

/* Facts of a file, and the files that hold its weights. Everything is borrowed by the graph, so it must
 * outlive the graph (and clones). Zero-initialise. */
typedef struct pithi_import_info {
    const char *format;   /* "onnx", "pith", "pith text" */
    const char *producer; /* text in the graph's arena */
    int64_t ir_version, opset;
    pithi_file *external_files; /* mapped weights outside the model file */
    size_t n_external_files, external_capacity;
    const char **locations;     /* names of them, below the model's folder; texts in the graph's arena */
    size_t locations_capacity;
    bool keeps_unaligned;       /* set it if weights may stay where they lie unaligned: float32, PITHI_UNALIGNED_BYTES
                                 * and more, and read only by operators that say they can */
    bool skips_hashes;          /* set it to take a package's weights as they are, damaged or not */
    bool is_mapped;             /* set it if the bytes are a mapped file: pages of what is copied are given back then */
} pithi_import_info;

void pithi_import_info_deinit(pith_ctx *ctx, pithi_import_info *info);

/* Reads an ONNX model from bytes that stay valid as long as the graph. `folder` is where external data
 * may lie ("" when the model came from memory: external data is then refused). Nodes that pith doesn't
 * know are kept with op = NULL and a reason. Functions are expanded. Shapes of values are what the file
 * says; nothing is inferred. */
pith_status pithi_import_onnx(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder,
                              pithi_import_info *info, pith_graph **graph_out);

/* True if the bytes begin as the text form does. */
bool pithi_is_text(const void *data, size_t n_bytes);
/* Reads the text form of a graph (docs/text-form.md); weights lie in files of `folder`. As pithi_import_onnx(). */
pith_status pithi_import_text(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder,
                              pithi_import_info *info, pith_graph **graph_out);

/* Weights of a package (docs/package-format.md), in place of files. */
typedef struct pithi_text_weights {
    const unsigned char *data;
    size_t n_bytes;
} pithi_text_weights;
/* The text of a package: names no files, and its places are in `weights`. */
pith_status pithi_import_packed_text(pith_ctx *ctx, const void *data, size_t n_bytes, const pithi_text_weights *weights,
                                     pithi_import_info *info, pith_graph **graph_out);
/* Reads the graph and the weights of a `.pith` file. As pithi_import_onnx(). */
pith_status pithi_import_pith(pith_ctx *ctx, const void *data, size_t n_bytes, pithi_import_info *info,
                              pith_graph **graph_out);

/* One of the three, by the content. */
pith_status pithi_import(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder, pithi_import_info *info,
                         pith_graph **graph_out);
/* The folder that a model's weights may lie in: that of its file. Text in `arena`, or static. */
pith_status pithi_import_folder(pithi_arena *arena, const char *path, const char **folder_out);

#endif
