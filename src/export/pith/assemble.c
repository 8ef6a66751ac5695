/* SPDX-License-Identifier: Apache-2.0 */
/* Sections -> the bytes of a `.pith` file. The same sections give the same bytes. */
#include "export/pith/store.h"

#include "import/pith/pith.h"

static void put(unsigned char *at, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++) {
        at[i] = (unsigned char)(value >> 8 * i);
    }
}

static const char *variant_of(const pith_section *section) { return section->variant ? section->variant : ""; }

static pith_status check_words(pith_ctx *ctx, const pith_section *sections, int index)
{
    const pith_section *section = &sections[index];
    PITH_CHECK(ctx, pithi_package_word_fits(section->kind, false), PITH_STATUS_ARG,
               "'%.40s' can't name a section; up to 15 letters a-z, digits, '_' and '-' can", section->kind);
    PITH_CHECK(ctx, pithi_package_word_fits(variant_of(section), true), PITH_STATUS_ARG,
               "'%.40s' can't be the variant of a section; up to 15 letters a-z, digits, '_' and '-' can",
               section->variant);
    for (int i = 0; i < index; i++) {
        PITH_CHECK(ctx, !pithi_same_text(sections[i].kind, section->kind) ||
                            !pithi_same_text(variant_of(&sections[i]), variant_of(section)),
                   PITH_STATUS_ARG, "section '%s' is given twice", section->kind);
    }
    return PITH_OK;
}

/* Nobody can run a graph without its weights; everything else may be left alone. */
static bool is_required(const pith_section *section)
{
    return pithi_same_text(section->kind, "graph") || pithi_same_text(section->kind, "weights");
}

static void put_section(const pith_section *section, size_t offset, unsigned char *file, unsigned char *entry)
{
    int align_log2 = 0;
    while (1 << align_log2 < PITH_ALIGNMENT) {
        align_log2++;
    }
    memcpy(entry + PITHI_ENTRY_KIND, section->kind, strlen(section->kind));
    memcpy(entry + PITHI_ENTRY_VARIANT, variant_of(section), strlen(variant_of(section)));
    put(entry + PITHI_ENTRY_FLAGS, is_required(section) ? PITHI_SECTION_REQUIRED : 0, 4);
    put(entry + PITHI_ENTRY_ALIGN_LOG2, (uint64_t)align_log2, 1);
    put(entry + PITHI_ENTRY_HASH_KIND, PITHI_HASH_XXH64, 1);
    put(entry + PITHI_ENTRY_OFFSET, offset, 8);
    put(entry + PITHI_ENTRY_STORED, section->n_bytes, 8);
    put(entry + PITHI_ENTRY_PLAIN, section->n_bytes, 8);
    put(entry + PITHI_ENTRY_HASH, pithi_xxh64(0, section->data, section->n_bytes), 8);
    if (section->n_bytes > 0) {
        memcpy(file + offset, section->data, section->n_bytes);
    }
}

static void put_head(unsigned char *file, size_t n_bytes, int n_sections)
{
    memcpy(file, PITHI_PACKAGE_MAGIC, sizeof PITHI_PACKAGE_MAGIC - 1);
    put(file + PITHI_HEAD_MAJOR, 1, 2);
    put(file + PITHI_HEAD_BYTES, PITHI_HEAD_SIZE, 4);
    put(file + PITHI_HEAD_FILE_BYTES, n_bytes, 8);
    put(file + PITHI_HEAD_SECTIONS, (uint64_t)n_sections, 4);
    put(file + PITHI_HEAD_ENTRY_BYTES, PITHI_ENTRY_SIZE, 4);
    put(file + PITHI_HEAD_HASH,
        pithi_package_table_hash(file, PITHI_HEAD_SIZE, (size_t)n_sections * PITHI_ENTRY_SIZE), 8);
}

pith_status pithi_package_assemble(const pith_section *sections, int n_sections, pithi_bytes *bytes)
{
    pith_ctx *ctx = bytes->ctx;
    void *block = NULL;
    PITH_CHECK(ctx, n_sections <= PITHI_PACKAGE_MAX_SECTIONS, PITH_STATUS_LIMIT,
               "%d sections are given; a file has at most %d", n_sections, PITHI_PACKAGE_MAX_SECTIONS);
    const size_t table_end = PITHI_HEAD_SIZE + (size_t)n_sections * PITHI_ENTRY_SIZE;
    size_t end = table_end;
    for (int i = 0; i < n_sections; i++) {
        PITH_TRY(check_words(ctx, sections, i));
        PITH_CHECK(ctx, sections[i].n_bytes < SIZE_MAX / 2 - end - PITH_ALIGNMENT, PITH_STATUS_LIMIT,
                   "section '%s' has %zu bytes, more than memory can hold", sections[i].kind, sections[i].n_bytes);
        end = pithi_align_up(end, PITH_ALIGNMENT) + sections[i].n_bytes;
    }
    PITH_TRY(pithi_alloc(ctx, end, &block));
    unsigned char *file = block;
    size_t at = table_end;
    for (int i = 0; i < n_sections; i++) {
        at = pithi_align_up(at, PITH_ALIGNMENT);
        put_section(&sections[i], at, file, file + PITHI_HEAD_SIZE + (size_t)i * PITHI_ENTRY_SIZE);
        at += sections[i].n_bytes;
    }
    put_head(file, end, n_sections);
    bytes->data = file;
    bytes->n_bytes = bytes->capacity = end;
    return PITH_OK;
}
