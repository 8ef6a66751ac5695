/* SPDX-License-Identifier: Apache-2.0 */
/* pith's own model files, `.pith`: graph, weights and what belongs to them in one file that is used where it lies. The
 * format is described byte by byte in docs/package-format.md. pith_model_load() reads them by their first bytes. */
#ifndef PITH_PACKAGE_H
#define PITH_PACKAGE_H

#include "pith/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One part of a file. */
typedef struct pith_section {
    const char *kind;    /**< "graph", "weights", "preprocess", "labels", "tuning", "packed"; other words are kept for
                              whoever knows them. Up to 15 letters, digits, '_' and '-'. */
    const char *variant; /**< What tells sections of a kind apart: of "packed" the instruction set; NULL, "": none. */
    const void *data;
    size_t n_bytes;
    uint64_t offset;     /**< In the file. Ignored where a file is written. */
} pith_section;

/** A file as it was loaded. Borrowed from the model. */
typedef struct pith_package {
    int major, minor; /**< Version of the format. */
    const pith_section *sections;
    int n_sections;
    int uses_packed;  /**< 1: a section of packed weights is for this build, instruction set and these options. */
} pith_package;

/** The sections of the `.pith` file that the model came from; NULL if it came from anything else. */
const pith_package *pith_model_package(const pith_model *model);

/** Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_package_options {
    const char *folder;             /**< Where external weights of the model lie; NULL: it has none. */
    const pith_section *sections;   /**< Put in as they are: "preprocess", "labels", "tuning", the caller's own. */
    int n_sections;
    const char *pack;               /**< Comma list of instruction sets whose packed weights are put in, so that a
                                         start there packs nothing; "native": this machine's; NULL: none. */
    const pith_shape *input_shapes; /**< One per input, that weights are packed for; NULL: as the model says. */
} pith_package_options;

/**
 * Makes a `.pith` file of a model, which runs to the same bits. The context's ceiling for instruction sets is as before
 * when this returns.
 *
 * @param model        An ONNX model, the text form, or another `.pith` file (of which nothing but graph and weights is
 *                     taken over), n_bytes long.
 * @param options      NULL: defaults.
 * @param bytes_out    Receives the file, pith_free_bytes() releases it.
 * @retval PITH_STATUS_FORMAT       The model is malformed.
 * @retval PITH_STATUS_UNSUPPORTED  This CPU can't run an instruction set of `pack`, or a constant is a sequence or map.
 * @retval PITH_STATUS_ARG          A section's kind or variant can't be written, or comes twice.
 * @retval PITH_STATUS_SHAPE        Weights can't be packed because a shape is open.
 */
pith_status pith_package_write(pith_ctx *ctx, const void *model, size_t n_bytes, const pith_package_options *options,
                               void **bytes_out, size_t *n_bytes_out);

#ifdef __cplusplus
}
#endif
#endif
