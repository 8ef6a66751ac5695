/* SPDX-License-Identifier: Apache-2.0 */
/* Packed weights, made once per model and shared by its plans. */
#include "ops/op.h"

#include "kernels/kernel.h"
#include "platform/platform.h"

typedef struct pack_entry {
    const void *constant_data;
    uint64_t key;
    uint64_t source; /* what constant it is, in any process; 0: not known */
    size_t n_bytes;
    void *block;
    bool is_mapped;  /* block lies in the file of an earlier process */
} pack_entry;

/* The file: head, table, blocks; in the byte order of the machine, since packed weights are of no use elsewhere. */
#define FILE_MAGIC 0x316b636170687470u /* "pthpack1" */
#define MAX_ENTRIES 1000000u

typedef struct file_head {
    uint64_t magic, identity, n_entries, table_hash;
} file_head;

typedef struct file_entry {
    uint64_t source, key, n_bytes, offset;
} file_entry;

struct pithi_pack_cache {
    pith_ctx *ctx;
    pack_entry *entries;
    size_t n_entries, capacity, n_bytes;
    const char *mapping; /* read-only pages of the model file */
    size_t mapping_bytes;
    char *path;          /* of the stored weights; NULL: nothing is stored */
    uint64_t identity;
    pithi_file stored;   /* of an earlier process, checked */
    bool is_borrowed;    /* stored, from a section of a model */
    bool knows_sources;  /* what is packed can be stored, or found there */
    bool is_dirty;
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
        if (!cache->entries[i].is_mapped) {
            pithi_free(cache->ctx, cache->entries[i].block);
        }
    }
    if (!cache->is_borrowed) {
        pithi_file_unmap(&cache->stored);
    }
    pithi_free(cache->ctx, cache->path);
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

/* ---- stored weights ------------------------------------------------------------------------- */

static const file_entry *stored_table(const pithi_pack_cache *cache)
{
    return (const file_entry *)(const void *)(cache->stored.data + sizeof(file_head));
}

/* A damaged file must not lead anywhere outside of it; what the blocks hold are numbers only. */
static bool is_sound(const pithi_pack_cache *cache, const pithi_file *file)
{
    file_head head;
    if (file->n_bytes < sizeof head) {
        return false;
    }
    memcpy(&head, file->data, sizeof head);
    if (head.magic != FILE_MAGIC || head.identity != cache->identity || head.n_entries > MAX_ENTRIES ||
        head.n_entries * sizeof(file_entry) > file->n_bytes - sizeof head) {
        return false;
    }
    const file_entry *table = (const file_entry *)(const void *)(file->data + sizeof head);
    if (pithi_hash(PITHI_HASH_START, table, head.n_entries * sizeof *table) != head.table_hash) {
        return false;
    }
    for (uint64_t i = 0; i < head.n_entries; i++) {
        if (table[i].offset > file->n_bytes || table[i].n_bytes > file->n_bytes - table[i].offset ||
            table[i].offset % PITH_ALIGNMENT != 0) {
            return false;
        }
    }
    return true;
}

void pithi_pack_cache_record(pithi_pack_cache *cache, uint64_t identity)
{
    cache->identity = identity;
    cache->knows_sources = true;
}

bool pithi_pack_cache_borrow(pithi_pack_cache *cache, const void *data, size_t n_bytes, uint64_t identity)
{
    const pithi_file stored = { .data = data, .n_bytes = n_bytes };
    pithi_pack_cache_record(cache, identity);
    cache->is_borrowed = (uintptr_t)data % PITH_ALIGNMENT == 0 && is_sound(cache, &stored);
    if (cache->is_borrowed) {
        cache->stored = stored;
    }
    return cache->is_borrowed;
}

pith_status pithi_pack_cache_open(pithi_pack_cache *cache, const char *path, uint64_t identity)
{
    void *copy = NULL;
    pithi_file file = { 0 };
    PITH_TRY(pithi_alloc_raw(cache->ctx, strlen(path) + 1, &copy));
    memcpy(copy, path, strlen(path) + 1);
    cache->path = copy;
    pithi_pack_cache_record(cache, identity);
    if (!pithi_file_exists(path)) {
        return PITH_OK;
    }
    if (pithi_file_map(cache->ctx, path, &file) != PITH_OK) {
        pith_ctx_clear_error(cache->ctx);
    } else if (is_sound(cache, &file)) {
        cache->stored = file;
    } else {
        pithi_file_unmap(&file);
    }
    return PITH_OK;
}

static const void *find_stored(const pithi_pack_cache *cache, uint64_t source, uint64_t key, size_t n_bytes)
{
    uint64_t n_entries = 0;
    if (cache->stored.data && source) {
        memcpy(&n_entries, cache->stored.data + offsetof(file_head, n_entries), sizeof n_entries);
    }
    for (uint64_t i = 0; i < n_entries; i++) {
        const file_entry *entry = &stored_table(cache)[i];
        if (entry->source == source && entry->key == key && entry->n_bytes == n_bytes) {
            return cache->stored.data + entry->offset;
        }
    }
    return NULL;
}

/* Hash of a constant's name, size and a few of its bytes: the file's identity says that the model is the same. */
static uint64_t source_of(const pith_prepare *prepare, const void *constant_data)
{
    enum { N_SAMPLES = 4, SAMPLE_BYTES = 64 };
    for (int i = 0; i < prepare->n_inputs; i++) {
        const pith_tensor *tensor = &prepare->inputs[i];
        if (tensor->data != constant_data || i >= prepare->node->n_inputs || !prepare->node->inputs[i]) {
            continue;
        }
        const char *name = prepare->node->inputs[i]->name, *data = constant_data;
        size_t n_bytes = pith_tensor_bytes(tensor), n_sample = n_bytes < SAMPLE_BYTES ? n_bytes : SAMPLE_BYTES;
        uint64_t hash = pithi_hash(pithi_hash(PITHI_HASH_START, name, strlen(name)), &n_bytes, sizeof n_bytes);
        for (size_t k = 0; k < N_SAMPLES; k++) {
            hash = pithi_hash(hash, data + (n_bytes - n_sample) / (N_SAMPLES - 1) * k, n_sample);
        }
        return hash | 1u;
    }
    return 0;
}

static size_t block_end(size_t at, const pack_entry *entry)
{
    return pithi_align_up(at, PITH_ALIGNMENT) + entry->n_bytes;
}

static void fill_file(const pithi_pack_cache *cache, size_t n_stored, char *file)
{
    file_head head = { FILE_MAGIC, cache->identity, n_stored, 0 };
    file_entry *table = (file_entry *)(void *)(file + sizeof head);
    size_t at = sizeof head + n_stored * sizeof *table, n = 0;
    for (size_t i = 0; i < cache->n_entries; i++) {
        const pack_entry *entry = &cache->entries[i];
        if (entry->source) {
            size_t end = block_end(at, entry);
            table[n++] = (file_entry){ entry->source, entry->key, entry->n_bytes, end - entry->n_bytes };
            memcpy(file + end - entry->n_bytes, entry->block, entry->n_bytes);
            at = end;
        }
    }
    head.table_hash = pithi_hash(PITHI_HASH_START, table, n_stored * sizeof *table);
    memcpy(file, &head, sizeof head);
}

pith_status pithi_pack_cache_image(const pithi_pack_cache *cache, void **data_out, size_t *n_bytes_out)
{
    size_t n_stored = 0;
    for (size_t i = 0; i < cache->n_entries; i++) {
        n_stored += cache->entries[i].source != 0;
    }
    size_t n_bytes = sizeof(file_head) + n_stored * sizeof(file_entry);
    for (size_t i = 0; i < cache->n_entries; i++) {
        n_bytes = cache->entries[i].source ? block_end(n_bytes, &cache->entries[i]) : n_bytes;
    }
    PITH_TRY(pithi_alloc(cache->ctx, n_bytes, data_out));
    fill_file(cache, n_stored, *data_out);
    *n_bytes_out = n_bytes;
    return PITH_OK;
}

void pithi_pack_cache_store(pithi_pack_cache *cache)
{
    size_t n_bytes = 0;
    void *file = NULL;
    if (!cache->path || !cache->is_dirty) {
        return;
    }
    cache->is_dirty = false;
    if (pithi_pack_cache_image(cache, &file, &n_bytes) != PITH_OK ||
        pithi_file_write(cache->ctx, cache->path, file, n_bytes) != PITH_OK) {
        pith_ctx_clear_error(cache->ctx);
    }
    pithi_free(cache->ctx, file);
}

/* ---- looking up ----------------------------------------------------------------------------- */

/* The block of a new entry: from the stored weights, or fresh (to be filled). */
static pith_status add_entry(pithi_pack_cache *cache, pack_entry entry, const void **block_out)
{
    void *entries = cache->entries;
    const void *stored = find_stored(cache, entry.source, entry.key, entry.n_bytes);
    pith_status status = pithi_grow(cache->ctx, &entries, &cache->capacity, cache->n_entries + 1, sizeof entry);
    cache->entries = entries;
    PITH_TRY(status);
    entry.block = (void *)(uintptr_t)stored; /* never written: mapped read-only */
    entry.is_mapped = stored != NULL;
    if (!stored) {
        PITH_TRY(pithi_alloc_raw(cache->ctx, entry.n_bytes, &entry.block));
        cache->is_dirty = true;
    }
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
    for (int i = 0; i < prepare->n_inputs && i < 64; i++) {
        prepare->packed |= (uint64_t)(prepare->inputs[i].data == constant_data) << i;
    }
    const int isa = pithi_isa_best(prepare->isa_limit); /* tuned steps differ in it; no limit is the best one's */
    key = pithi_hash(key, &isa, sizeof isa);
    for (size_t i = 0; i < cache->n_entries; i++) {
        const pack_entry *entry = &cache->entries[i];
        if (entry->constant_data == constant_data && entry->key == key && entry->n_bytes == n_bytes) {
            *block_out = entry->block;
            return PITH_OK;
        }
    }
    uint64_t source = cache->knows_sources ? source_of(prepare, constant_data) : 0;
    PITH_TRY(add_entry(cache, (pack_entry){ .constant_data = constant_data, .key = key, .source = source,
                                            .n_bytes = n_bytes }, block_out));
    if (!cache->entries[cache->n_entries - 1].is_mapped) {
        fill(user, (void *)(uintptr_t)*block_out);
    }
    forget_source(prepare, constant_data);
    return PITH_OK;
}
