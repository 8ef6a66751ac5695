/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: ONNX models. fuzz_onnx [-max_len=8192] CORPUS_OF_YOUR_OWN tests/fuzz/corpus/onnx
 * onnx_mutator.c changes messages instead of bytes most of the time. */
#include "support/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    pith_fuzz_onnx(data, n_bytes);
    return 0;
}
