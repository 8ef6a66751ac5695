/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pith_ctx, for base/ and for the few places that read limits or the ISA cap. */
#ifndef PITH_BASE_CTX_H
#define PITH_BASE_CTX_H

#include "base/base.h"
#include "base/heap.h"
#include "pith/image.h"

#define PITHI_MESSAGE_BYTES 1024
#define PITHI_ISA_LIMIT_NONE (-1)
#define PITHI_ISA_LIMIT_UNSET (-2) /* the environment has not been asked yet */

struct pith_ctx {
    pith_allocator allocator;
    pith_limits limits;
    size_t held_bytes, peak_bytes;
    pithi_heap heap; /* unused if the caller brought an allocator */
    pith_status error; /* status of the recorded failure, PITH_OK if none */
    char message[PITHI_MESSAGE_BYTES];
    pith_image_decode_fn *image_decoders[PITH_IMAGE_FORMAT_COUNT]; /* NULL: none */
    bool copies_files;
    int isa_limit; /* index of the highest ISA allowed; see kernels/isa_limit.c */
};

/* What a block of so many bytes takes from the allocator, and the items of an array that pithi_grow() makes. */
size_t pithi_alloc_bytes(size_t n_bytes);
size_t pithi_grown_items(size_t capacity, size_t needed);

#endif
