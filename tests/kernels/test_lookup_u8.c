/* SPDX-License-Identifier: Apache-2.0 */
/* lookup_u8 of every ISA: all bytes, all short lengths, operands at inaccessible pages, in place. */
#include "kernels/lookup_u8.h"
#include "support/test.h"

static void check_length(pith_test *test, const pith_lookup_u8 *kernel, size_t n, bool at_start, bool in_place)
{
    uint8_t table[256];
    pith_guarded x = pith_guarded_alloc(n, at_start), y = pith_guarded_alloc(n, at_start);
    uint8_t *from = x.data, *to = in_place ? x.data : y.data;
    size_t n_wrong = 0;
    for (size_t i = 0; i < 256; i++) {
        table[i] = (uint8_t)(i * 167 + 13); /* 167 is odd: a permutation */
    }
    for (size_t i = 0; i < n; i++) {
        from[i] = (uint8_t)(i + 7 * n);
    }
    kernel->run(table, from, to, n);
    for (size_t i = 0; i < n; i++) {
        n_wrong += to[i] != (uint8_t)((uint8_t)(i + 7 * n) * 167 + 13);
    }
    TEST_CHECK_MESSAGE(test, n_wrong == 0, "%zu of %zu bytes differ", n_wrong, n);
    pith_guarded_free(&x);
    pith_guarded_free(&y);
}

void test_lookup_u8(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("lookup_u8", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_lookup_u8 *kernel = set->records;
        pith_test_case(test, "%s", kernel->head.name);
        for (size_t n = 0; n < 200; n++) {
            check_length(test, kernel, n, n % 2, n % 3 == 0);
        }
        check_length(test, kernel, 1000, false, false);
    }
}
