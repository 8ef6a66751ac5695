/* SPDX-License-Identifier: Apache-2.0 */
/* Level 0: context, errors, memory, checked sizes and text. Included by everything. */
#ifndef PITH_BASE_H
#define PITH_BASE_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pith/status.h"

#define PITH_ASSERT(condition) assert(condition)
#define PITH_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#if defined(__GNUC__)
#define PITH_PRINTF(format_index, args_index) __attribute__((format(printf, format_index, args_index)))
#else
#define PITH_PRINTF(format_index, args_index)
#endif

/* ---- errors ------------------------------------------------------------------------------- */

/* Records the first failure with its message, and returns `status`. */
pith_status pithi_fail(pith_ctx *ctx, pith_status status, const char *format, ...) PITH_PRINTF(3, 4);

/* Puts a place ("node 'conv1'") in front of the message; called while a failure travels outwards. */
void pithi_add_place(pith_ctx *ctx, const char *format, ...) PITH_PRINTF(2, 3);

#define PITH_FAIL(ctx, status, ...) return pithi_fail((ctx), (status), __VA_ARGS__)

#define PITH_CHECK(ctx, condition, status, ...)                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return pithi_fail((ctx), (status), __VA_ARGS__);                                       \
        }                                                                                          \
    } while (0)

#define PITH_TRY(expression)                                                                       \
    do {                                                                                           \
        pith_status try_status_ = (expression);                                                    \
        if (try_status_ != PITH_OK) {                                                              \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

#define PITH_TRY_AT(ctx, expression, ...)                                                          \
    do {                                                                                           \
        pith_status try_status_ = (expression);                                                    \
        if (try_status_ != PITH_OK) {                                                              \
            pithi_add_place((ctx), __VA_ARGS__);                                                   \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

/* For functions that hold resources: needs a local `status` and a label `done`. */
#define PITH_TRY_GOTO(expression, label)                                                           \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (status != PITH_OK) {                                                                   \
            goto label;                                                                            \
        }                                                                                          \
    } while (0)

/* ---- memory ------------------------------------------------------------------------------- */

#define PITH_ALIGNMENT 64 /* of every block: a cache line and the widest vector */

/* Zeroed block of `n_bytes` (0 is allowed), 64-byte aligned. Fails with NOMEM or LIMIT. */
pith_status pithi_alloc(pith_ctx *ctx, size_t n_bytes, void **block_out);
/* The same for `count` items of `item_bytes`, with checked multiplication. */
pith_status pithi_alloc_array(pith_ctx *ctx, size_t count, size_t item_bytes, void **block_out);
/* Without zeroing, for memory that is filled at once. */
pith_status pithi_alloc_raw(pith_ctx *ctx, size_t n_bytes, void **block_out);
/* Large blocks of about so many bytes in all are about to be allocated. */
void pithi_alloc_expect(pith_ctx *ctx, size_t n_bytes);
/* Huge pages for such a block, if it lies in the context's own heap: what every run walks through has fewer misses. */
void pithi_alloc_prefer_huge(pith_ctx *ctx, const void *block, size_t n_bytes);
/* Grows an array to hold at least `needed` items (doubling); contents move, new items are zero. */
pith_status pithi_grow(pith_ctx *ctx, void **array, size_t *capacity, size_t needed, size_t item_bytes);
/* Releases a block of the functions above; NULL is allowed. */
void pithi_free(pith_ctx *ctx, void *block);

/* Bump allocator: everything dies together. Zero-initialise, set ctx, deinit at the end. */
typedef struct pithi_arena {
    pith_ctx *ctx;
    struct pithi_arena_chunk *chunks;
    size_t n_bytes; /* handed out */
} pithi_arena;

/* Zeroed, aligned to 16 (blocks of 4 KiB and more: 64). */
pith_status pithi_arena_alloc(pithi_arena *arena, size_t n_bytes, void **block_out);
/* Without zeroing, for memory that is filled at once. */
pith_status pithi_arena_alloc_raw(pithi_arena *arena, size_t n_bytes, void **block_out);
pith_status pithi_arena_array(pithi_arena *arena, size_t count, size_t item_bytes, void **block_out);
/* Copies `n_bytes` of text and terminates it. */
pith_status pithi_arena_text(pithi_arena *arena, const char *text, size_t n_bytes, const char **text_out);
pith_status pithi_arena_format(pithi_arena *arena, const char **text_out, const char *format, ...)
    PITH_PRINTF(3, 4);
/* True if `pointer` lies in memory that the arena has handed out. */
bool pithi_arena_owns(const pithi_arena *arena, const void *pointer);
void pithi_arena_deinit(pithi_arena *arena);

/* ---- checked sizes ------------------------------------------------------------------------ */

static inline bool pithi_mul_size(size_t a, size_t b, size_t *product_out)
{
    return !__builtin_mul_overflow(a, b, product_out);
}

static inline bool pithi_add_size(size_t a, size_t b, size_t *sum_out)
{
    return !__builtin_add_overflow(a, b, sum_out);
}

static inline size_t pithi_align_up(size_t n_bytes, size_t alignment)
{
    return (n_bytes + alignment - 1) / alignment * alignment;
}

/* A float at any address. */
static inline float pithi_load_f32(const void *from)
{
    float value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline int64_t pithi_min_s64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t pithi_max_s64(int64_t a, int64_t b) { return a > b ? a : b; }
/* Quotient rounded up, for a >= 0 and b > 0; no sum that could overflow. */
static inline int64_t pithi_div_up(int64_t a, int64_t b) { return a / b + (a % b != 0); }

/* ---- text --------------------------------------------------------------------------------- */

static inline bool pithi_same_text(const char *a, const char *b) { return *a == *b && strcmp(a, b) == 0; }

/* Text being built; grows through the context. Zero-initialise, set ctx. Never fails half-way: on
 * NOMEM the rest is dropped and `failed` stays set. */
typedef struct pithi_text {
    pith_ctx *ctx;
    char *data; /* terminated; NULL while empty */
    size_t n_bytes, capacity;
    bool failed;
} pithi_text;

void pithi_text_add(pithi_text *text, const char *format, ...) PITH_PRINTF(2, 3);
void pithi_text_deinit(pithi_text *text);

/* `name` stands in the comma list; NULL is an empty list. */
bool pithi_list_has(const char *list, const char *name);

/* FNV-1a, continued from `seed` (start with PITHI_HASH_START). */
#define PITHI_HASH_START 14695981039346656037u
uint64_t pithi_hash(uint64_t seed, const void *data, size_t n_bytes);

#endif
