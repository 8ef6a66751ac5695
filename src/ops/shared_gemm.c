/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of products: k is cut for the cache, the activation follows while rows are near. */
#include "ops/shared_gemm.h"

#include <math.h>
#include <stdatomic.h>

#include "kernels/convert_f16.h"
#include "platform/machine.h"

#define LEAST_SHARE ((size_t)64 << 10)
#define MOST_SHARE ((size_t)1 << 20)

bool pithi_finish_make(const pith_activation *activation, int isa_limit, pithi_finish *finish_out)
{
    pithi_finish finish = { .lo = -INFINITY, .hi = INFINITY, .alpha = activation->alpha, .beta = activation->beta };
    if (activation->kind == PITH_VUNARY_RELU) {
        finish.lo = 0.0f;
    } else if (activation->kind == PITH_VUNARY_CLIP) {
        finish.lo = activation->alpha;
        finish.hi = activation->beta;
    } else if (activation->kind != PITH_VUNARY_NONE) {
        finish.function = pithi_vunary_f32(isa_limit)->functions[activation->kind];
        if (!finish.function) {
            return false;
        }
    }
    *finish_out = finish;
    return true;
}

void pithi_finish_add_behind(pithi_finish *finish, int isa_limit)
{
    finish->add = pithi_vbinary_f32(isa_limit)->functions[PITH_VBINARY_ADD][PITH_VBINARY_VV];
}

#define SLOPE_ITEMS 256 /* slopes are repeated for so many numbers: short calls would cost more than they do */

pith_status pithi_finish_add_slopes(pithi_arena *arena, const float *slopes, int64_t n_channels, int isa_limit,
                                    pithi_finish *finish)
{
    const int64_t n_pixels = pithi_max_s64(SLOPE_ITEMS / pithi_max_s64(n_channels, 1), 1);
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)(n_pixels * n_channels), sizeof(float), &block));
    float *repeated = block;
    for (int64_t i = 0; i < n_pixels * n_channels; i++) {
        repeated[i] = slopes[i % n_channels];
    }
    finish->function = NULL;
    finish->prelu = pithi_vbinary_f32(isa_limit)->functions[PITH_VBINARY_PRELU][PITH_VBINARY_VV];
    finish->slopes = repeated;
    finish->slope_pixels = (size_t)n_pixels;
    return PITH_OK;
}

#define NARROW_CHANNELS 16 /* as above, for pixels that lie apart */
#define NARROW_ITEMS 256

/* Pixels of few channels that lie apart are brought together for the function, many in one call. */
static void apply_to_narrow(const pithi_finish *finish, float *y, size_t n_pixels, size_t stride, size_t n_channels)
{
    float together[NARROW_ITEMS];
    const size_t most = NARROW_ITEMS / n_channels;
    for (size_t first = 0; first < n_pixels; first += most) {
        const size_t count = n_pixels - first < most ? n_pixels - first : most;
        float *at = y + first * stride;
        for (size_t i = 0; i < count * n_channels; i++) {
            together[i] = at[i / n_channels * stride + i % n_channels];
        }
        finish->function(together, together, count * n_channels, finish->alpha, finish->beta);
        for (size_t i = 0; i < count * n_channels; i++) {
            at[i / n_channels * stride + i % n_channels] = together[i];
        }
    }
}

void pithi_finish_apply(const pithi_finish *finish, float *y, size_t n_pixels, size_t stride, size_t n_channels,
                        size_t channel)
{
    const bool is_dense = stride == n_channels;
    if ((!finish->function && !finish->prelu) || n_channels == 0) { /* more threads than panels leave empty blocks */
        return;
    }
    if (finish->function && !is_dense && n_channels < NARROW_CHANNELS) {
        apply_to_narrow(finish, y, n_pixels, stride, n_channels);
        return;
    }
    const size_t most = !is_dense ? 1 : finish->prelu ? finish->slope_pixels : n_pixels;
    for (size_t i = 0; i < n_pixels; i += most) {
        const size_t n = (n_pixels - i < most ? n_pixels - i : most) * n_channels;
        float *at = y + i * stride;
        if (finish->prelu) {
            finish->prelu(at, finish->slopes + channel, at, n);
        } else {
            finish->function(at, at, n, finish->alpha, finish->beta);
        }
    }
}

void pithi_finish_add(const pithi_finish *finish, const float *residual, size_t residual_stride, float *y,
                      size_t n_pixels, size_t stride, size_t n_channels)
{
    const bool is_dense = stride == n_channels && residual_stride == n_channels;
    if (!finish->add || !residual || n_channels == 0) {
        return;
    }
    for (size_t i = 0; i < (is_dense ? n_pixels > 0 : n_pixels); i++) {
        finish->add(y + i * stride, residual + i * residual_stride, y + i * stride,
                    is_dense ? n_pixels * n_channels : n_channels);
    }
}

static void apply_to_block(const pithi_finish *finish, const pith_gemm_f32_tile *block)
{
    const size_t n_rows = (size_t)block->mr, n = (size_t)block->n_columns;
    pithi_finish_apply(finish, block->c, n_rows, block->c_stride, n, 0);
    pithi_finish_add(finish, block->residual, block->residual_stride, block->c, n_rows, block->c_stride, n);
}

/* ---- float16 ------------------------------------------------------------------------------ */

#define MIN_HALF_K 16 /* shorter sums gain less than rounding A and widening the sums cost */

const pith_gemm_f32 *pithi_gemm_f16_choose(pith_prepare *prepare, const void *w, int64_t n_k, int64_t n)
{
    const pith_gemm_f32 *kernel = prepare->allows_float16 ? pithi_gemm_f16(prepare->isa_limit) : NULL;
    const bool is_capped = prepare->allows_float16 && !kernel && pithi_gemm_f16(-1);
    const char *why_not = is_capped            ? "float32: the cap on instruction sets excludes float16 products"
                          : !kernel            ? "float16 products were asked for, but this CPU has no such arithmetic"
                          : !w                 ? "float32: float16 products are for constant weights"
                          : n_k < MIN_HALF_K   ? "float32: sums too short for float16 products"
                          : 2 * n <= kernel->nr ? "float32: too few columns for float16 products"
                                               : NULL;
    if (prepare->allows_float16) {
        prepare->why = why_not ? why_not : "float16 products, as the model's options allow";
    }
    return why_not ? NULL : kernel;
}

typedef struct half_job {
    const pithi_gemm_weights *weights;
    const pith_convert_f16 *convert;
    void *floats;
} half_job;

static void fill_halves(void *user, void *block)
{
    const half_job *job = user;
    job->weights->fill(job->weights->user, job->floats);
    job->convert->to_f16(job->floats, block, job->weights->n_elements);
}

pith_status pithi_gemm_pack(pith_prepare *prepare, const pith_gemm_f32 *kernel, const pithi_gemm_weights *weights,
                            uint64_t key, const float **packed_out)
{
    const size_t n_bytes = weights->n_elements * (size_t)kernel->b_bytes;
    half_job job = { .weights = weights, .convert = pithi_convert_f16(prepare->isa_limit) };
    const bool is_half = pithi_gemm_is_half(kernel);
    const void *packed = NULL;
    if (is_half) {
        PITH_TRY(pithi_alloc_raw(prepare->ctx, weights->n_elements * sizeof(float), &job.floats));
    }
    pith_status status = pithi_prepare_pack(prepare, weights->data, key, n_bytes, is_half ? fill_halves : weights->fill,
                                            is_half ? &job : weights->user, &packed);
    pithi_free(prepare->ctx, job.floats);
    *packed_out = packed;
    return status;
}

/* ---- blocks ------------------------------------------------------------------------------- */

static _Atomic size_t l2_share; /* 0: not asked yet */

size_t pithi_l2_share(void)
{
    size_t share = atomic_load_explicit(&l2_share, memory_order_relaxed);
    if (!share) {
        share = pithi_l2_bytes() / 4;
        share = !share ? PITHI_L2_SHARE : share < LEAST_SHARE ? LEAST_SHARE : share > MOST_SHARE ? MOST_SHARE : share;
        atomic_store_explicit(&l2_share, share, memory_order_relaxed);
    }
    return share;
}

void pithi_l2_share_set(size_t n_bytes)
{
    atomic_store_explicit(&l2_share, n_bytes, memory_order_relaxed);
}

/* Cuts so that nv_max panels of k rows stay in half of L2's share; one is enough where B is read once, and where the
 * kernel cuts k itself (gemm_f16). The chain of a sum goes on from cut to cut. */
static size_t count_cuts(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, size_t n_units)
{
    size_t row_bytes = (size_t)(kernel->nr * kernel->nv_max) * sizeof(float);
    size_t n_bytes = (size_t)block->n_segments * block->segment_length * row_bytes;
    if (block->mr <= kernel->mr_max || n_units == 0 || block->fold > 1 || pithi_gemm_is_half(kernel)) {
        return 1;
    }
    const size_t most = 2 * pithi_l2_share(), n_cuts = (n_bytes + most - 1) / most;
    return n_cuts < n_units ? n_cuts : n_units;
}

void pithi_gemm_f32_block(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, const pithi_finish *finish)
{
    bool is_single = block->n_segments == 1; /* then k itself is cut, else the list of segments */
    size_t n_units = is_single ? block->segment_length : (size_t)block->n_segments;
    size_t n_cuts = count_cuts(kernel, block, n_units);
    for (size_t i = 0; i < n_cuts; i++) {
        size_t begin = n_units * i / n_cuts, end = n_units * (i + 1) / n_cuts;
        bool is_last = i + 1 == n_cuts;
        pith_gemm_f32_tile cut = *block;
        ptrdiff_t offset = is_single ? block->segment_offsets[0] + (ptrdiff_t)begin : 0;
        cut.segment_offsets = is_single ? &offset : block->segment_offsets + begin;
        cut.n_segments = is_single ? 1 : (int)(end - begin);
        cut.segment_length = is_single ? end - begin : block->segment_length;
        cut.b += begin * (is_single ? 1 : block->segment_length) * block->b_row_stride;
        cut.accumulate = block->accumulate || i > 0;
        cut.residual = is_last ? pithi_finish_residual(finish, block->residual) : NULL;
        cut.lo = is_last ? finish->lo : -INFINITY;
        cut.hi = is_last ? finish->hi : INFINITY;
        (block->fold > 1 ? kernel->narrow : kernel->tile)(&cut);
    }
    apply_to_block(finish, block);
}

void pithi_gemm_f32_few(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, const pithi_finish *finish)
{
    pith_gemm_f32_tile tile = *block;
    tile.lo = finish->lo;
    tile.hi = finish->hi;
    tile.residual = pithi_finish_residual(finish, block->residual);
    kernel->few(&tile);
    apply_to_block(finish, block);
}

/* ---- cutting ------------------------------------------------------------------------------ */

#define LEAST_ROWS 48 /* of a band, which reads all of B */

int64_t pithi_even_count(int64_t count, int n_threads)
{
    return count > n_threads ? (count + n_threads / 2) / n_threads * n_threads : count;
}

/* Rows are cut unless B is much larger than what they read and write: then the next step, cut the same way, finds its
 * rows in the cache of the core that made them. */
pithi_grid pithi_gemm_f32_cut(const pith_gemm_f32 *kernel, int64_t n_rows, int64_t n_k, int64_t row_floats, int64_t n,
                              int64_t n_others, int n_threads)
{
    const int64_t panels = pithi_div_up(n, kernel->nr);
    const bool by_columns = n_k * n > n_rows * (row_floats + n) * 3 / 2;
    int64_t wanted = n_threads > 1 ? pithi_min_s64(4 * n_threads, n_others * n_rows * n_k * n / PITHI_PART_MACS) : 1;
    wanted = pithi_div_up(pithi_max_s64(wanted, 1), n_others);
    int64_t most_rows = (int64_t)pithi_l2_share() / pithi_max_s64((n_k + n) * (int64_t)sizeof(float), 1);
    int64_t bands = pithi_div_up(n_rows, pithi_max_s64(most_rows, 8 * kernel->mr_max));
    if (!by_columns) {
        bands = pithi_max_s64(bands, pithi_min_s64(wanted, n_rows / LEAST_ROWS));
    }
    bands = pithi_even_count(pithi_max_s64(bands, 1), n_others > 1 ? 1 : n_threads);
    int64_t enough = bands >= n_threads ? pithi_min_s64(wanted, 2 * n_threads) : wanted;
    int64_t unit = n_rows == 1 ? PITHI_ROW_PANELS : kernel->nv_max, n_units = pithi_div_up(panels, unit);
    int64_t blocks = pithi_min_s64(pithi_div_up(enough, bands), n_units);
    blocks = bands == 1 && n_others == 1 ? pithi_even_count(blocks, n_threads) : blocks;
    blocks = pithi_max_s64(pithi_min_s64(blocks, panels), n > 0);
    unit = n_rows > 1 && n_units < 2 * blocks ? 1 : unit;
    return (pithi_grid){ .n_bands = n_rows > 0 ? bands : 0, .n_blocks = blocks, .n = n, .unit = unit * kernel->nr };
}
