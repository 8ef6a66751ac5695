/* SPDX-License-Identifier: Apache-2.0 */
/* Packed weights, made once per model and shared by its plans. */
#include "ops/op.h"
#include "platform/platform.h"

typedef struct pack_entry {
    const void *constant_data;
    uint64_t key;
    size_t n_bytes;
    void *block;
} pack_entry;

struct pithi_pack_cache {
    pith_ctx *ctx;
    pack_entry *entries;
    size_t n_entries, capacity, n_bytes;
    const char *mapping; /* read-only pages of the model file */
    size_t mapping_bytes;
};

pith_status pithi_pack_cache_create(pith_ctx *ctx, pithi_pack_cache **cache_out)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc(ctx, sizeof(pithi_pack_cache), &block));
    *cache_out = block;
    (*cache_out)->ctx = ctx;
    return PITH_OK;
}

void pithi_pack_cache_destroy(pithi_pack_cache *cache)
{
    if (!cache) {
        return;
    }
    for (size_t i = 0; i < cache->n_entries; i++) {
        pithi_free(cache->ctx, cache->entries[i].block);
    }
    pithi_free(cache->ctx, cache->entries);
    pithi_free(cache->ctx, cache);
}

size_t pithi_pack_cache_bytes(const pithi_pack_cache *cache)
{
    return cache->n_bytes;
}

void pithi_pack_cache_set_mapping(pithi_pack_cache *cache, const void *data, size_t n_bytes)
{
    cache->mapping = data;
    cache->mapping_bytes = n_bytes;
}

/* A packed weight is not read again as it lies in the file, so it need not stay in memory twice. */
static void forget_source(const pith_prepare *prepare, const void *constant_data)
{
    const pithi_pack_cache *cache = prepare->packs;
    const char *data = constant_data;
    if (!cache->mapping || data < cache->mapping || data >= cache->mapping + cache->mapping_bytes) {
        return;
    }
    for (int i = 0; i < prepare->n_inputs; i++) {
        if (prepare->inputs[i].data == constant_data) {
            pithi_file_forget(constant_data, pith_tensor_bytes(&prepare->inputs[i]));
        }
    }
}

static pith_status add_entry(pithi_pack_cache *cache, pack_entry entry, const void **block_out)
{
    void *entries = cache->entries;
    PITH_TRY(pithi_grow(cache->ctx, &entries, &cache->capacity, cache->n_entries + 1, sizeof entry));
    cache->entries = entries;
    PITH_TRY(pithi_alloc_raw(cache->ctx, entry.n_bytes, &entry.block));
    cache->entries[cache->n_entries++] = entry;
    cache->n_bytes += entry.n_bytes;
    *block_out = entry.block;
    return PITH_OK;
}

pith_status pithi_prepare_pack(pith_prepare *prepare, const void *constant_data, uint64_t key, size_t n_bytes,
                               void (*fill)(void *user, void *block), void *user, const void **block_out)
{
    pithi_pack_cache *cache = prepare->packs;
    void *block = NULL;
    bool is_short_lived = prepare->plan_constants && pithi_arena_owns(prepare->plan_constants, constant_data);
    if (!cache || is_short_lived) { /* another plan's constant may come to lie at the same address */
        PITH_TRY(pithi_arena_alloc(prepare->arena, n_bytes, &block));
        fill(user, block);
        *block_out = block;
        return PITH_OK;
    }
    for (size_t i = 0; i < cache->n_entries; i++) {
        const pack_entry *entry = &cache->entries[i];
        if (entry->constant_data == constant_data && entry->key == key && entry->n_bytes == n_bytes) {
            *block_out = entry->block;
            return PITH_OK;
        }
    }
    PITH_TRY(
        add_entry(cache, (pack_entry){ .constant_data = constant_data, .key = key, .n_bytes = n_bytes }, block_out));
    fill(user, (void *)(uintptr_t)*block_out);
    forget_source(prepare, constant_data);
    return PITH_OK;
}
