/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a `.pith` file: each at a multiple of 64 bytes, the same bytes once, integers in the bits they need. */
#include "export/pith/store.h"

#include "graph/graph.h"
#include "import/pith/pith.h"

struct pithi_store_slot {
    uint64_t hash;
    size_t offset, n_bytes; /* n_bytes 0: free */
};

void pithi_weight_store_deinit(pithi_weight_store *store)
{
    pithi_free(store->bytes.ctx, store->bytes.data);
    pithi_free(store->bytes.ctx, store->slots);
    *store = (pithi_weight_store){ 0 };
}

/* ---- bits --------------------------------------------------------------------------------- */

static int64_t number_at(const pith_tensor *tensor, int64_t i)
{
    return tensor->dtype == PITH_DTYPE_S8   ? ((const int8_t *)tensor->data)[i]
           : tensor->dtype == PITH_DTYPE_U8 ? ((const uint8_t *)tensor->data)[i]
                                            : pithi_tensor_get_s64(tensor, i);
}

/* Bits for the range of the numbers, and where it begins; 0 if the dtype has no more. All codes stand for numbers of
 * the dtype, so a range that ends with the dtype's begins earlier than its least number. */
static int bits_of(const pith_tensor *tensor, int64_t *low_out)
{
    const int own_bits = (int)pith_dtype_bits(tensor->dtype);
    const bool is_signed = tensor->dtype == PITH_DTYPE_S8 || tensor->dtype == PITH_DTYPE_S4;
    const int64_t count = pith_shape_elements(&tensor->shape), highest = ((int64_t)1 << (own_bits - is_signed)) - 1;
    const int64_t half = (int64_t)1 << (own_bits - 1); /* numbers so far apart need all bits */
    int64_t low = highest, high = -highest - 1;
    for (int64_t i = 0; i < count && high - low < half; i++) {
        const int64_t number = number_at(tensor, i);
        low = number < low ? number : low;
        high = number > high ? number : high;
    }
    int n_bits = 1;
    while ((int64_t)1 << n_bits <= high - low) {
        n_bits++;
    }
    *low_out = pithi_min_s64(low, highest + 1 - ((int64_t)1 << n_bits));
    return n_bits < own_bits ? n_bits : 0;
}

static void pack(const pith_tensor *tensor, const pithi_stored *stored, unsigned char *to)
{
    const int64_t count = pith_shape_elements(&tensor->shape);
    unsigned word = 0, n_held = 0;
    for (int64_t i = 0; i < count; i++) {
        word |= (unsigned)(number_at(tensor, i) - stored->low) << n_held;
        n_held += (unsigned)stored->n_bits;
        if (n_held >= 8) {
            *to++ = (unsigned char)word;
            word >>= 8;
            n_held -= 8;
        }
    }
    if (n_held > 0) {
        *to = (unsigned char)word;
    }
}

/* ---- the same bytes once ------------------------------------------------------------------ */

static pith_status make_room(pithi_weight_store *store)
{
    const size_t n_slots = store->n_slots ? 2 * store->n_slots : 64;
    void *block = NULL;
    if (2 * store->n_used < store->n_slots) {
        return PITH_OK;
    }
    PITH_TRY(pithi_alloc_array(store->bytes.ctx, n_slots, sizeof *store->slots, &block));
    struct pithi_store_slot *slots = block;
    for (size_t i = 0; i < store->n_slots; i++) {
        size_t at = (size_t)store->slots[i].hash & (n_slots - 1);
        while (slots[at].n_bytes) {
            at = (at + 1) & (n_slots - 1);
        }
        slots[at] = store->slots[i].n_bytes ? store->slots[i] : slots[at];
    }
    pithi_free(store->bytes.ctx, store->slots);
    store->slots = slots;
    store->n_slots = n_slots;
    return PITH_OK;
}

/* Takes the bytes at the end away again if they are there already. */
static pith_status share(pithi_weight_store *store, size_t former_end, size_t *offset)
{
    PITH_TRY(make_room(store));
    unsigned char *data = store->bytes.data;
    const size_t n_bytes = store->bytes.n_bytes - *offset;
    const uint64_t hash = pithi_xxh64(0, data + *offset, n_bytes);
    size_t at = (size_t)hash & (store->n_slots - 1);
    for (; store->slots[at].n_bytes; at = (at + 1) & (store->n_slots - 1)) {
        const struct pithi_store_slot *slot = &store->slots[at];
        if (slot->hash == hash && slot->n_bytes == n_bytes &&
            memcmp(data + slot->offset, data + *offset, n_bytes) == 0) {
            memset(data + former_end, 0, store->bytes.n_bytes - former_end);
            store->bytes.n_bytes = former_end;
            *offset = slot->offset;
            return PITH_OK;
        }
    }
    store->slots[at] = (struct pithi_store_slot){ hash, *offset, n_bytes };
    store->n_used++;
    return PITH_OK;
}

pith_status pithi_weight_store_add(pithi_weight_store *store, const pith_tensor *tensor, pithi_stored *stored_out)
{
    const bool may_shrink = tensor->dtype == PITH_DTYPE_S8 || tensor->dtype == PITH_DTYPE_U8 ||
                            tensor->dtype == PITH_DTYPE_S4 || tensor->dtype == PITH_DTYPE_U4;
    const size_t former_end = store->bytes.n_bytes, count = (size_t)pith_shape_elements(&tensor->shape);
    void *data = store->bytes.data;
    pithi_stored stored = { .offset = pithi_align_up(former_end, PITH_ALIGNMENT) };
    stored.n_bits = may_shrink ? bits_of(tensor, &stored.low) : 0;
    const size_t n_bits = (size_t)stored.n_bits;
    const size_t n_bytes = n_bits ? count / 8 * n_bits + (count % 8 * n_bits + 7) / 8 : pith_tensor_bytes(tensor);
    pith_status status = pithi_grow(store->bytes.ctx, &data, &store->bytes.capacity, stored.offset + n_bytes, 1);
    store->bytes.data = data;
    PITH_TRY(status);
    store->bytes.n_bytes = stored.offset + n_bytes;
    if (stored.n_bits) {
        pack(tensor, &stored, store->bytes.data + stored.offset);
    } else {
        memcpy(store->bytes.data + stored.offset, tensor->data, n_bytes);
    }
    PITH_TRY(share(store, former_end, &stored.offset));
    *stored_out = stored;
    return PITH_OK;
}
