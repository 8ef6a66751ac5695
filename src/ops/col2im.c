/* SPDX-License-Identifier: Apache-2.0 */
/* col2im: adds columns of window elements up to images: y[n, c, p] = sum of x[n, c * taps + t, l] over all windows
 * l and taps t that lie on pixel p. ONNX Col2Im. */
#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct col2im_attrs {
    pith_ints dilations, pads, strides;
} col2im_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INTS(col2im_attrs, dilations, "dilations"),
    PITH_ATTR_INTS(col2im_attrs, pads, "pads"),
    PITH_ATTR_INTS(col2im_attrs, strides, "strides"),
};

typedef struct col2im_geometry {
    int n;
    int64_t image[PITH_MAX_RANK], block[PITH_MAX_RANK], windows[PITH_MAX_RANK];
    int64_t dilations[PITH_MAX_RANK], pads[PITH_MAX_RANK], strides[PITH_MAX_RANK];
    int64_t n_taps, n_windows;
} col2im_geometry;

static col2im_geometry geometry_of(const col2im_attrs *attrs, const pith_tensor *inputs)
{
    col2im_geometry g = { .n = (int)pith_shape_elements(&inputs[1].shape), .n_taps = 1, .n_windows = 1 };
    for (int i = 0; i < g.n; i++) {
        g.image[i] = pithi_tensor_get_s64(&inputs[1], i);
        g.block[i] = pithi_tensor_get_s64(&inputs[2], i);
        g.dilations[i] = attrs->dilations.n_items ? attrs->dilations.items[i] : 1;
        g.strides[i] = attrs->strides.n_items ? attrs->strides.items[i] : 1;
        g.pads[i] = attrs->pads.n_items ? attrs->pads.items[i] : 0;
        int64_t padded = g.image[i] + g.pads[i] + (attrs->pads.n_items ? attrs->pads.items[i + g.n] : 0);
        int64_t room = padded - (g.dilations[i] * (g.block[i] - 1) + 1);
        g.windows[i] = room >= 0 ? room / g.strides[i] + 1 : 0;
        g.n_taps *= g.block[i];
        g.n_windows *= g.windows[i];
    }
    return g;
}

/* Window that has tap `tap` on pixel `pixel` (both flattened); -1 if none. */
static int64_t find_window(const col2im_geometry *g, int64_t pixel, int64_t tap)
{
    int64_t window = 0, step = 1;
    for (int i = g->n - 1; i >= 0; i--) {
        int64_t start = pixel % g->image[i] + g->pads[i] - tap % g->block[i] * g->dilations[i];
        if (start < 0 || start % g->strides[i] != 0 || start / g->strides[i] >= g->windows[i]) {
            return -1;
        }
        window += start / g->strides[i] * step;
        step *= g->windows[i];
        pixel /= g->image[i];
        tap /= g->block[i];
    }
    return window;
}

static void ref(const pith_run *run)
{
    col2im_geometry g = geometry_of(run->attrs, run->inputs);
    int64_t count = pith_shape_elements(&run->outputs[0].shape), n_pixels = 1;
    for (int i = 0; i < g.n; i++) {
        n_pixels *= g.image[i];
    }
    const pith_tensor x = pithi_tensor_parts(&run->inputs[0]);
    pith_tensor y = pithi_tensor_parts(&run->outputs[0]);
    const int64_t n_parts = count ? pith_shape_elements(&y.shape) / count : 1; /* of complex numbers: 2 */
    for (int64_t k = 0; k < count * n_parts; k++) {
        const int64_t i = k / n_parts;
        double sum = 0.0;
        for (int64_t tap = 0; tap < g.n_taps; tap++) {
            int64_t window = find_window(&g, i % n_pixels, tap);
            if (window >= 0) {
                int64_t at = (i / n_pixels * g.n_taps + tap) * g.n_windows + window;
                sum += pithi_tensor_get_f64(&x, at * n_parts + k % n_parts);
            }
        }
        pithi_tensor_set_f64(&y, k, sum);
    }
}

static pith_status infer(pith_infer *infer)
{
    const col2im_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    int64_t image[PITH_MAX_RANK], block[PITH_MAX_RANK];
    int n, n_block;
    PITH_TRY(pithi_infer_ints(infer, 1, image, &n));
    PITH_TRY(pithi_infer_ints(infer, 2, block, &n_block));
    PITH_CHECK(
        infer->ctx, x->rank == 3 && n == n_block && n > 0 && n + 2 <= PITH_MAX_RANK, PITH_STATUS_SHAPE,
        "x has rank %d, image_shape %d and block_shape %d dimensions; needed: 3, and the same number twice",
        x->rank, n, n_block);
    PITH_CHECK(infer->ctx, (attrs->dilations.n_items == 0 || attrs->dilations.n_items == n) &&
                               (attrs->strides.n_items == 0 || attrs->strides.n_items == n) &&
                               (attrs->pads.n_items == 0 || attrs->pads.n_items == 2 * n),
               PITH_STATUS_SHAPE, "dilations, strides and pads must be for %d dimensions", n);
    const int64_t limit = INT64_C(1) << 31; /* keeps the arithmetic in range */
    int64_t n_taps = 1;
    for (int i = 0; i < n; i++) {
        PITH_CHECK(infer->ctx,
                   image[i] < limit && block[i] < limit && !__builtin_mul_overflow(n_taps, block[i], &n_taps),
                   PITH_STATUS_LIMIT, "dimension %d: image size %lld and block size %lld", i,
                   (long long)image[i], (long long)block[i]);
        for (int k = 0; k < 2 && attrs->pads.n_items > 0; k++) {
            int64_t pad = attrs->pads.items[i + k * n];
            PITH_CHECK(infer->ctx, pad >= 0 && pad < limit, PITH_STATUS_LIMIT, "dimension %d: pad %lld", i,
                       (long long)pad);
        }
        bool is_sound = image[i] > 0 && block[i] > 0 &&
                        (attrs->dilations.n_items == 0 ||
                         (attrs->dilations.items[i] > 0 && attrs->dilations.items[i] < limit)) &&
                        (attrs->strides.n_items == 0 || attrs->strides.items[i] > 0);
        PITH_CHECK(infer->ctx, is_sound, PITH_STATUS_SHAPE,
                   "dimension %d: sizes, dilations and strides must be positive", i);
    }
    col2im_geometry g = geometry_of(attrs, infer->inputs);
    PITH_CHECK(infer->ctx, x->dims[1] % g.n_taps == 0 && x->dims[2] == g.n_windows, PITH_STATUS_SHAPE,
               "x has %lld rows and %lld columns; a multiple of %lld and %lld are needed", (long long)x->dims[1],
               (long long)x->dims[2], (long long)g.n_taps, (long long)g.n_windows);
    pith_shape y = { n + 2, { x->dims[0], x->dims[1] / g.n_taps } };
    memcpy(&y.dims[2], image, (size_t)n * sizeof *image);
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = y;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_ANY | PITH_DTYPES_COMPLEX, PITH_ONE },
    { "image_shape", PITH_DTYPES_INDEX, PITH_ONE },
    { "block_shape", PITH_DTYPES_INDEX, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_ANY | PITH_DTYPES_COMPLEX, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Col2Im", 18, NULL } };
static const char *const samples[] = { "f32[1,5,5] s64[2]{5,5} s64[2]{1,5}",
                                       "f32[2,8,12] s64[2]{5,4} s64[2]{2,2}",
                                       "c64[1,4,12] s64[2]{5,4} s64[2]{2,2}",
                                       "f32[1,4,4] s64[1]{7} s64[1]{4} | dilations=[2] pads=[2,1]" };

const pith_op pith_op_col2im = {
    .head = { "col2im", 1, PITH_ATTRS(attr_table, col2im_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
