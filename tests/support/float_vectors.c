/* SPDX-License-Identifier: Apache-2.0 */
#include "support/float_vectors.h"

pith_test_floats pith_test_floats_new(size_t n, bool at_start)
{
    pith_test_floats floats = { .guarded = pith_guarded_alloc(n * sizeof(float), at_start), .n = n };
    floats.data = floats.guarded.data;
    return floats;
}

pith_test_floats pith_test_floats_random(pith_test *test, size_t n, bool at_start, double low, double high,
                                         bool specials)
{
    pith_test_floats floats = pith_test_floats_new(n, at_start);
    pith_tensor tensor = { .dtype = PITH_DTYPE_F32, .shape = { .rank = 1, .dims = { (int64_t)n } },
                           .data = floats.data };
    pith_test_fill(test, &tensor, low, high, specials);
    return floats;
}

void pith_test_floats_free(pith_test_floats *floats)
{
    pith_guarded_free(&floats->guarded);
}

bool pith_test_same_float(float a, float b)
{
    return a == b || (a != a && b != b);
}

void pith_test_each_isa(pith_test *test, const char *family,
                        void (*check)(pith_test *test, const void *records, const char *isa))
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_isa_is_available(isa) ? pithi_kernel_of_isa(family, isa) : NULL;
        if (set) {
            pith_test_case(test, "%s", pithi_isa_name(isa));
            check(test, set->records, pithi_isa_name(isa));
        }
    }
}
