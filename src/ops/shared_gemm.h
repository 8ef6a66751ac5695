/* SPDX-License-Identifier: Apache-2.0 */
/* What operators on top of kernels/gemm_f32.h share: cutting over k, and the activation at the end. */
#ifndef PITH_OPS_SHARED_GEMM_H
#define PITH_OPS_SHARED_GEMM_H

#include "kernels/gemm_f16.h"
#include "kernels/vbinary_f32.h"
#include "kernels/vunary_f32.h"
#include "ops/op.h"

/* Bytes of one operand that should stay in L2, where that decides on algorithms or on the order of weights: the same on
 * every machine, so that results and stored weights are. */
#define PITHI_L2_SHARE ((size_t)256 << 10)
/* The same where it decides only how work is cut, which doesn't change sums: a quarter of this machine's L2,
 * PITHI_L2_SHARE if that isn't known. */
size_t pithi_l2_share(void);
/* For tests, before planning; 0: the machine's. */
void pithi_l2_share_set(size_t n_bytes);
#define PITHI_ROW_PANELS 8                 /* of a single row, side by side: blocks of its columns begin at so many */
#define PITHI_PART_MACS 20000              /* least work of a part: about a microsecond */

/* An activation, split into what the kernel clamps and what follows on finished rows. */
typedef struct pithi_finish {
    float lo, hi;
    pith_vunary_f32_fn *function; /* NULL: nothing follows */
    float alpha, beta;
    pith_vbinary_f32_fn *prelu;   /* not NULL: instead of the function, y < 0 ? slope[channel] y : y */
    const float *slopes;          /* [slope_pixels][channels], for several pixels at once */
    size_t slope_pixels;
    pith_vbinary_f32_fn *add;     /* not NULL: the residual comes behind all this, instead of in front */
} pithi_finish;

/* False where the ISA has no kernel for the activation. */
bool pithi_finish_make(const pith_activation *activation, int isa_limit, pithi_finish *finish_out);
/* The residual is added last. */
void pithi_finish_add_behind(pithi_finish *finish, int isa_limit);
/* Turns a leaky ReLU into one with a slope per channel; slopes is `n_channels` floats. Memory from `arena`. */
pith_status pithi_finish_add_slopes(pithi_arena *arena, const float *slopes, int64_t n_channels, int isa_limit,
                                    pithi_finish *finish);
/* What follows on `n_pixels` pixels (or rows) of `n_channels` each, `stride` apart, the first of them channel
 * `channel`. */
void pithi_finish_apply(const pithi_finish *finish, float *y, size_t n_pixels, size_t stride, size_t n_channels,
                        size_t channel);

/* Then the residual, where it comes last; NULL: there is none. */
void pithi_finish_add(const pithi_finish *finish, const float *residual, size_t residual_stride, float *y,
                      size_t n_pixels, size_t stride, size_t n_channels);
/* What the kernel adds of a residual. */
static inline const float *pithi_finish_residual(const pithi_finish *finish, const float *residual)
{
    return finish->add ? NULL : residual;
}

/* gemm_f16 where the model allows it, the CPU has it, and weights w [n_k][n] are constant and fill more than half a
 * panel, else NULL; with prepare->why, where the model allows it. */
const pith_gemm_f32 *pithi_gemm_f16_choose(pith_prepare *prepare, const void *w, int64_t n_k, int64_t n);

typedef struct pithi_gemm_weights {
    const void *data; /* of the constant */
    size_t n_elements;
    void (*fill)(void *user, void *block); /* writes them packed, as floats */
    void *user;
} pithi_gemm_weights;

/* pithi_prepare_pack() of such weights, rounded to halves where `kernel` wants those. */
pith_status pithi_gemm_pack(pith_prepare *prepare, const pith_gemm_f32 *kernel, const pithi_gemm_weights *weights,
                            uint64_t key, const float **packed_out);

/* How a product is cut: band i begins at row n_rows * i / n_bands, block j of columns at pithi_grid_column(). */
typedef struct pithi_grid {
    int64_t n_bands, n_blocks;
    int64_t n, unit; /* columns; blocks begin at multiples of `unit` */
} pithi_grid;

/* Cuts [n_rows][n_k] * [n_k][n], one of `n_others` such products of a step: operands stay in L2, and all threads get
 * equal shares. Rows of A have `row_floats` that no other row has (n_k, or less where taps overlap). */
pithi_grid pithi_gemm_f32_cut(const pith_gemm_f32 *kernel, int64_t n_rows, int64_t n_k, int64_t row_floats, int64_t n,
                              int64_t n_others, int n_threads);
/* `count` shares, or a few less or more, so that threads get equally many. */
int64_t pithi_even_count(int64_t count, int n_threads);

static inline int64_t pithi_grid_column(const pithi_grid *grid, int64_t block)
{
    return pithi_min_s64(pithi_div_up(grid->n, grid->unit) * block / grid->n_blocks * grid->unit, grid->n);
}

/* Runs `block` with k cut so that nv_max panels of B stay in L2; residual and clamp come with the last cut (block->lo,
 * hi are not read), then finish->function, or the slopes from finish->slopes on. A folded block goes to
 * kernel->narrow. */
void pithi_gemm_f32_block(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, const pithi_finish *finish);

/* Runs `block` by kernel->few, with B transposed. */
void pithi_gemm_f32_few(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, const pithi_finish *finish);
/* True if `n` columns with sums of n_k go faster with kernel->few: it saves lanes, but has to add them up. */
static inline bool pithi_gemm_f32_wants_few(int64_t n, int64_t n_k)
{
    return n <= 2 ? n_k >= 32 : n <= 4 && n_k >= 128;
}

#endif
