/* SPDX-License-Identifier: Apache-2.0 */
/* The weights of a `.pith` file while they are gathered, and the file around all sections. */
#ifndef PITH_EXPORT_PITH_H
#define PITH_EXPORT_PITH_H

#include "export/export.h"
#include "pith/package.h"

/* Zero-initialise, set bytes.ctx; tensors of the same bytes share them. */
typedef struct pithi_weight_store {
    pithi_bytes bytes;
    struct pithi_store_slot *slots; /* open addressing, by hash */
    size_t n_slots, n_used;
} pithi_weight_store;

typedef struct pithi_stored {
    size_t offset; /* a multiple of 64 */
    int n_bits;    /* of each element, lowest first; 0: as the dtype has them */
    int64_t low;   /* the number that code 0 stands for */
} pithi_stored;

/* Adds the elements, in fewer bits than the dtype's where their range allows it: s8, u8, s4, u4. */
pith_status pithi_weight_store_add(pithi_weight_store *store, const pith_tensor *tensor, pithi_stored *stored_out);
void pithi_weight_store_deinit(pithi_weight_store *store);

/* A file of these sections, in this order. `bytes` has its ctx set and is empty. */
pith_status pithi_package_assemble(const pith_section *sections, int n_sections, pithi_bytes *bytes);

#endif
