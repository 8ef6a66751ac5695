/* SPDX-License-Identifier: Apache-2.0 */
/* The container of `.pith` files (docs/package-format.md): head, table of sections, sections. Bytes may be hostile:
 * whatever pithi_package_open() accepts can be read without further checks of places. */
#ifndef PITH_IMPORT_PITH_H
#define PITH_IMPORT_PITH_H

#include "import/import.h"
#include "pith/package.h"

#define PITHI_PACKAGE_MAGIC "\x89PITH\r\n\x1a"
#define PITHI_PACKAGE_MAX_SECTIONS 64
#define PITHI_PACKAGE_WORD 16          /* bytes of a kind or variant, the last of them zero */
#define PITHI_PACKAGE_MAX_ALIGN_LOG2 16

/* Places in the head and in an entry of the table. */
enum {
    PITHI_HEAD_MAJOR = 8, PITHI_HEAD_MINOR = 10, PITHI_HEAD_BYTES = 12, PITHI_HEAD_REQUIRED = 16,
    PITHI_HEAD_OPTIONAL = 24, PITHI_HEAD_FILE_BYTES = 32, PITHI_HEAD_SECTIONS = 40, PITHI_HEAD_ENTRY_BYTES = 44,
    PITHI_HEAD_RESERVED = 48, PITHI_HEAD_HASH = 56, PITHI_HEAD_SIZE = 64,

    PITHI_ENTRY_KIND = 0, PITHI_ENTRY_VARIANT = 16, PITHI_ENTRY_FLAGS = 32, PITHI_ENTRY_ALIGN_LOG2 = 36,
    PITHI_ENTRY_HASH_KIND = 37, PITHI_ENTRY_ZERO = 38, PITHI_ENTRY_OFFSET = 40, PITHI_ENTRY_STORED = 48,
    PITHI_ENTRY_PLAIN = 56, PITHI_ENTRY_HASH = 64, PITHI_ENTRY_RESERVED = 96, PITHI_ENTRY_SIZE = 128
};

#define PITHI_SECTION_REQUIRED 1u /* flag: who doesn't know the kind must not use the file */
#define PITHI_HASH_XXH64 1        /* kind of hash: 8 bytes, the rest zero */

/* XXH64 (Collet, "xxHash fast digest algorithm", specification 0.1.1): for damage, not for malice. */
uint64_t pithi_xxh64(uint64_t seed, const void *data, size_t n_bytes);
/* Hash of head and table: everything of them but the field that holds it. */
uint64_t pithi_package_table_hash(const unsigned char *data, size_t head_bytes, size_t table_bytes);

static inline uint64_t pithi_load_le(const unsigned char *data, int n_bytes)
{
    uint64_t value = 0;
    for (int i = n_bytes - 1; i >= 0; i--) {
        value = value << 8 | data[i];
    }
    return value;
}

typedef struct pithi_package {
    const unsigned char *data, *table;
    size_t n_bytes, entry_bytes;
    int major, minor, n_sections;
} pithi_package;

bool pithi_is_package(const void *data, size_t n_bytes);
/* True if `word` may be a kind or variant. */
bool pithi_package_word_fits(const char *word, bool may_be_empty);
/* Checks head, table and the places of all sections; hashes of sections are for pithi_package_verify(). */
pith_status pithi_package_open(pith_ctx *ctx, const void *data, size_t n_bytes, pithi_package *package_out);
/* Texts and data point into the file. */
pith_section pithi_package_section(const pithi_package *package, int index);
/* A section that this version can read, or -1. */
int pithi_package_find(const pithi_package *package, const char *kind, const char *variant);
pith_status pithi_package_verify(pith_ctx *ctx, const pithi_package *package, int index);
/* As the table has it; 0 for index -1. */
uint64_t pithi_package_hash(const pithi_package *package, int index);

#endif
