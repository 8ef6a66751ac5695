/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PITH_TEST_PACKAGE_SEAL_H
#define PITH_TEST_PACKAGE_SEAL_H

#include <stddef.h>

/* Makes the hashes of a `.pith` file right after its bytes were changed, so that what lies behind them is met. Any
 * bytes are allowed. */
void pith_package_seal(unsigned char *data, size_t n_bytes);

#endif
