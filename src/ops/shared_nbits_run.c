/* SPDX-License-Identifier: Apache-2.0 */
/* Products with packed weights on kernels/gemm_nbits.h: few rows are multiplied by weights unpacked in registers, many
 * by panels that are unpacked into cache for kernels/gemm_f32.h. With accuracy_level 4 rows are rounded to 8 bits and
 * multiplied in integers, kernels/gemm_nbits_s8.h. */
#include <math.h>

#include "kernels/gemm_nbits_s8.h"
#include "ops/shared_gemm.h"
#include "ops/shared_nbits.h"

#define MOST_ROWS 32                     /* more are worth unpacking panels */
#define STRIP_BYTES ((size_t)192 << 10)  /* of an unpacked panel, in L2 */
#define PANELS_PER_GRAIN 4
#define F8E4M3_SCALE 256.0f

typedef struct nbits_state {
    const pith_gemm_nbits *kernel;
    const pith_gemm_f32 *gemm;
    const pith_gemm_nbits_s8 *s8; /* NULL: floats */
    int nr;
    pithi_finish finish;
    pith_gemm_nbits_tile tile;   /* all but what depends on the rows */
    float table[256];
    int32_t *map;                /* k of value i of the packed rows, -1: none; NULL: the same, and all are there */
    int64_t n, k, n_rows, n_packed; /* n_packed: values of a packed row */
    int64_t group_packed, n_panels;
    size_t shared_sums;          /* offset in shared memory; of integers: of q */
    bool arranges, unpacks;
    int64_t strip_panels, strip_words, n_grains;
} nbits_state;

/* ---- packing ------------------------------------------------------------------------------ */

static bool is_signed(pith_dtype dtype)
{
    return dtype == PITH_DTYPE_S8 || dtype == PITH_DTYPE_S4 || dtype == PITH_DTYPE_S2;
}

static pith_nbits_format format_of(const pithi_nbits_weights *w)
{
    if (w->table) {
        return pith_dtype_bits(w->codes.dtype) <= 4 ? PITH_NBITS_TABLE4 : PITH_NBITS_TABLE8;
    }
    switch (w->codes.dtype) {
    case PITH_DTYPE_U2:
    case PITH_DTYPE_S2: return PITH_NBITS_INT2;
    case PITH_DTYPE_U4:
    case PITH_DTYPE_S4: return PITH_NBITS_INT4;
    case PITH_DTYPE_U8:
    case PITH_DTYPE_S8: return PITH_NBITS_INT8;
    case PITH_DTYPE_F16: return PITH_NBITS_F16;
    case PITH_DTYPE_BF16: return PITH_NBITS_BF16;
    case PITH_DTYPE_F8E4M3FN: return PITH_NBITS_F8E4M3;
    default: return PITH_NBITS_F8E5M2;
    }
}

static bool is_int(pith_nbits_format format) { return format <= PITH_NBITS_INT8; }

/* Values that the kernel finds in a table; short tables go on with their last one, as the reference has it. */
static void fill_table(nbits_state *s, const pithi_nbits_weights *w)
{
    const int bits = pithi_nbits_bits(s->tile.format);
    const int64_t last = w->table ? pith_shape_elements(&w->table->shape) - 1 : 0;
    for (int i = 0; i < 256; i++) {
        s->table[i] = w->table ? (float)pithi_tensor_get_f64(w->table, pithi_min_s64(i, last))
                               : (float)((i & ((1 << bits) - 1)) - (1 << (bits - 1)));
    }
}

/* Where weights of each group go; groups of a list lie together, each filled up to whole words. */
static pith_status make_map(pith_prepare *prepare, const pithi_nbits_weights *w, nbits_state *s)
{
    const int64_t per = pithi_nbits_per_word(s->tile.format);
    void *block = NULL, *counts = NULL;
    int64_t most = pithi_min_s64(w->block, w->k), end = 0;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)w->n_groups, sizeof(int64_t), &counts));
    int64_t *fill = counts;
    for (int64_t k = 0; w->group && k < w->k; k++) {
        most = pithi_max_s64(most, ++fill[pithi_nbits_group(w, k)]);
    }
    s->group_packed = pithi_div_up(pithi_max_s64(most, 1), per) * per;
    memset(fill, 0, (size_t)w->n_groups * sizeof *fill);
    const int64_t capacity = w->n_groups * s->group_packed;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)capacity, sizeof(int32_t), &block));
    int32_t *map = block;
    memset(map, 0xff, (size_t)capacity * sizeof *map);
    bool is_same = true;
    for (int64_t k = 0; k < w->k; k++) {
        const int64_t g = pithi_nbits_group(w, k), at = g * s->group_packed + fill[g]++;
        map[at] = (int32_t)k;
        is_same = is_same && at == k;
        end = pithi_max_s64(end, at + 1);
    }
    s->n_packed = pithi_div_up(end, per) * per;
    s->map = map;
    s->arranges = !is_same || s->n_packed != w->k;
    return PITH_OK;
}

/* Sizes of the parts of a packed block. */
typedef struct nbits_sizes {
    size_t codes, scales, zeros;
} nbits_sizes;

static nbits_sizes sizes_of(const nbits_state *s)
{
    const pith_gemm_nbits_tile *t = &s->tile;
    const size_t n_lists = (size_t)s->n_panels * t->n_groups * (size_t)s->nr;
    return (nbits_sizes){ pithi_align_up((size_t)s->n_panels * t->panel_bytes, PITH_ALIGNMENT),
                          pithi_align_up(n_lists * sizeof(float), PITH_ALIGNMENT),
                          !t->zeros ? 0 : n_lists * (t->zeros_are_float ? sizeof(float) : 1) };
}

typedef struct nbits_job {
    const pithi_nbits_weights *weights;
    const nbits_state *state;
} nbits_job;

static unsigned code_at(const pithi_nbits_weights *w, int64_t at)
{
    if (pith_dtype_bits(w->codes.dtype) == 16) {
        return ((const uint16_t *)w->codes.data)[at];
    }
    return pithi_tensor_get_code(&w->codes, at);
}

static void pack_column(const nbits_job *job, int64_t n, uint8_t *codes)
{
    const nbits_state *s = job->state;
    const pithi_nbits_weights *w = job->weights;
    const pith_nbits_format format = s->tile.format;
    const int bits = pithi_nbits_bits(format), nr = s->nr, per = pithi_nbits_per_word(format);
    const size_t row_bytes = pithi_nbits_row_bytes(format, nr), lane = (size_t)(n % nr);
    const unsigned flip = is_int(format) && is_signed(w->codes.dtype) ? 1u << (bits - 1) : 0;
    codes += (size_t)(n / nr) * s->tile.panel_bytes;
    for (int64_t word = 0; word < s->n_packed / per; word++, codes += row_bytes) {
        uint32_t value = 0;
        for (int j = 0; j < per; j++) {
            const int32_t k = s->map[word * per + (per > 1 ? pithi_nbits_k(bits, j) : 0)];
            const unsigned code = k < 0 ? 0 : code_at(w, n * w->n_step + k * w->k_step) ^ flip;
            value |= (uint32_t)code << (j * bits);
        }
        if (per > 1) {
            memcpy(codes + 4 * lane, &value, sizeof value);
        } else if (bits == 16) {
            const uint16_t half = (uint16_t)value;
            memcpy(codes + 2 * lane, &half, sizeof half);
        } else {
            codes[lane] = (uint8_t)value;
        }
    }
}

static void pack_lists(const nbits_job *job, int64_t n, float *scales, void *zeros)
{
    const nbits_state *s = job->state;
    const pithi_nbits_weights *w = job->weights;
    const int nr = s->nr;
    const int64_t middle = is_int(s->tile.format) && !is_signed(w->codes.dtype)
                               ? (int64_t)1 << (pithi_nbits_bits(s->tile.format) - 1) : 0;
    for (int64_t g = 0; g < w->n_groups; g++) {
        const int64_t at = (n / nr * w->n_groups + g) * nr + n % nr;
        double zero = (double)w->default_zero;
        if (w->zero.dtype) {
            zero = pithi_tensor_get_f64(&w->zero, n * w->zero_n + g * w->zero_g);
        }
        float scale = w->scale.dtype ? (float)pithi_tensor_get_f64(&w->scale, n * w->scale_n + g * w->scale_g) : 1.0f;
        scales[at] = s->tile.format == PITH_NBITS_F8E4M3 ? scale * F8E4M3_SCALE : scale;
        if (s->tile.zeros_are_float) {
            ((float *)zeros)[at] = (float)(zero - (double)middle);
        } else if (s->tile.zeros) {
            ((int8_t *)zeros)[at] = (int8_t)(zero - (double)middle);
        }
    }
}

static void pack(void *user, void *block)
{
    const nbits_job *job = user;
    const nbits_sizes sizes = sizes_of(job->state);
    uint8_t *codes = block, *scales = codes + sizes.codes, *zeros = scales + sizes.scales;
    memset(block, 0, sizes.codes + sizes.scales + sizes.zeros);
    for (int64_t n = 0; n < job->weights->n; n++) {
        pack_column(job, n, codes);
        pack_lists(job, n, (float *)(void *)scales, zeros);
    }
}

/* Zero points are needed unless every value is its code less the middle. */
static bool has_zeros(const pithi_nbits_weights *w, pith_nbits_format format)
{
    if (!w->zero.dtype) {
        const int64_t middle = is_signed(w->codes.dtype) ? 0 : (int64_t)1 << (pithi_nbits_bits(format) - 1);
        return is_int(format) && w->default_zero != middle;
    }
    for (int64_t i = 0; i < pith_shape_elements(&w->zero.shape) && is_signed(w->codes.dtype); i++) {
        if (pithi_tensor_get_f64(&w->zero, i) != 0.0) {
            return true;
        }
    }
    return !is_signed(w->codes.dtype);
}

/* ---- prepare ------------------------------------------------------------------------------ */

/* Weights and their lists are known, and in a format that kernels have. */
static bool is_possible(const pith_prepare *prepare, const pithi_nbits_weights *w, bool is_conv)
{
    const pithi_nbits_attrs *attrs = prepare->attrs;
    const pith_tensor *lists[] = { &w->codes, &w->scale, &w->zero, w->group, w->table };
    for (int i = 0; i < PITH_COUNT(lists); i++) {
        if (lists[i] && lists[i]->dtype && !lists[i]->data) {
            return false;
        }
    }
    for (int64_t i = 0; w->codes.dtype == PITH_DTYPE_F8E4M3FN && i < pith_shape_elements(&w->codes.shape); i++) {
        if ((pithi_tensor_get_code(&w->codes, i) & 0x7f) == 0x7f) {
            return false; /* NaN */
        }
    }
    const bool is_float_zero = w->zero.dtype && pithi_dtype_is_float(w->zero.dtype);
    return prepare->outputs[0].dtype == PITH_DTYPE_F32 && w->k > 0 && w->n > 0 && w->k <= INT32_MAX &&
           pith_shape_elements(&prepare->outputs[0].shape) > 0 && (!is_conv || attrs->channels_last) &&
           (!w->zero.dtype || is_float_zero || is_int(format_of(w)));
}

/* The file allows 8 bits for a. */
static bool takes_s8(const pith_prepare *prepare, const pithi_nbits_weights *w)
{
    const pithi_nbits_attrs *attrs = prepare->attrs;
    return attrs->accuracy_level == 4 && !prepare->is_exact && is_int(format_of(w)) && !w->group &&
           w->block <= 65536 && !(w->zero.dtype && pithi_dtype_is_float(w->zero.dtype)) &&
           pithi_gemm_nbits_s8(prepare->isa_limit)->is_fast;
}

static bool needs_sums(const nbits_state *s) { return s->tile.zeros && !s->unpacks && !s->s8; }

static int64_t n_row_tiles(const nbits_state *s) { return pithi_div_up(s->n_rows, pithi_nbits_s8_rows(s->n_rows)); }

/* Of rounded rows; of their scales or sums. */
static size_t codes_bytes(const nbits_state *s)
{
    return pithi_align_up((size_t)(n_row_tiles(s) * pithi_nbits_s8_rows(s->n_rows) * s->n_packed), PITH_ALIGNMENT);
}

static size_t lists_bytes(const nbits_state *s)
{
    return (size_t)(n_row_tiles(s) * pithi_nbits_s8_rows(s->n_rows)) * s->tile.n_groups * sizeof(float);
}

static void cut(pith_prepare *prepare, nbits_state *s)
{
    const int64_t nr = s->nr, per = pithi_nbits_per_word(s->tile.format);
    if (s->unpacks) { /* strips as wide as a register tile of the product */
        s->strip_panels = pithi_max_s64((int64_t)s->gemm->nr * s->gemm->nv_max / nr, 1);
        const int64_t row_bytes = s->strip_panels * nr * per * (int64_t)sizeof(float);
        s->strip_words = pithi_max_s64((int64_t)STRIP_BYTES / row_bytes, 1);
        s->strip_words = pithi_min_s64(s->strip_words, (int64_t)s->tile.n_words);
        prepare->scratch_bytes = (size_t)(s->strip_words * row_bytes) + (size_t)s->n_rows * sizeof(float *);
    } else {
        s->strip_panels = PANELS_PER_GRAIN;
        prepare->scratch_bytes = (size_t)s->n_rows * sizeof(float *);
    }
    s->n_grains = pithi_div_up(s->n_panels, s->strip_panels);
    const int64_t n_parts = s->n_rows * s->n * s->k / PITHI_PART_MACS;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(s->n_grains, n_parts), 1);
}

/* Of what is packed with the codes: products may share those and have other scales. */
static uint64_t key_of(const pithi_nbits_weights *w, const nbits_state *s)
{
    const pith_tensor *lists[] = { &w->scale, &w->zero, w->group };
    const int64_t facts[] = { s->nr, w->n, w->k, w->n_step, w->block, w->n_groups, s->tile.format, w->default_zero,
                              w->scale_n, w->zero_n };
    uint64_t key = pithi_hash(PITHI_HASH_START, s->kernel->head.name, strlen(s->kernel->head.name));
    key = pithi_hash(key, facts, sizeof facts);
    for (int i = 0; i < PITH_COUNT(lists); i++) {
        const pith_dtype dtype = lists[i] ? lists[i]->dtype : PITH_DTYPE_NONE;
        key = pithi_hash(key, &dtype, sizeof dtype);
        key = dtype ? pithi_hash(key, lists[i]->data, pith_tensor_bytes(lists[i])) : key;
    }
    return key;
}

static pith_status prepare_weights(pith_prepare *prepare, const pithi_nbits_weights *w, nbits_state *s)
{
    pith_gemm_nbits_tile *t = &s->tile;
    t->format = format_of(w);
    PITH_TRY(make_map(prepare, w, s));
    const size_t per = (size_t)pithi_nbits_per_word(t->format);
    t->n_words = (size_t)s->n_packed / per;
    t->group_words = (size_t)s->group_packed / per;
    t->n_groups = (size_t)w->n_groups;
    t->panel_bytes = t->n_words * pithi_nbits_row_bytes(t->format, s->nr);
    t->zeros = has_zeros(w, t->format) ? s : NULL; /* where they lie is known below */
    t->zeros_are_float = t->zeros && w->zero.dtype && pithi_dtype_is_float(w->zero.dtype);
    fill_table(s, w);
    t->table = s->table;
    const nbits_sizes sizes = sizes_of(s);
    nbits_job job = { w, s };
    const void *packed = NULL;
    PITH_TRY(pithi_prepare_pack(prepare, w->codes.data, key_of(w, s),
                                sizes.codes + sizes.scales + sizes.zeros, pack, &job, &packed));
    t->codes = packed;
    t->scales = (const float *)(const void *)((const char *)packed + sizes.codes);
    t->zeros = t->zeros ? (const char *)packed + sizes.codes + sizes.scales : NULL;
    return PITH_OK;
}

pith_status pithi_nbits_prepare(pith_prepare *prepare, bool is_conv)
{
    const pithi_nbits_attrs *attrs = prepare->attrs;
    pithi_nbits_weights w;
    pithi_finish finish;
    void *block = NULL;
    PITH_TRY(pithi_nbits_weights_of(prepare->ctx, attrs, prepare->inputs, prepare->n_inputs, -1, &w));
    if (!is_possible(prepare, &w, is_conv) || !pithi_finish_make(&attrs->activation, prepare->isa_limit, &finish)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(nbits_state), &block));
    nbits_state *s = block;
    s->kernel = pithi_gemm_nbits(prepare->isa_limit);
    s->gemm = pithi_gemm_f32(prepare->isa_limit);
    s->finish = finish;
    s->n = w.n;
    s->k = w.k;
    s->s8 = takes_s8(prepare, &w) ? pithi_gemm_nbits_s8(prepare->isa_limit) : NULL;
    s->nr = s->s8 ? s->s8->nr : s->kernel->nr;
    s->n_panels = pithi_div_up(w.n, s->nr);
    s->n_rows = pith_shape_elements(&prepare->outputs[0].shape) / w.n;
    s->unpacks = !s->s8 && s->n_rows > MOST_ROWS;
    PITH_TRY(prepare_weights(prepare, &w, s));
    cut(prepare, s);
    const size_t rows_bytes = s->arranges ? (size_t)(s->n_rows * s->n_packed) * sizeof(float) : 0;
    s->shared_sums = pithi_align_up(rows_bytes, PITH_ALIGNMENT);
    s->tile.sum_stride = s->tile.n_groups;
    prepare->shared_bytes = s->shared_sums + (needs_sums(s) ? (size_t)(s->n_rows * w.n_groups) * sizeof(float) : 0);
    if (s->s8) {
        prepare->shared_bytes = s->shared_sums + codes_bytes(s) + 2 * lists_bytes(s);
    }
    prepare->n_phases = prepare->shared_bytes > 0 ? 2 : 1;
    prepare->use_run = true;
    prepare->state = s;
    prepare->kernel = s->s8 ? s->s8->head.name : s->unpacks ? s->gemm->head.name : s->kernel->head.name;
    prepare->why = s->s8        ? "accuracy_level 4: rows are rounded to 8 bits, group by group"
                   : s->unpacks ? "weights stay packed; panels are unpacked into cache"
                                : "weights stay packed";
    return PITH_OK;
}

/* ---- run ---------------------------------------------------------------------------------- */

static const float *row_of(const pith_run *run, const nbits_state *s, int64_t row)
{
    return s->arranges ? (const float *)run->shared + row * s->n_packed
                       : (const float *)run->inputs[PITHI_NBITS_A].data + row * s->k;
}

static void sum_groups(const nbits_state *s, const float *a, float *sums)
{
    for (int64_t g = 0; g < (int64_t)s->tile.n_groups; g++) {
        const int64_t first = g * s->group_packed, last = pithi_min_s64(first + s->group_packed, s->n_packed);
        float sum[8] = { 0.0f };
        int64_t i = first;
        for (; i + 8 <= last; i += 8) {
            for (int lane = 0; lane < 8; lane++) {
                sum[lane] += a[i + lane];
            }
        }
        for (; i < last; i++) {
            sum[0] += a[i];
        }
        sums[g] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    }
}

static pith_nbits_s8_rows rounded_rows(const pith_run *run, const nbits_state *s)
{
    char *start = (char *)run->shared + s->shared_sums, *lists = start + codes_bytes(s);
    return (pith_nbits_s8_rows){ (int8_t *)start, (float *)(void *)lists,
                                 (int32_t *)(void *)(lists + lists_bytes(s)) };
}

static void round_row(const nbits_state *s, const pith_nbits_s8_rows *rows, const float *a, int64_t row)
{
    const int64_t high = pithi_nbits_s8_rows(s->n_rows), tile = row / high, m = row % high;
    const int64_t n_groups = (int64_t)s->tile.n_groups;
    int8_t *q = rows->q + tile * high * s->n_packed + 4 * m;
    for (int64_t g = 0; g < n_groups; g++) {
        const int64_t first = g * s->group_packed, n = pithi_min_s64(s->group_packed, s->n_packed - first);
        const int64_t at = (tile * n_groups + g) * high + m;
        s->s8->quantize(a + first, (size_t)n, q + first * high, (size_t)(4 * high), rows->scales + at,
                        rows->sums + at);
    }
}

/* Rows of a as the packed weights want them, and what is needed of their groups. */
static void arrange(const pith_run *run, const nbits_state *s, const pith_part *part)
{
    int64_t begin, end;
    float *sums = (float *)(void *)((char *)run->shared + s->shared_sums);
    pithi_part_range(part, s->n_rows, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        const float *a = (const float *)run->inputs[PITHI_NBITS_A].data + row * s->k;
        float *to = (float *)run->shared + row * s->n_packed;
        for (int64_t i = 0; s->arranges && i < s->n_packed; i++) {
            to[i] = s->map[i] < 0 ? 0.0f : a[s->map[i]];
        }
        a = row_of(run, s, row);
        if (s->s8) {
            const pith_nbits_s8_rows rows = rounded_rows(run, s);
            round_row(s, &rows, a, row);
        } else if (needs_sums(s)) {
            sum_groups(s, a, sums + row * (int64_t)s->tile.n_groups);
        }
    }
}

/* The strip's weights as floats, some words at a time. */
static void run_unpacked(const nbits_state *s, const pith_gemm_nbits_tile *t, float *strip, int64_t first_panel)
{
    static const ptrdiff_t no_offset = 0;
    const int nr = s->nr;
    const int64_t n_panels = pithi_div_up(t->n_columns, nr), width = n_panels * nr, words = (int64_t)t->n_words;
    const int64_t per = pithi_nbits_per_word(t->format);
    for (int64_t w = 0; w < words; w += s->strip_words) {
        const int64_t end = pithi_min_s64(w + s->strip_words, words);
        for (int64_t p = 0; p < n_panels; p++) {
            s->kernel->unpack(&s->tile, (size_t)(first_panel + p), (size_t)w, (size_t)end, strip + p * nr,
                              (size_t)width);
        }
        const bool is_last = end == words;
        const ptrdiff_t offset = no_offset + (ptrdiff_t)(w * per);
        const pith_gemm_f32_tile tile = {
            .a_rows = t->a_rows, .segment_offsets = &offset, .n_segments = 1,
            .segment_length = (size_t)((end - w) * per), .b = strip, .b_row_stride = (size_t)width,
            .b_panel_stride = (size_t)s->gemm->nr, .bias = t->bias, .residual = is_last ? t->residual : NULL,
            .residual_stride = t->residual_stride, .c = t->c, .c_stride = t->c_stride, .mr = t->mr,
            .n_columns = t->n_columns, .accumulate = w > 0, .lo = is_last ? t->lo : -INFINITY,
            .hi = is_last ? t->hi : INFINITY,
        };
        s->gemm->tile(&tile);
    }
}

static void run_grain(const pith_run *run, const nbits_state *s, int64_t grain, const pith_part *part)
{
    const int nr = s->nr;
    const int64_t panel = grain * s->strip_panels, n0 = panel * nr;
    const size_t n = (size_t)s->n, lists = (size_t)panel * s->tile.n_groups * (size_t)nr;
    const pith_tensor *bias = &run->inputs[PITHI_NBITS_BIAS], *residual = &run->inputs[PITHI_NBITS_RESIDUAL];
    float *strip = part->scratch;
    const float **rows = part->scratch;
    if (s->unpacks) {
        rows = (const float **)(void *)(strip + s->strip_words * s->strip_panels * nr *
                                                    pithi_nbits_per_word(s->tile.format));
    }
    for (int64_t i = 0; i < s->n_rows && !s->s8; i++) {
        rows[i] = row_of(run, s, i);
    }
    pith_gemm_nbits_tile tile = s->tile;
    tile.a_rows = rows;
    tile.sums = tile.zeros ? (const float *)(const void *)((const char *)run->shared + s->shared_sums) : NULL;
    tile.codes = (const char *)tile.codes + (size_t)panel * tile.panel_bytes;
    tile.scales += lists;
    tile.zeros = tile.zeros ? (const char *)tile.zeros + lists * (tile.zeros_are_float ? sizeof(float) : 1) : NULL;
    tile.bias = run->n_inputs > PITHI_NBITS_BIAS && bias->data ? (const float *)bias->data + n0 : NULL;
    tile.residual = run->n_inputs > PITHI_NBITS_RESIDUAL && residual->data ? (const float *)residual->data + n0 : NULL;
    tile.residual_stride = tile.c_stride = n;
    tile.c = (float *)run->outputs[0].data + n0;
    tile.mr = (int)s->n_rows;
    tile.n_columns = (int)pithi_min_s64(s->strip_panels * nr, s->n - n0);
    tile.lo = s->finish.lo;
    tile.hi = s->finish.hi;
    if (s->s8) {
        const pith_nbits_s8_rows rounded = rounded_rows(run, s);
        s->s8->tile(&tile, &rounded);
    } else if (s->unpacks) {
        run_unpacked(s, &tile, strip, panel);
    } else {
        s->kernel->tile(&tile);
    }
    pithi_finish_apply(&s->finish, tile.c, (size_t)s->n_rows, n, (size_t)tile.n_columns, 0);
}

void pithi_nbits_run(const pith_run *run, const pith_part *part)
{
    const nbits_state *s = run->state;
    int64_t begin, end;
    if (run->shared && s->tile.n_words && part->phase == 0 && (s->arranges || s->s8 || needs_sums(s))) {
        arrange(run, s, part);
        return;
    }
    pithi_part_range(part, s->n_grains, &begin, &end);
    for (int64_t grain = begin; grain < end; grain++) {
        run_grain(run, s, grain, part);
    }
}
