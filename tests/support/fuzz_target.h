/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers call, and what the replay of their corpora calls in ordinary tests. */
#ifndef PITH_TEST_FUZZ_TARGET_H
#define PITH_TEST_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Bytes as an ONNX model under low limits: import, print, clone; load, plan, and run what is cheap. Returns how far
 * the bytes came: 0 refused, 1 imported, 2 planned, 3 run. Anything wrong is for the sanitizers to see, except for
 * broken graphs and lost memory, which abort. */
int pith_fuzz_onnx(const uint8_t *data, size_t n_bytes);

/* The same for the text form, which must also read back to itself. */
int pith_fuzz_text(const uint8_t *data, size_t n_bytes);

/* The same for `.pith` files, whose hashes are made right first; they must write back to themselves. */
int pith_fuzz_package(const uint8_t *data, size_t n_bytes);

/* What is read beside models; the first byte chooses the reader. Returns 0. In builds with the tool only. */
int pith_fuzz_files(const uint8_t *data, size_t n_bytes);

#endif
