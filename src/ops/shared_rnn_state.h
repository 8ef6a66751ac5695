/* SPDX-License-Identifier: Apache-2.0 */
/* What shared_rnn_f32.c prepares. */
#ifndef PITH_OPS_SHARED_RNN_STATE_H
#define PITH_OPS_SHARED_RNN_STATE_H

#include "kernels/gemm_f32.h"
#include "kernels/vunary_f32.h"
#include "ops/shared_rnn.h"
#include "ops/shared_s8_rows.h"

typedef struct pithi_rnn_state {
    const pithi_rnn_cell *cell;
    pithi_rnn_shape shape;
    const pith_gemm_f32 *gemm;
    const pith_vunary_f32 *vunary;
    const pith_vbinary_f32 *vbinary;
    const float *w[2], *r[2][PITHI_RNN_MAX_GROUPS]; /* packed, by direction */
    bool is_s8;
    pithi_s8_rows w_s8[2], r_s8[2][PITHI_RNN_MAX_GROUPS];
    size_t rows_bytes; /* scratch of products of 8 bits, in front of everything else */
    int64_t nr;        /* columns that R is cut at */
    int64_t r_rows;    /* of 8 bits: rows that R is packed for, 0: many */
    pithi_rnn_activation activations[2][PITHI_RNN_MAX_ACTIVATIONS];
    int n_rows, n_chunk_steps;
    bool is_cut; /* by hidden units */
} pithi_rnn_state;

#endif
