/* SPDX-License-Identifier: Apache-2.0 */
/* Level 6: graphs -> text, docs/text-form.md. */
#ifndef PITH_EXPORT_TEXT_H
#define PITH_EXPORT_TEXT_H

#include "export/pith/store.h"
#include "import/import.h"

/* A mapped file that constants may point into. */
typedef struct pithi_text_file {
    const char *name; /* as the text will call it, relative to its own folder */
    const unsigned char *data;
    size_t n_bytes;
} pithi_text_file;

/* Adds the graph to `text` (ctx set). Uses value->index and value->n_uses. Constants that nobody uses stay out. */
pith_status pithi_export_text(pith_graph *graph, const pithi_text_file *files, size_t n_files, pithi_text *text);

/* The same for a package: weights go into `store`, and what the graph was made from is told. */
pith_status pithi_export_packed_text(pith_graph *graph, const pithi_import_info *origin, pithi_weight_store *store,
                                     pithi_text *text);

#endif
