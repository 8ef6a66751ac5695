/* SPDX-License-Identifier: Apache-2.0 */
/* negative_log_likelihood_loss and softmax_cross_entropy_loss: -w[t] log p[t] for the target class t of every
 * sample, summed, averaged by weight, or left alone. x is [N, C, D...], targets are [N, D...]. */
#ifndef PITH_OPS_SHARED_LOSS_H
#define PITH_OPS_SHARED_LOSS_H

#include "ops/op.h"

enum { PITHI_LOSS_NONE, PITHI_LOSS_SUM, PITHI_LOSS_MEAN };
extern const char *const pithi_loss_reductions[];

typedef struct pithi_loss_attrs {
    int64_t reduction;
    int64_t ignore_index; /* target that counts nothing; INT64_MIN: none */
} pithi_loss_attrs;

#define PITHI_LOSS_ATTRS                                                                           \
    PITH_ATTR_CHOICE(pithi_loss_attrs, reduction, "reduction", PITHI_LOSS_MEAN, pithi_loss_reductions), \
    PITH_ATTR_WIDE_INT(pithi_loss_attrs, ignore_index, "ignore_index", (double)INT64_MIN)

pith_status pithi_loss_infer(pith_infer *infer);
/* log_probability(run, n, c, d): of sample (n, d) and class c. */
void pithi_loss_ref(const pith_run *run,
                    double (*log_probability)(const pith_run *run, int64_t n, int64_t c, int64_t d));
/* Offset of [n, c, d] in x. */
int64_t pithi_loss_at(const pith_tensor *x, int64_t n, int64_t c, int64_t d);
/* Product of the dimensions after C. */
int64_t pithi_loss_inner(const pith_tensor *x);

#endif
