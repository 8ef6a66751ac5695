/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: the text form. fuzz_text [-max_len=8192] [-dict=tests/fuzz/text.dict] CORPUS_OF_YOUR_OWN SEEDS, which
 * `pith info --text` makes of models. What is read must print, and read back to the same text; then it is planned and
 * run under low limits like any model. */
#include "support/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    pith_fuzz_text(data, n_bytes);
    return 0;
}
