/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning: choosing among the ways a step can run by timing them on this machine. */
#ifndef PITH_TUNE_H
#define PITH_TUNE_H

#include "pith/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How a model is tuned. Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_tune_options {
    int n_threads;              /**< As for sessions. */
    double max_seconds;         /**< For timing; 0: 8 s. */
    const char *file;           /**< Where the choices go; NULL: the model's path with ".tune" behind it. */
    const char *disable_passes; /**< As for models. */
    int float16;                /**< As for models. Choices hold for models that are loaded with the same. */
    void (*progress)(void *user, double done, const char *what); /**< done: 0 to 1; NULL: none. */
    void *user;
} pith_tune_options;

/** What tuning found. */
typedef struct pith_tune_report {
    int n_steps;           /**< Of a run. */
    int n_variants;        /**< Ways of running the whole model that were timed. */
    int n_candidates;      /**< Different steps for which there was another way. */
    int n_changed;         /**< Steps (counted once per shape) that were better some other way. */
    char passes_off[64];   /**< Passes (a comma list) without which the whole was better; "": none. */
    double default_ns;     /**< Medians of whole runs, taken in turns at the end; 0 if nothing was changed. */
    double tuned_ns;
    double alone_default_ns; /**< The same with one thread; 0: not taken. */
    double alone_tuned_ns;
    int n_rounds, n_won;   /**< Turns, and those that the tuned model won. */
    int is_kept;           /**< 1: written; 0: the default is as good, nothing was written. */
} pith_tune_report;

/**
 * Times the ways that the steps of a model can run, and writes those that are better than the default to a file, which
 * pith_model_load() finds beside the model from then on. Before, the whole model is run in turns with and without the
 * choices; unless they make it faster beyond doubt, and no slower with one thread, nothing is written.
 *
 * Choices hold for this CPU, instruction set and version of pith, and for any number of threads. They may change
 * results within the bounds of
 * docs/numerics.md, but never with the number of threads.
 *
 * @param path    As for pith_model_load().
 * @param inputs  As for pith_session_run().
 */
pith_status pith_tune_model(pith_ctx *ctx, const char *path, const pith_tensor *inputs, int n_inputs,
                            const pith_tune_options *options, pith_tune_report *report_out);

#ifdef __cplusplus
}
#endif
#endif
