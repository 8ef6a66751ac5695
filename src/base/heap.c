/* SPDX-License-Identifier: Apache-2.0 */
/* Regions with a list of free spans each: best fit among the spans, then pages never used. */
#include "base/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define SMALLEST_BYTES ((size_t)32 << 10) /* smaller blocks are malloc's */
#define HUGE_BYTES ((size_t)2 << 20)
#define FIRST_REGION_BYTES (4 * HUGE_BYTES)
#define UNIT_BYTES ((size_t)64)
/* A huge page takes its memory at once, so the last one is asked for only when so much of it is wanted, and the first
 * one when all of it is: small models would notice. */
#define HUGE_SHARE_BYTES ((size_t)512 << 10)
#define MUCH_BYTES (6 * HUGE_BYTES) /* from here on it is asked for at once: a page that has been touched stays small */
/* Such blocks take small pages unless they ask for huge ones: a virtual machine's free huge pages may be its host's,
 * which then clears them as well, at a tenth of the rate. Measured: VGG-16's start 270 to 1760 ms with huge pages, 460
 * to 510 without any. */
#define VAST_BYTES ((size_t)64 << 20)
#define KEPT_BYTES ((size_t)1 << 20)  /* of an empty region */
#define GIVEN_BACK_BYTES (4 * HUGE_BYTES) /* the pages of such blocks aren't kept for others */

/* AddressSanitizer knows about the borders of malloc's blocks only. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_CHECKED 1
#endif
#endif
#ifndef IS_CHECKED
#define IS_CHECKED 0
#endif

typedef struct span {
    size_t begin, end;
} span;

typedef struct pithi_heap_region {
    struct pithi_heap_region *next;
    char *pages;
    size_t n_bytes;
    size_t top;     /* nothing lies beyond */
    size_t used;    /* bytes of blocks */
    size_t touched; /* the highest `top` since pages beyond were given back */
    size_t huge;    /* so far huge pages have been asked for */
    span *spans;    /* free ones below `top`, by address, never touching each other */
    size_t n_spans, capacity;
} region;

static size_t top_bytes(const pithi_heap *heap)
{
    size_t total = 0;
    for (const region *r = heap->regions; r; r = r->next) {
        total += r->top;
    }
    return total;
}

static void ask_for_huge(const pithi_heap *heap, region *r)
{
    size_t end = r->top / HUGE_BYTES * HUGE_BYTES, rest = r->top - end;
    bool is_wanted = end > 0 && rest >= HUGE_SHARE_BYTES;
    end += is_wanted || (rest > 0 && top_bytes(heap) >= MUCH_BYTES) ? HUGE_BYTES : 0;
    size_t others = top_bytes(heap) - r->top, expected = heap->expected > others ? heap->expected - others : 0;
    expected = (expected + HUGE_BYTES / 2) / HUGE_BYTES * HUGE_BYTES;
    expected = expected < r->n_bytes ? expected : r->n_bytes;
    end = expected > end ? expected : end;
    if (end > r->huge) {
        pithi_pages_prefer_huge(r->pages + r->huge, end - r->huge);
        r->huge = end;
    }
}

static region *add_region(pithi_heap *heap, size_t n_bytes)
{
    size_t total = FIRST_REGION_BYTES;
    for (const region *r = heap->regions; r; r = r->next) {
        total += r->n_bytes;
    }
    region *added = malloc(sizeof *added);
    if (!added) {
        return NULL;
    }
    size_t wanted = n_bytes > total ? n_bytes : total;
    if (wanted > SIZE_MAX - HUGE_BYTES) {
        wanted = n_bytes;
    }
    *added = (region){ .next = heap->regions, .n_bytes = pithi_align_up(wanted, HUGE_BYTES) };
    added->pages = pithi_pages_map(added->n_bytes, HUGE_BYTES);
    if (!added->pages && wanted > n_bytes) {
        added->n_bytes = pithi_align_up(n_bytes, HUGE_BYTES);
        added->pages = pithi_pages_map(added->n_bytes, HUGE_BYTES);
    }
    if (!added->pages) {
        free(added);
        return NULL;
    }
    heap->regions = added;
    return added;
}

static void remove_region(pithi_heap *heap, region *gone)
{
    region **link = &heap->regions;
    while (*link != gone) {
        link = &(*link)->next;
    }
    *link = gone->next;
    pithi_pages_unmap(gone->pages, gone->n_bytes);
    free(gone->spans);
    free(gone);
}

static void remove_span(region *r, size_t index)
{
    memmove(&r->spans[index], &r->spans[index + 1], (--r->n_spans - index) * sizeof *r->spans);
}

/* The smallest span that holds the block, over all regions. */
static void *take_span(pithi_heap *heap, size_t n_bytes)
{
    region *best = NULL;
    size_t best_index = 0, best_bytes = SIZE_MAX;
    for (region *r = heap->regions; r; r = r->next) {
        for (size_t i = 0; i < r->n_spans; i++) {
            size_t has = r->spans[i].end - r->spans[i].begin;
            if (has >= n_bytes && has < best_bytes) {
                best = r;
                best_index = i;
                best_bytes = has;
            }
        }
    }
    if (!best) {
        return NULL;
    }
    char *block = best->pages + best->spans[best_index].begin;
    best->spans[best_index].begin += n_bytes;
    if (best_bytes == n_bytes) {
        remove_span(best, best_index);
    }
    best->used += n_bytes;
    return block;
}

static void *take_top(const pithi_heap *heap, region *r, size_t n_bytes)
{
    char *block = r->pages + r->top;
    r->top += n_bytes;
    r->used += n_bytes;
    r->touched = r->top > r->touched ? r->top : r->touched;
    if (n_bytes < VAST_BYTES) {
        ask_for_huge(heap, r);
    } else {
        r->huge = r->top / HUGE_BYTES * HUGE_BYTES;
    }
    return block;
}

void *pithi_heap_alloc(pithi_heap *heap, size_t n_bytes)
{
    if (IS_CHECKED || n_bytes < SMALLEST_BYTES || n_bytes > SIZE_MAX / 4) {
        return malloc(n_bytes);
    }
    size_t taken = pithi_align_up(n_bytes, UNIT_BYTES);
    void *block = take_span(heap, taken);
    for (region *r = heap->regions; r && !block; r = r->next) {
        block = r->n_bytes - r->top >= taken ? take_top(heap, r, taken) : NULL;
    }
    if (!block) {
        region *added = add_region(heap, taken);
        block = added ? take_top(heap, added, taken) : NULL;
    }
    return block;
}

void pithi_heap_expect(pithi_heap *heap, size_t n_bytes)
{
    heap->expected = n_bytes < VAST_BYTES ? top_bytes(heap) + n_bytes : 0;
}

void pithi_heap_prefer_huge(const pithi_heap *heap, const void *block, size_t n_bytes)
{
    const uintptr_t address = (uintptr_t)block;
    for (const region *r = heap->regions; r; r = r->next) {
        const uintptr_t pages = (uintptr_t)r->pages;
        if (address >= pages && address - pages < r->n_bytes) {
            const size_t begin = pithi_align_up(address - pages, HUGE_BYTES);
            const size_t end = (address - pages + n_bytes) / HUGE_BYTES * HUGE_BYTES;
            if (end > begin) {
                pithi_pages_prefer_huge(r->pages + begin, end - begin);
            }
        }
    }
}

/* Where the span that begins at `begin` belongs. */
static size_t span_place(const region *r, size_t begin)
{
    size_t low = 0, high = r->n_spans;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (r->spans[middle].begin < begin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Without memory for the list the span stays unused until the region is empty. */
static void add_span(region *r, size_t begin, size_t end)
{
    size_t at = span_place(r, begin);
    bool joins_left = at > 0 && r->spans[at - 1].end == begin;
    bool joins_right = at < r->n_spans && r->spans[at].begin == end;
    if (joins_left) {
        r->spans[at - 1].end = joins_right ? r->spans[at].end : end;
        if (joins_right) {
            remove_span(r, at);
        }
        return;
    }
    if (joins_right) {
        r->spans[at].begin = begin;
        return;
    }
    if (r->n_spans == r->capacity) {
        size_t capacity = 2 * r->capacity + 16;
        span *moved = realloc(r->spans, capacity * sizeof *moved);
        if (!moved) {
            return;
        }
        r->spans = moved;
        r->capacity = capacity;
    }
    memmove(&r->spans[at + 1], &r->spans[at], (r->n_spans - at) * sizeof *r->spans);
    r->spans[at] = (span){ begin, end };
    r->n_spans++;
}

/* A free span at the end joins the pages that were never used. */
static void lower_top(region *r)
{
    if (r->n_spans > 0 && r->spans[r->n_spans - 1].end == r->top) {
        r->top = r->spans[--r->n_spans].begin;
    }
}

void pithi_heap_release(pithi_heap *heap, void *block, size_t n_bytes)
{
    if (IS_CHECKED || n_bytes < SMALLEST_BYTES || n_bytes > SIZE_MAX / 4) {
        free(block);
        return;
    }
    region *r = heap->regions;
    while ((uintptr_t)block < (uintptr_t)r->pages || (uintptr_t)block >= (uintptr_t)r->pages + r->n_bytes) {
        r = r->next;
    }
    size_t begin = (size_t)((char *)block - r->pages), taken = pithi_align_up(n_bytes, UNIT_BYTES);
    if (taken >= GIVEN_BACK_BYTES) {
        pithi_pages_forget(block, taken);
    }
    add_span(r, begin, begin + taken);
    r->used -= taken;
    lower_top(r);
    if (r->used == 0) {
        r->top = r->n_spans = 0;
        if (r->touched > KEPT_BYTES) {
            remove_region(heap, r);
        }
    }
}

void pithi_heap_trim(pithi_heap *heap)
{
    for (region *r = heap->regions; r; r = r->next) {
        for (size_t i = 0; i < r->n_spans; i++) {
            pithi_pages_forget(r->pages + r->spans[i].begin, r->spans[i].end - r->spans[i].begin);
        }
        if (r->touched > r->top) {
            pithi_pages_forget(r->pages + r->top, r->touched - r->top);
            r->touched = r->top;
        }
    }
}

void pithi_heap_deinit(pithi_heap *heap)
{
    while (heap->regions) {
        remove_region(heap, heap->regions);
    }
}
