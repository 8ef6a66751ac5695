/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of few bits: the methods, on plain matrices w [n_rows][k], one row per output channel, one scale per row and
 * group of `group` neighbours along k (the last may be shorter). nbits.c brings products of a network to this form. */
#ifndef PITH_QUANT_NBITS_H
#define PITH_QUANT_NBITS_H

#include "quant/quant.h"

typedef struct pithi_nbits_matrix {
    const float *w;
    int64_t n_rows, k, group;
    pithi_weight_format format;
    /* Results. */
    int16_t *q;       /* [n_rows][k] */
    float *scales;    /* [n_rows][n_groups] */
    int16_t *zeros;   /* the same; of formats with zero points */
} pithi_nbits_matrix;

static inline int64_t pithi_nbits_n_groups(const pithi_nbits_matrix *m) { return pithi_div_up(m->k, m->group); }
/* What the integers stand for. */
static inline double pithi_nbits_real(const pithi_nbits_matrix *m, int64_t row, int64_t k)
{
    const int64_t at = row * pithi_nbits_n_groups(m) + k / m->group;
    const int zero = m->format.has_zeros ? m->zeros[at] : 0;
    return (double)m->scales[at] * (m->q[row * m->k + k] - zero);
}

/* To the nearest; `shrink` (NULL: 1) takes a part of the range of each group [n_rows][n_groups]. */
void pithi_nbits_nearest(const pithi_nbits_matrix *m, const float *shrink);

/* GPTQ (Frantar et al., arXiv 2210.17323) with second moments h [k][k] of the inputs, which are overwritten. */
typedef struct pithi_gptq_options {
    double damping;   /* of the mean of h's diagonal, added to it; 0: 0.01 */
    int64_t block;    /* columns between updates of the rest; 0: 128 */
    bool act_order;   /* columns by falling diagonal, with scales of the weights as they were */
    bool clips;       /* scales of the least error, weighted by the diagonal; else they hold all weights */
} pithi_gptq_options;
pith_status pithi_gptq(pith_ctx *ctx, const pithi_nbits_matrix *m, double *h, const pithi_gptq_options *options);

/* tr((w - q) h (w - q)^T), summed over rows. */
double pithi_nbits_error(const pithi_nbits_matrix *m, const double *h);

/* AWQ (Lin et al., arXiv 2306.00978): factors[k] for the columns of w, so that nearest rounding of w * factor loses
 * least; all ones where nothing is gained. `matrices` share their input, whose mean magnitudes are x. */
pith_status pithi_awq_scale(pith_ctx *ctx, const pithi_nbits_matrix *matrices, int n_matrices, const double *h,
                            const double *x, float *factors, double *alpha_out);
/* Its clip search: results with ranges shrunk by up to a half where that lowers the error within the group. */
pith_status pithi_awq_clip(pith_ctx *ctx, const pithi_nbits_matrix *m, const double *h);

/* 1-D k-means: at most n_codes numbers for n weights, and the number of each. One of them is 0 if a tenth of the
 * weights are. *costs_out (may be NULL) receives the summed squares after every iteration, at most
 * PITHI_PALETTE_ITERATIONS. */
#define PITHI_PALETTE_ITERATIONS 400
pith_status pithi_palette(pith_ctx *ctx, const float *w, int64_t n, int n_codes, float *codebook, int16_t *codes,
                          double *costs_out);

/* What the user asks of weights, as text: see pith_quantize_options.weights. */
pith_status pithi_quant_read_weights(pith_ctx *ctx, const char *text, pithi_weight_format *format_out);
/* The stage: fills quant->layers of all products. */
pith_status pithi_quant_weights_only(pithi_quant *quant, pith_quantize_report *report);

/* dynamic.c: products of matrices whose activations are quantised when they are known. */
pith_status pithi_quant_dynamic(pithi_quant *quant, pith_quantize_report *report);
/* No activation is quantised. */
void pithi_quant_forget_tensors(pithi_quant *quant);

#endif
