/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the reader of the text form: a scanner over bytes that need not end with a zero, and the state of a read.
 * The text is hostile: every number is checked, nothing nests deeper than max_nesting. */
#ifndef PITH_IMPORT_TEXT_H
#define PITH_IMPORT_TEXT_H

#include "import/import.h"
#include "import/onnx/onnx.h" /* the table of names */

typedef struct pithi_scan {
    pith_ctx *ctx;
    const char *at, *end;
    int line; /* from 1, for messages */
} pithi_scan;

/* Fails at the scanner's line: "line 7: ..." */
pith_status pithi_scan_fail(const pithi_scan *scan, const char *format, ...) PITH_PRINTF(2, 3);

/* Skips blanks and a comment. */
void pithi_scan_blanks(pithi_scan *scan);
/* True if the next character is `c`; it is then taken. */
bool pithi_scan_take(pithi_scan *scan, char c);
/* The next character after blanks; 0 at the end. */
char pithi_scan_peek(pithi_scan *scan);
pith_status pithi_scan_expect(pithi_scan *scan, char c);
/* The end of a statement: blanks, then a line break or the end of the text. */
pith_status pithi_scan_line_end(pithi_scan *scan);
/* Skips empty lines; false at the end of the text. */
bool pithi_scan_next_line(pithi_scan *scan);

/* A run of [A-Za-z0-9_./-]; empty if there is none. */
typedef struct pithi_word {
    const char *text;
    size_t n_bytes;
} pithi_word;
pithi_word pithi_scan_bare(pithi_scan *scan);
bool pithi_word_is(pithi_word word, const char *text);
/* A bare word or a quoted text, terminated, in `arena`. Quoted text that holds a zero byte is refused. */
pith_status pithi_scan_word(pithi_scan *scan, pithi_arena *arena, const char **text_out);
/* A quoted text with its length; zero bytes are allowed. */
pith_status pithi_scan_quoted(pithi_scan *scan, pithi_arena *arena, const char **text_out, size_t *n_bytes_out);
pith_status pithi_scan_s64(pithi_scan *scan, int64_t *value_out);
pith_status pithi_scan_u64(pithi_scan *scan, uint64_t *value_out);
pith_status pithi_scan_f64(pithi_scan *scan, double *value_out);
/* Sixteen digits without prefix. */
pith_status pithi_scan_hash(pithi_scan *scan, uint64_t *value_out);

/* ---- a read ------------------------------------------------------------------------------- */

typedef struct pithi_text_reader {
    pith_ctx *ctx;
    pithi_scan scan;
    const char *folder;
    pithi_import_info *info;
    pith_graph *main;
    const pithi_text_weights *weights; /* of a package; NULL: weights lie in files of `folder` */
    pithi_onnx_names names; /* of the whole text */
    int depth;              /* bodies around */
} pithi_text_reader;

/* "f32[2,N]", or a quoted type of an object; what is absent stays unknown. `symbols` may be NULL: none allowed. */
pith_status pithi_text_type(pithi_text_reader *reader, pithi_arena *arena, pith_value *value);
pith_status pithi_text_dtype(pithi_text_reader *reader, pith_dtype *dtype_out);
pith_status pithi_text_shape(pithi_text_reader *reader, pithi_arena *arena, pith_shape *shape_out,
                             const char **symbols);
/* "seq(tensor(f32))", as pith_type_text() writes it. */
pith_status pithi_text_object_type(pithi_text_reader *reader, pithi_arena *arena, const char *text,
                                   const pith_type **type_out);
/* Numbers, texts, bytes or a place in a file for tensor->dtype and tensor->shape. */
pith_status pithi_text_data(pithi_text_reader *reader, pith_graph *graph, pith_tensor *tensor);
/* The same for a place, of which '@' has been read. */
pith_status pithi_text_place(pithi_text_reader *reader, pith_graph *graph, pith_tensor *tensor, size_t n_bytes);
/* Fails if a bool tensor has other bytes than 0 and 1. */
pith_status pithi_text_check_bools(const pithi_text_reader *reader, const pith_tensor *tensor, size_t n_bytes);
/* Attributes and origin of a node, up to the end of the line or a body. */
pith_status pithi_text_attrs(pithi_text_reader *reader, pith_graph *graph, pith_node *node);

#endif
