/* SPDX-License-Identifier: Apache-2.0 */
/* pith quantize: what its command and its report share. */
#ifndef PITH_CLI_QUANTIZE_H
#define PITH_CLI_QUANTIZE_H

#include "json.h"
#include "samples.h"

typedef struct quantize_settings {
    const char *calib, *output, *observer, *keep_float, *without, *effort, *sidecar, *weights, *method;
    cli_words shapes, keys;
    int64_t n_samples, n_threads;
    double clip_percent, max_drop, max_size, max_ms, max_ram;
    bool per_tensor, no_equalization, no_bias_correction, int8, dynamic, no_timing, all, json;
} quantize_settings;

typedef struct quantize_job {
    const quantize_settings *given;
    const char *model;
    char *output;
    cli_net net;
    cli_preprocess preprocess;
    cli_labels names; /* of its classes, if the preprocess file says where they are */
    cli_dataset dataset;
    cli_samples samples, verified; /* verified.n 0: none are left for that */
    int64_t *labels;               /* of the verified ones, or NULL */
    pith_quantize_report *report;
    size_t file_bytes;
} quantize_job;

/* Prints tables or JSON, and warnings. */
void cli_quantize_report(const quantize_job *job);

#endif
