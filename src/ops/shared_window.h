/* SPDX-License-Identifier: Apache-2.0 */
/* hann_window, hamming_window, blackman_window: w[i] = a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n), where n is
 * the size of a periodic window and the size less one of a symmetric one. */
#ifndef PITH_OPS_SHARED_WINDOW_H
#define PITH_OPS_SHARED_WINDOW_H

#include "ops/op.h"

typedef struct pithi_window_attrs {
    int64_t periodic, output_datatype;
} pithi_window_attrs;

#define PITHI_WINDOW_ATTRS                                                                         \
    PITH_ATTR_INT(pithi_window_attrs, periodic, "periodic", 1),                                    \
    PITH_ATTR_INT(pithi_window_attrs, output_datatype, "output_datatype", 1)

pith_status pithi_window_infer(pith_infer *infer);
void pithi_window_ref(const pith_run *run, double a0, double a1, double a2);

#endif
