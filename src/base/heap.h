/* SPDX-License-Identifier: Apache-2.0 */
/* Where a context's large blocks lie, unless the caller brings an allocator: in regions of pages. Blocks that die leave
 * their pages to those that follow, and the system may back regions with huge pages: one page fault takes as long as
 * copying 15 KB, so that a model of 10 MB would spend more time on faults than on its weights. Small blocks are left to
 * malloc. */
#ifndef PITH_BASE_HEAP_H
#define PITH_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct pithi_heap {
    struct pithi_heap_region *regions; /* newest first */
    size_t expected;                   /* bytes that blocks will lie on, as far as is known */
} pithi_heap;

/* Zero-initialise before. A block is aligned as malloc's are, and not zeroed; NULL: no memory. */
void *pithi_heap_alloc(pithi_heap *heap, size_t n_bytes);
void pithi_heap_release(pithi_heap *heap, void *block, size_t n_bytes);
/* Blocks of so many bytes are about to come: huge pages that they fill for the greater part are asked for at once. */
void pithi_heap_expect(pithi_heap *heap, size_t n_bytes);
/* Asks for huge pages under a block however large (see VAST_BYTES): for what every run walks through. */
void pithi_heap_prefer_huge(const pithi_heap *heap, const void *block, size_t n_bytes);
/* Gives pages that no block lies on back to the system. */
void pithi_heap_trim(pithi_heap *heap);
void pithi_heap_deinit(pithi_heap *heap);

/* Pages come from the platform: address space that takes memory when it is touched; NULL if there is none. */
void *pithi_pages_map(size_t n_bytes, size_t alignment);
void pithi_pages_unmap(void *pages, size_t n_bytes);
void pithi_pages_prefer_huge(void *pages, size_t n_bytes);
void pithi_pages_forget(void *pages, size_t n_bytes); /* what they hold is lost */

#endif
