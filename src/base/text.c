/* SPDX-License-Identifier: Apache-2.0 */
/* Text building and hashing. */
#include <stdio.h>

#include "base/base.h"

pith_status pithi_arena_text(pithi_arena *arena, const char *text, size_t n_bytes, const char **text_out)
{
    void *copy = NULL;
    size_t with_end = 0;
    PITH_CHECK(arena->ctx, pithi_add_size(n_bytes, 1, &with_end), PITH_STATUS_LIMIT,
               "text of %zu bytes overflows a size", n_bytes);
    PITH_TRY(pithi_arena_alloc(arena, with_end, &copy));
    memcpy(copy, text, n_bytes);
    *text_out = copy;
    return PITH_OK;
}

pith_status pithi_arena_format(pithi_arena *arena, const char **text_out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n_bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(arena, (size_t)n_bytes + 1, &block));
    va_start(args, format);
    vsnprintf(block, (size_t)n_bytes + 1, format, args);
    va_end(args);
    *text_out = block;
    return PITH_OK;
}

void pithi_text_add(pithi_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int added = vsnprintf(NULL, 0, format, args);
    va_end(args);
    size_t needed = text->n_bytes + (size_t)added + 1;
    void *data = text->data;
    if (text->failed || added < 0 || pithi_grow(text->ctx, &data, &text->capacity, needed, 1) != PITH_OK) {
        text->failed = true;
        return;
    }
    text->data = data;
    va_start(args, format);
    vsnprintf(text->data + text->n_bytes, (size_t)added + 1, format, args);
    va_end(args);
    text->n_bytes += (size_t)added;
}

void pithi_text_deinit(pithi_text *text)
{
    pithi_free(text->ctx, text->data);
    *text = (pithi_text){ .ctx = text->ctx };
}

uint64_t pithi_hash(uint64_t seed, const void *data, size_t n_bytes)
{
    const unsigned char *bytes = data;
    uint64_t hash = seed;
    for (size_t i = 0; i < n_bytes; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211u;
    }
    return hash;
}

bool pithi_list_has(const char *list, const char *name)
{
    size_t n_bytes = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strcspn(at, ",") == n_bytes && memcmp(at, name, n_bytes) == 0) {
            return true;
        }
    }
    return false;
}
