/* SPDX-License-Identifier: Apache-2.0 */
/* mel_weight_matrix: triangles on the mel scale, mel(f) = 2595 log10(1 + f / 700), that sum the bins of a one-sided
 * spectrum into bands; each has its peak of 1 in the bin of its centre. ONNX MelWeightMatrix. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_index.h"
#include "ops/shared_onnx.h"

typedef struct mel_attrs {
    int64_t output_datatype;
} mel_attrs;

static const pith_attr_spec table[] = { PITH_ATTR_INT(mel_attrs, output_datatype, "output_datatype", 1) };

enum { N_BANDS, DFT_LENGTH, SAMPLE_RATE, LOWER_HERTZ, UPPER_HERTZ };

static double to_mel(double hertz) { return 2595.0 * log10(1.0 + hertz / 700.0); }
static double to_hertz(double mel) { return 700.0 * (pow(10.0, mel / 2595.0) - 1.0); }

/* Spectrum bin in which edge `i` of the bands lies: band b rises from edge b to b + 1 and falls to b + 2. */
static int64_t edge_bin(const pith_run *run, int64_t i)
{
    int64_t n_bands = pithi_tensor_get_s64(&run->inputs[N_BANDS], 0);
    int64_t dft_length = pithi_tensor_get_s64(&run->inputs[DFT_LENGTH], 0);
    double low = to_mel(pithi_tensor_get_f64(&run->inputs[LOWER_HERTZ], 0));
    double high = to_mel(pithi_tensor_get_f64(&run->inputs[UPPER_HERTZ], 0));
    double hertz = to_hertz(low + (double)i * (high - low) / (double)(n_bands + 2));
    double bin = floor((double)(dft_length + 1) * hertz / (double)pithi_tensor_get_s64(&run->inputs[SAMPLE_RATE], 0));
    return !(bin > 0.0) ? 0 : (int64_t)fmin(bin, (double)dft_length); /* also for edges that are no frequency (NaN) */
}

static double weight(int64_t bin, int64_t left, int64_t centre, int64_t right)
{
    if (bin >= centre && bin < right) {
        return (double)(right - bin) / (double)(right - centre);
    }
    if (bin >= left && bin <= centre) {
        return left == centre ? 1.0 : (double)(bin - left) / (double)(centre - left);
    }
    return 0.0;
}

static void ref(const pith_run *run)
{
    pith_tensor *y = &run->outputs[0];
    int64_t n_bins = y->shape.dims[0], n_bands = y->shape.dims[1];
    for (int64_t band = 0; band < n_bands; band++) {
        int64_t left = edge_bin(run, band), centre = edge_bin(run, band + 1), right = edge_bin(run, band + 2);
        for (int64_t bin = 0; bin < n_bins; bin++) {
            double value = weight(bin, left, centre, right);
            if (pithi_dtype_is_float(y->dtype)) {
                pithi_tensor_set_f64(y, bin * n_bands + band, value);
            } else {
                pithi_tensor_set_s64(y, bin * n_bands + band, (int64_t)value);
            }
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const mel_attrs *attrs = infer->attrs;
    int64_t n_bands = 0, dft_length = 0;
    PITH_TRY(pithi_infer_int(infer, N_BANDS, &n_bands));
    PITH_TRY(pithi_infer_int(infer, DFT_LENGTH, &dft_length));
    for (int i = 0; i < infer->n_inputs; i++) {
        PITH_CHECK(infer->ctx, pith_shape_elements(&infer->inputs[i].shape) == 1, PITH_STATUS_SHAPE,
                   "input %d must be a scalar", i);
    }
    PITH_CHECK(infer->ctx, n_bands >= 0 && dft_length >= 0, PITH_STATUS_SHAPE,
               "%lld bands of a spectrum of length %lld", (long long)n_bands, (long long)dft_length);
    infer->outputs[0].shape = (pith_shape){ .rank = 2, .dims = { dft_length / 2 + 1, n_bands } };
    return pithi_infer_onnx_dtype(infer, "output_datatype", attrs->output_datatype, &infer->outputs[0].dtype);
}

static const pith_operand_spec inputs[] = {
    { "num_mel_bins", PITH_DTYPES_INDEX, PITH_ONE },     { "dft_length", PITH_DTYPES_INDEX, PITH_ONE },
    { "sample_rate", PITH_DTYPES_INDEX, PITH_ONE },      { "lower_edge_hertz", PITH_DTYPES_FLOAT, PITH_ONE },
    { "upper_edge_hertz", PITH_DTYPES_FLOAT, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "MelWeightMatrix", 17, NULL } };
static const char *const samples[] = { "s32[]{8} s32[]{16} s32[]{8192} f32[]{0} f32[]{4096}",
                                       "s64[]{40} s64[]{512} s64[]{16000} f32[]{20} f32[]{7600}",
                                       "s64[]{3} s64[]{5} s64[]{100} f64[]{0} f64[]{50} | output_datatype=11",
                                       "s64[]{0} s64[]{5} s64[]{100} f32[]{0} f32[]{50}" };

const pith_op pith_op_mel_weight_matrix = {
    .head = { "mel_weight_matrix", 1, PITH_ATTRS(table, mel_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
