/* SPDX-License-Identifier: Apache-2.0 */
/* Random data, guarded memory, comparison, failing allocator. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "graph/graph.h"
#include "graph/object.h"
#include "support/test.h"

uint64_t pith_test_random(pith_test *test)
{
    uint64_t x = test->random; /* xorshift64* (Marsaglia 2003, Vigna 2016) */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    test->random = x;
    return x * 2685821657736338717u;
}

double pith_test_uniform(pith_test *test, double low, double high)
{
    return low + (high - low) * (double)(pith_test_random(test) >> 11) * 0x1p-53;
}

void pith_test_fill(pith_test *test, pith_tensor *tensor, double low, double high, bool specials)
{
    static const double values[] = {
        0.0, -0.0, 1.0, -1.0, NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, FLT_MIN, 1e-40
    };
    static const pith_string strings[] = { { "", 0 }, { "a", 1 }, { "b", 1 }, { "Ab", 2 }, { "long word", 9 },
                                           { "\xc3\xa9", 2 } };
    pith_tensor parts = pithi_tensor_parts(tensor);
    tensor = &parts;
    int64_t count = pith_shape_elements(&tensor->shape);
    for (int64_t i = 0; i < count && tensor->dtype == PITH_DTYPE_STRING; i++) {
        ((pith_string *)tensor->data)[i] = strings[pith_test_random(test) % PITH_COUNT(strings)];
    }
    for (int64_t i = 0; i < count; i++) {
        double value = pith_test_uniform(test, low, high);
        if (specials && pithi_dtype_is_float(tensor->dtype) && pith_test_random(test) % 8 == 0) {
            value = values[pith_test_random(test) % PITH_COUNT(values)];
        }
        if (pithi_dtype_is_float(tensor->dtype)) {
            pithi_tensor_set_f64(tensor, i, value);
        } else {
            pithi_tensor_set_s64(tensor, i, (int64_t)floor(value));
        }
    }
}

pith_guarded pith_guarded_alloc(size_t n_bytes, bool at_start)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inner = (n_bytes + page - 1) / page * page;
    pith_guarded guarded = { .mapping_bytes = inner + 2 * page };
    guarded.mapping = mmap(NULL, guarded.mapping_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded.mapping == MAP_FAILED ||
        (inner && mprotect((char *)guarded.mapping + page, inner, PROT_READ | PROT_WRITE) != 0)) {
        abort();
    }
    guarded.data = (char *)guarded.mapping + page + (at_start ? 0 : inner - n_bytes);
    return guarded;
}

void pith_guarded_free(pith_guarded *guarded)
{
    munmap(guarded->mapping, guarded->mapping_bytes);
    *guarded = (pith_guarded){ 0 };
}

static double difference(double a, double b)
{
    if ((isnan(a) && isnan(b)) || a == b) {
        return 0.0;
    }
    double gap = fabs(a - b) / fmax(1.0, fabs(b));
    return isnan(gap) ? INFINITY : gap;
}

double pith_test_difference(const pith_tensor *a, const pith_tensor *b)
{
    if (a->dtype != b->dtype || !pith_shape_equal(&a->shape, &b->shape)) {
        return INFINITY;
    }
    if (pithi_dtype_has_pointers(a->dtype)) {
        return pithi_value_same(a, b, PITHI_WHOLE) ? 0.0 : 1.0;
    }
    if (!pithi_dtype_is_float(a->dtype)) {
        return pith_tensor_bytes(a) && memcmp(a->data, b->data, pith_tensor_bytes(a)) != 0 ? 1.0 : 0.0;
    }
    double worst = 0.0;
    for (int64_t i = 0; i < pith_shape_elements(&a->shape); i++) {
        worst = fmax(worst, difference(pithi_tensor_get_f64(a, i), pithi_tensor_get_f64(b, i)));
    }
    return worst;
}

static void *failing_alloc(void *user, size_t n_bytes)
{
    pith_failing_allocator *state = user;
    long call = state->n_calls++;
    bool fails = state->only_once ? call == state->n_good : call >= state->n_good;
    void *block = fails ? NULL : malloc(n_bytes ? n_bytes : 1);
    state->n_live += block != NULL;
    return block;
}

static void failing_release(void *user, void *block, size_t n_bytes)
{
    (void)n_bytes;
    ((pith_failing_allocator *)user)->n_live--;
    free(block);
}

pith_allocator pith_failing_allocator_make(pith_failing_allocator *state)
{
    return (pith_allocator){ failing_alloc, failing_release, state };
}
