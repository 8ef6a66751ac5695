/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_order.h"

#include <math.h>

int64_t pithi_order_key(const pith_tensor *tensor, int64_t index)
{
    if (!pithi_dtype_is_float(tensor->dtype)) {
        int64_t value = pithi_tensor_get_s64(tensor, index);
        return tensor->dtype == PITH_DTYPE_U64 ? (int64_t)((uint64_t)value ^ (UINT64_C(1) << 63)) : value;
    }
    double value = pithi_tensor_get_f64(tensor, index) + 0.0; /* -0 becomes 0 */
    if (isnan(value)) {
        return INT64_MAX;
    }
    int64_t bits; /* of a negative number fall as it rises */
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

static bool is_before(const pithi_ranked *a, const pithi_ranked *b)
{
    return a->key > b->key || (a->key == b->key && a->index < b->index);
}

static void sift_down(pithi_ranked *items, int64_t n_items, int64_t at)
{
    pithi_ranked moving = items[at];
    for (int64_t child = 2 * at + 1; child < n_items; child = 2 * at + 1) {
        if (child + 1 < n_items && is_before(&items[child + 1], &items[child])) {
            child++;
        }
        if (!is_before(&items[child], &moving)) {
            break;
        }
        items[at] = items[child];
        at = child;
    }
    items[at] = moving;
}

void pithi_heap_make(pithi_ranked *items, int64_t n_items)
{
    for (int64_t at = n_items / 2 - 1; at >= 0; at--) {
        sift_down(items, n_items, at);
    }
}

void pithi_heap_replace(pithi_ranked *items, int64_t n_items, pithi_ranked item)
{
    items[0] = item;
    sift_down(items, n_items, 0);
}

pithi_ranked pithi_heap_pop(pithi_ranked *items, int64_t n_items)
{
    pithi_ranked top = items[0];
    items[0] = items[n_items - 1];
    if (n_items > 1) {
        sift_down(items, n_items - 1, 0);
    }
    return top;
}
