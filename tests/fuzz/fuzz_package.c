/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: `.pith` files. fuzz_package [-max_len=8192] [-dict=tests/fuzz/text.dict] CORPUS_OF_YOUR_OWN
 * tests/fuzz/corpus/package. Hashes are made right before a file is read, so that changes get behind them. */
#include "support/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    pith_fuzz_package(data, n_bytes);
    return 0;
}
