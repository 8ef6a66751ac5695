/* SPDX-License-Identifier: Apache-2.0 */
/* The report while it is made. */
#ifndef PITH_DIAGNOSE_REPORT_H
#define PITH_DIAGNOSE_REPORT_H

#include "diagnose/diagnose.h"
#include "export/export.h"

typedef struct pithi_diag_report {
    pith_diagnose_report report; /* first: it is what the caller holds */
    pithi_arena arena;
    pithi_bytes file; /* repaired */
    pith_diagnosed_tensor *tensors;
    pith_diagnosed_layer *layers;
    pith_unmatched *unmatched;
    pith_finding *findings;
    int *row_of, *layer_row_of; /* by number of the job's tensor, layer; -1 */
} pithi_diag_report;

pith_status pithi_diag_copy_text(pithi_diag_report *owned, const char *text, const char **copy);
const char *pithi_diag_layer_name(const pithi_diagnosis *job, const pithi_diag_layer *layer);
/* unmatched.c: nodes and outputs without partner, nodes that compute in float. */
pith_status pithi_diag_report_rest(const pithi_diagnosis *job, pithi_diag_report *owned);
/* Tensors, layers, what is unmatched or float. */
pith_status pithi_diag_report_tables(const pithi_diagnosis *job, pithi_diag_report *owned);
pith_status pithi_diag_report_findings(const pithi_diagnosis *job, pithi_diag_report *owned,
                                       const pithi_suspect *suspects, int n);
/* From the outputs' error and the findings. */
pith_status pithi_diag_verdict(const pithi_diagnosis *job, pithi_diag_report *owned);

#endif
