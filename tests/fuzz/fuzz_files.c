/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: what the tool reads beside models (tests/support/fuzz_files.c). */
#include "support/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) { return pith_fuzz_files(data, n_bytes); }
