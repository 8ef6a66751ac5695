/* SPDX-License-Identifier: Apache-2.0 */
/* peak_f32 under every ISA: copies copy, sums are sums, and the multiply-adds give the fixed point that they have. */
#include <math.h>

#include "kernels/peak_f32.h"
#include "support/float_vectors.h"

static void check(pith_test *test, const pith_peak_f32 *peak)
{
    enum { N = 4 * PITH_PEAK_F32_STEP };
    pith_test_floats x = pith_test_floats_random(test, N, true, -1, 1, false);
    pith_test_floats y = pith_test_floats_new(N, false);
    double sum = 0.0;
    for (size_t i = 0; i < N; i++) {
        sum += (double)x.data[i];
    }
    TEST_CHECK(test, fabs((double)peak->read(x.data, N) - sum) < 1e-3);
    peak->copy(y.data, x.data, N);
    TEST_CHECK(test, memcmp(x.data, y.data, N * sizeof(float)) == 0);
    peak->write(y.data, N, 7.5f);
    for (size_t i = 0; i < N; i++) {
        TEST_CHECK(test, y.data[i] == 7.5f);
    }
    /* s = s * 0.999999 + 1e-6 goes to 1 from any start; without rounds the starts 0 .. chains-1 are summed. */
    double lanes = peak->n_lanes, chains = peak->n_chains;
    TEST_CHECK(test, (double)peak->multiply_add(0) == lanes * chains * (chains - 1) / 2);
    double settled = (double)peak->multiply_add(20000000);
    TEST_CHECK_MESSAGE(test, fabs(settled / (lanes * chains) - 1.0) < 0.2, "%g of %g", settled, lanes * chains);
    pith_test_floats_free(&x);
    pith_test_floats_free(&y);
}

void test_peak_f32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_isa_is_available(isa) ? pithi_kernel_of_isa("peak_f32", isa) : NULL;
        if (set) {
            pith_test_case(test, "%s", pithi_isa_name(isa));
            check(test, set->records);
        }
    }
}
