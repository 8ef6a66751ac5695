/* SPDX-License-Identifier: Apache-2.0 */
/* transpose of every ISA and element size against its definition: all small sizes, strides wider than the
 * matrix, operands that end or begin at inaccessible pages, nothing written between the rows. */
#include <stdlib.h>

#include "kernels/transpose.h"
#include "support/test.h"

#define MAX_EDGE 37 /* two of the widest tiles and a rest */

typedef struct transpose_case {
    int log2_bytes;
    int64_t n_rows, n_cols, src_stride, dst_stride;
} transpose_case;

static size_t extent(int64_t n, int64_t stride, int64_t length, int log2_bytes)
{
    return n == 0 || length == 0 ? 0 : (size_t)((n - 1) * stride + length) << log2_bytes;
}

static void check_case(pith_test *test, pith_transpose_fn *function, const transpose_case *c)
{
    size_t bytes = (size_t)1 << c->log2_bytes;
    size_t src_bytes = extent(c->n_rows, c->src_stride, c->n_cols, c->log2_bytes);
    size_t dst_bytes = extent(c->n_cols, c->dst_stride, c->n_rows, c->log2_bytes);
    pith_guarded src = pith_guarded_alloc(src_bytes, pith_test_random(test) & 1);
    pith_guarded dst = pith_guarded_alloc(dst_bytes, pith_test_random(test) & 1);
    unsigned char *from = src.data, *to = dst.data, *wanted = malloc(dst_bytes + 1);
    for (size_t i = 0; i < src_bytes; i++) {
        from[i] = (unsigned char)pith_test_random(test);
    }
    memset(to, 0xa5, dst_bytes);
    memset(wanted, 0xa5, dst_bytes + 1);
    for (int64_t r = 0; r < c->n_rows; r++) {
        for (int64_t k = 0; k < c->n_cols; k++) {
            memcpy(wanted + (size_t)(k * c->dst_stride + r) * bytes,
                   from + (size_t)(r * c->src_stride + k) * bytes, bytes);
        }
    }
    function(from, c->src_stride, to, c->dst_stride, c->n_rows, c->n_cols);
    TEST_CHECK_MESSAGE(test, memcmp(to, wanted, dst_bytes) == 0, "%lld x %lld, strides %lld and %lld",
                       (long long)c->n_rows, (long long)c->n_cols, (long long)c->src_stride, (long long)c->dst_stride);
    free(wanted);
    pith_guarded_free(&src);
    pith_guarded_free(&dst);
}

static void check_sizes(pith_test *test, pith_transpose_fn *function, int log2_bytes)
{
    for (int64_t n_rows = 0; n_rows <= MAX_EDGE; n_rows++) {
        for (int64_t n_cols = 0; n_cols <= MAX_EDGE; n_cols++) {
            transpose_case c = { log2_bytes, n_rows, n_cols, n_cols + (int64_t)(pith_test_random(test) % 3),
                                 n_rows + (int64_t)(pith_test_random(test) % 3) };
            check_case(test, function, &c);
        }
    }
}

static void check_turns(pith_test *test, pith_turns_fn *turns)
{
    enum { ROWS = 3, SECOND = 50, SRC_STRIDE = 110, DST_STRIDE = 101 };
    for (int64_t count = 0; count <= 50; count++) {
        pith_guarded src = pith_guarded_alloc((2 * SRC_STRIDE + SECOND + (size_t)count) * 4, true);
        pith_guarded dst = pith_guarded_alloc((2 * DST_STRIDE + 2 * (size_t)count) * 4, true);
        int32_t *from = src.data, *to = dst.data;
        for (int64_t i = 0; i < 2 * SRC_STRIDE + SECOND + count; i++) {
            from[i] = (int32_t)i;
        }
        memset(to, 0xff, (2 * DST_STRIDE + 2 * (size_t)count) * 4);
        turns(from, SECOND, SRC_STRIDE, to, DST_STRIDE, ROWS, count);
        bool is_same = true;
        for (int64_t i = 0; i < 2 * DST_STRIDE + 2 * count; i++) {
            const int64_t r = i / DST_STRIDE, at = i % DST_STRIDE;
            const int64_t wanted = at < 2 * count ? r * SRC_STRIDE + at % 2 * SECOND + at / 2 : -1;
            is_same &= to[i] == wanted;
        }
        TEST_CHECK_MESSAGE(test, is_same, "%lld by turns", (long long)count);
        pith_guarded_free(&src);
        pith_guarded_free(&dst);
    }
}

void test_transpose(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("transpose", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_transpose *kernel = set->records;
        if (kernel->turns) {
            pith_test_case(test, "%s, by turns", kernel->head.name);
            check_turns(test, kernel->turns);
        }
        for (int i = 0; i < PITH_TRANSPOSE_SIZES; i++) {
            if (kernel->functions[i]) {
                pith_test_case(test, "%s, %d bytes", kernel->head.name, 1 << i);
                check_sizes(test, kernel->functions[i], i);
            }
        }
    }
}
