/* SPDX-License-Identifier: Apache-2.0 */
#include "support/float_operand.h"

#include <float.h>
#include <math.h>

int pith_test_pick(pith_test *test, int low, int high)
{
    return low + (int)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

pith_test_operand pith_test_operand_make(pith_test *test, size_t count, bool specials)
{
    static const float values[] = { 0.0f, -0.0f, NAN, INFINITY, -INFINITY, FLT_MIN, 1e-40f, 1.0f };
    pith_test_operand o = { .memory = pith_guarded_alloc(count * sizeof(float), pith_test_random(test) & 1),
                            .count = count };
    o.data = o.memory.data;
    for (size_t i = 0; i < count; i++) {
        o.data[i] = (float)pith_test_uniform(test, -2.0, 2.0);
        if (specials && pith_test_random(test) % 64 == 0) {
            o.data[i] = values[pith_test_random(test) % 8];
        }
    }
    return o;
}

bool pith_test_is_close(double got, double wanted, double bound)
{
    return (isnan(got) && isnan(wanted)) || got == wanted || fabs(got - wanted) <= bound;
}
