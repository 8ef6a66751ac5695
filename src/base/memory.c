/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: the context's allocator with 64-byte alignment, accounting and a ceiling; arenas. Only this
 * file and heap.c know malloc. */
#include <stdlib.h>

#include "base/ctx.h"

/* In front of every block, at the end of the padding that aligns it. */
typedef struct block_head {
    void *raw;
    size_t raw_bytes;
} block_head;

static void *default_alloc(void *user, size_t n_bytes)
{
    return pithi_heap_alloc(user, n_bytes);
}

static void default_release(void *user, void *block, size_t n_bytes)
{
    pithi_heap_release(user, block, n_bytes);
}

static const pith_limits default_limits = {
    .max_file_bytes = (uint64_t)64 << 30,
    .max_tensor_bytes = (uint64_t)8 << 30,
    .max_memory_bytes = (uint64_t)64 << 30,
    .max_nodes = 1000000,
    .max_nesting = 32,
    .max_operations = (uint64_t)1000 * 1000 * 1000 * 1000 * 1000,
    .max_iterations = (uint64_t)100 * 1000 * 1000,
};

pith_status pith_ctx_create(const pith_allocator *allocator, pith_ctx **ctx_out)
{
    pith_ctx *ctx = allocator ? allocator->alloc(allocator->user, sizeof *ctx) : malloc(sizeof *ctx);
    if (!ctx) {
        return PITH_STATUS_NOMEM;
    }
    const pith_allocator own = { default_alloc, default_release, &ctx->heap };
    *ctx = (pith_ctx){ .allocator = allocator ? *allocator : own,
                        .limits = default_limits, .isa_limit = PITHI_ISA_LIMIT_UNSET };
    *ctx_out = ctx;
    return PITH_OK;
}

void pith_ctx_destroy(pith_ctx *ctx)
{
    if (!ctx) {
        return;
    }
    if (ctx->allocator.user == &ctx->heap) {
        pithi_heap_deinit(&ctx->heap);
        free(ctx);
    } else {
        ctx->allocator.release(ctx->allocator.user, ctx, sizeof *ctx);
    }
}

pith_status pith_ctx_set_image_decoder(pith_ctx *ctx, pith_image_format format, pith_image_decode_fn *decode)
{
    PITH_CHECK(ctx, (unsigned)format < PITH_IMAGE_FORMAT_COUNT, PITH_STATUS_ARG, "there is no image format %d",
               (int)format);
    ctx->image_decoders[format] = decode;
    return PITH_OK;
}

void pith_ctx_set_copy_files(pith_ctx *ctx, int copies) { ctx->copies_files = copies != 0; }

pith_limits *pith_ctx_limits(pith_ctx *ctx) { return &ctx->limits; }
size_t pith_ctx_memory_bytes(const pith_ctx *ctx) { return ctx->held_bytes; }
size_t pith_ctx_memory_peak_bytes(const pith_ctx *ctx) { return ctx->peak_bytes; }

size_t pithi_alloc_bytes(size_t n_bytes) { return n_bytes + sizeof(block_head) + PITH_ALIGNMENT; }

pith_status pithi_alloc_raw(pith_ctx *ctx, size_t n_bytes, void **block_out)
{
    size_t raw_bytes = 0;
    PITH_CHECK(ctx, pithi_add_size(n_bytes, sizeof(block_head) + PITH_ALIGNMENT, &raw_bytes) &&
                        raw_bytes <= ctx->limits.max_memory_bytes - ctx->held_bytes,
               PITH_STATUS_LIMIT, "allocating %zu bytes, with %zu held, would exceed the ceiling of %llu; "
               "pith_limits.max_memory_bytes (--max-memory) raises it",
               n_bytes, ctx->held_bytes, (unsigned long long)ctx->limits.max_memory_bytes);
    char *raw = ctx->allocator.alloc(ctx->allocator.user, raw_bytes);
    PITH_CHECK(ctx, raw, PITH_STATUS_NOMEM, "out of memory: %zu bytes asked for, %zu held", n_bytes,
               ctx->held_bytes);
    uintptr_t first = (uintptr_t)raw + sizeof(block_head) + PITH_ALIGNMENT - 1;
    char *block = raw + (first / PITH_ALIGNMENT * PITH_ALIGNMENT - (uintptr_t)raw);
    block_head head = { raw, raw_bytes };
    memcpy(block - sizeof head, &head, sizeof head);
    ctx->held_bytes += raw_bytes;
    if (ctx->held_bytes > ctx->peak_bytes) {
        ctx->peak_bytes = ctx->held_bytes;
    }
    *block_out = block;
    return PITH_OK;
}

void pithi_alloc_expect(pith_ctx *ctx, size_t n_bytes) { pithi_heap_expect(&ctx->heap, n_bytes); }

void pithi_alloc_prefer_huge(pith_ctx *ctx, const void *block, size_t n_bytes)
{
    pithi_heap_prefer_huge(&ctx->heap, block, n_bytes);
}

pith_status pithi_alloc(pith_ctx *ctx, size_t n_bytes, void **block_out)
{
    PITH_TRY(pithi_alloc_raw(ctx, n_bytes, block_out));
    memset(*block_out, 0, n_bytes);
    return PITH_OK;
}

pith_status pithi_alloc_array(pith_ctx *ctx, size_t count, size_t item_bytes, void **block_out)
{
    size_t n_bytes = 0;
    PITH_CHECK(ctx, pithi_mul_size(count, item_bytes, &n_bytes), PITH_STATUS_LIMIT,
               "%zu items of %zu bytes overflow a size", count, item_bytes);
    return pithi_alloc(ctx, n_bytes, block_out);
}

size_t pithi_grown_items(size_t capacity, size_t needed)
{
    return needed <= capacity ? capacity : capacity * 2 > needed ? capacity * 2 : needed + 8;
}

pith_status pithi_grow(pith_ctx *ctx, void **array, size_t *capacity, size_t needed, size_t item_bytes)
{
    if (needed <= *capacity) {
        return PITH_OK;
    }
    size_t grown = pithi_grown_items(*capacity, needed);
    void *moved = NULL;
    PITH_TRY(pithi_alloc_array(ctx, grown, item_bytes, &moved));
    if (*array) {
        memcpy(moved, *array, *capacity * item_bytes);
        pithi_free(ctx, *array);
    }
    *array = moved;
    *capacity = grown;
    return PITH_OK;
}

void pithi_free(pith_ctx *ctx, void *block)
{
    if (!block) {
        return;
    }
    block_head head;
    memcpy(&head, (char *)block - sizeof head, sizeof head);
    ctx->held_bytes -= head.raw_bytes;
    ctx->allocator.release(ctx->allocator.user, head.raw, head.raw_bytes);
}

/* ---- arena -------------------------------------------------------------------------------- */

#define CHUNK_BYTES ((size_t)16 * 1024)
#define MUCH_BYTES ((size_t)64 * 1024) /* an arena that holds so much grows by as much, in the pages of large blocks */
#define LARGE_BYTES ((size_t)4 * 1024) /* from here on a block gets a chunk of its own */

typedef struct pithi_arena_chunk {
    struct pithi_arena_chunk *next;
    size_t used, capacity;
} pithi_arena_chunk;

#define CHUNK_HEAD_BYTES ((size_t)PITH_ALIGNMENT)

static pith_status add_chunk(pithi_arena *arena, size_t capacity)
{
    size_t n_bytes = 0;
    void *block = NULL;
    PITH_CHECK(arena->ctx, pithi_add_size(capacity, CHUNK_HEAD_BYTES, &n_bytes), PITH_STATUS_LIMIT,
               "%zu bytes overflow a size", capacity);
    PITH_TRY(pithi_alloc_raw(arena->ctx, n_bytes, &block));
    pithi_arena_chunk *chunk = block;
    chunk->used = 0;
    chunk->capacity = capacity;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return PITH_OK;
}

pith_status pithi_arena_alloc_raw(pithi_arena *arena, size_t n_bytes, void **block_out)
{
    pithi_arena_chunk *chunk = arena->chunks;
    if (n_bytes >= LARGE_BYTES) {
        PITH_TRY(add_chunk(arena, n_bytes));
        chunk = arena->chunks;
        if (chunk->next) { /* keep the half-filled chunk in front */
            arena->chunks = chunk->next;
            chunk->next = arena->chunks->next;
            arena->chunks->next = chunk;
        }
    } else if (!chunk || chunk->capacity - chunk->used < n_bytes) {
        PITH_TRY(add_chunk(arena, arena->n_bytes < MUCH_BYTES ? CHUNK_BYTES : MUCH_BYTES));
        chunk = arena->chunks;
    }
    *block_out = (char *)chunk + CHUNK_HEAD_BYTES + chunk->used;
    size_t taken = pithi_align_up(n_bytes, 16);
    chunk->used = taken < chunk->capacity - chunk->used ? chunk->used + taken : chunk->capacity;
    arena->n_bytes += n_bytes;
    return PITH_OK;
}

pith_status pithi_arena_alloc(pithi_arena *arena, size_t n_bytes, void **block_out)
{
    PITH_TRY(pithi_arena_alloc_raw(arena, n_bytes, block_out));
    memset(*block_out, 0, n_bytes);
    return PITH_OK;
}

pith_status pithi_arena_array(pithi_arena *arena, size_t count, size_t item_bytes, void **block_out)
{
    size_t n_bytes = 0;
    PITH_CHECK(arena->ctx, pithi_mul_size(count, item_bytes, &n_bytes), PITH_STATUS_LIMIT,
               "%zu items of %zu bytes overflow a size", count, item_bytes);
    return pithi_arena_alloc(arena, n_bytes, block_out);
}

bool pithi_arena_owns(const pithi_arena *arena, const void *pointer)
{
    uintptr_t at = (uintptr_t)pointer;
    for (const pithi_arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->next) {
        uintptr_t begin = (uintptr_t)chunk + CHUNK_HEAD_BYTES;
        if (at >= begin && at < begin + chunk->used) {
            return true;
        }
    }
    return false;
}

void pithi_arena_deinit(pithi_arena *arena)
{
    pithi_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        pithi_arena_chunk *next = chunk->next;
        pithi_free(arena->ctx, chunk);
        chunk = next;
    }
    arena->chunks = NULL;
    arena->n_bytes = 0;
}
