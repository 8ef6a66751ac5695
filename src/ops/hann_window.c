/* SPDX-License-Identifier: Apache-2.0 */
/* hann_window: sin^2(pi i / n), the raised cosine. ONNX HannWindow. */
#include "ops/sample.h"
#include "ops/shared_window.h"

static const pith_attr_spec table[] = { PITHI_WINDOW_ATTRS };

static void ref(const pith_run *run)
{
    pithi_window_ref(run, 0.5, 0.5, 0.0);
}

static const pith_operand_spec inputs[] = { { "size", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "HannWindow", 17, NULL } };
static const char *const samples[] = { "s32[]{10}", "s64[]{7} | periodic=0", "s64[]{5} | output_datatype=11",
                                       "s64[]{0}", "s64[]{1} | periodic=0" };

const pith_op pith_op_hann_window = {
    .head = { "hann_window", 1, PITH_ATTRS(table, pithi_window_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_window_infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
