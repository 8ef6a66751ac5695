/* SPDX-License-Identifier: Apache-2.0 */
/* Head and table of a `.pith` file. There is one way to lay out given sections, and everything else is refused: bytes
 * that nobody looks at can't hold anything. */
#include "import/pith/pith.h"

bool pithi_is_package(const void *data, size_t n_bytes)
{
    const size_t n_magic = sizeof PITHI_PACKAGE_MAGIC - 1;
    return n_bytes >= n_magic && memcmp(data, PITHI_PACKAGE_MAGIC, n_magic) == 0;
}

uint64_t pithi_package_table_hash(const unsigned char *data, size_t head_bytes, size_t table_bytes)
{
    return pithi_xxh64(pithi_xxh64(0, data, PITHI_HEAD_HASH), data + PITHI_HEAD_SIZE,
                       head_bytes - PITHI_HEAD_SIZE + table_bytes);
}

static const unsigned char *entry_of(const pithi_package *package, int index)
{
    return package->table + (size_t)index * package->entry_bytes;
}

static uint64_t field(const pithi_package *package, int index, int at, int n_bytes)
{
    return pithi_load_le(entry_of(package, index) + at, n_bytes);
}

static bool is_zero(const unsigned char *data, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (data[i]) {
            return false;
        }
    }
    return true;
}

/* ---- head --------------------------------------------------------------------------------- */

/* What a file of any later minor version has, too. */
static pith_status check_head(pith_ctx *ctx, pithi_package *package)
{
    const unsigned char *data = package->data;
    PITH_CHECK(ctx, package->n_bytes >= PITHI_HEAD_SIZE, PITH_STATUS_FORMAT,
               "the file has %zu bytes, its head alone has %d: it is cut off", package->n_bytes, PITHI_HEAD_SIZE);
    package->major = (int)pithi_load_le(data + PITHI_HEAD_MAJOR, 2);
    package->minor = (int)pithi_load_le(data + PITHI_HEAD_MINOR, 2);
    PITH_CHECK(ctx, package->major == 1, PITH_STATUS_UNSUPPORTED,
               "the file has format version %d.%d, this pith reads versions 1.x; use a newer pith", package->major,
               package->minor);
    const uint64_t flags = pithi_load_le(data + PITHI_HEAD_REQUIRED, 8);
    PITH_CHECK(ctx, flags == 0, PITH_STATUS_UNSUPPORTED,
               "the file needs features %#llx that this pith doesn't know; use a newer pith",
               (unsigned long long)flags);
    const uint64_t n_bytes = pithi_load_le(data + PITHI_HEAD_FILE_BYTES, 8);
    PITH_CHECK(ctx, n_bytes == package->n_bytes, PITH_STATUS_FORMAT,
               "the file says that it has %llu bytes, there are %zu: it is cut off, or something is appended",
               (unsigned long long)n_bytes, package->n_bytes);
    return PITH_OK;
}

static pith_status find_table(pith_ctx *ctx, pithi_package *package)
{
    const unsigned char *data = package->data;
    const uint64_t head_bytes = pithi_load_le(data + PITHI_HEAD_BYTES, 4);
    const uint64_t n_sections = pithi_load_le(data + PITHI_HEAD_SECTIONS, 4);
    const uint64_t entry_bytes = pithi_load_le(data + PITHI_HEAD_ENTRY_BYTES, 4);
    const bool fits = head_bytes >= PITHI_HEAD_SIZE && head_bytes <= package->n_bytes && n_sections >= 1 &&
                      n_sections <= PITHI_PACKAGE_MAX_SECTIONS && entry_bytes >= PITHI_ENTRY_SIZE &&
                      n_sections * entry_bytes <= package->n_bytes - head_bytes;
    PITH_CHECK(ctx, fits, PITH_STATUS_FORMAT,
               "a head of %llu bytes and a table of %llu sections (at most %d) with %llu bytes each don't fit into %zu "
               "bytes", (unsigned long long)head_bytes, (unsigned long long)n_sections, PITHI_PACKAGE_MAX_SECTIONS,
               (unsigned long long)entry_bytes, package->n_bytes);
    package->table = data + head_bytes;
    package->entry_bytes = (size_t)entry_bytes;
    package->n_sections = (int)n_sections;
    const uint64_t wanted = pithi_load_le(data + PITHI_HEAD_HASH, 8);
    const uint64_t found = pithi_package_table_hash(data, (size_t)head_bytes, (size_t)(n_sections * entry_bytes));
    PITH_CHECK(ctx, found == wanted, PITH_STATUS_FORMAT,
               "head and table have the hash %016llx, not %016llx: the file is damaged", (unsigned long long)found,
               (unsigned long long)wanted);
    return PITH_OK;
}

/* ---- table -------------------------------------------------------------------------------- */

bool pithi_package_word_fits(const char *word, bool may_be_empty)
{
    size_t n = 0;
    for (; n < PITHI_PACKAGE_WORD && word[n]; n++) {
        const char c = word[n];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) {
            return false;
        }
    }
    return n < PITHI_PACKAGE_WORD && (n > 0 || may_be_empty);
}

static pith_status check_word(pith_ctx *ctx, const pithi_package *package, int index, int at)
{
    const char *word = (const char *)entry_of(package, index) + at;
    PITH_CHECK(ctx, pithi_package_word_fits(word, at == PITHI_ENTRY_VARIANT), PITH_STATUS_FORMAT,
               "section %d has no %s of up to 15 letters a-z, digits, '_' and '-'", index,
               at == PITHI_ENTRY_KIND ? "kind" : "variant");
    PITH_CHECK(ctx, is_zero((const unsigned char *)word + strlen(word), PITHI_PACKAGE_WORD - strlen(word)),
               PITH_STATUS_FORMAT, "section %d has bytes behind the word '%s'", index, word);
    return PITH_OK;
}

/* Stored as it is, with a hash that this version computes; what a later version stores otherwise may be optional. */
static bool is_readable(const pithi_package *package, int index)
{
    return (field(package, index, PITHI_ENTRY_FLAGS, 4) & ~(uint64_t)PITHI_SECTION_REQUIRED) == 0 &&
           field(package, index, PITHI_ENTRY_HASH_KIND, 1) == PITHI_HASH_XXH64;
}

static bool is_known(const char *kind)
{
    return pithi_list_has("graph,weights,preprocess,labels,tuning,packed", kind);
}

static pith_status check_use(pith_ctx *ctx, const pithi_package *package, int index)
{
    const char *kind = (const char *)entry_of(package, index);
    const unsigned flags = (unsigned)field(package, index, PITHI_ENTRY_FLAGS, 4);
    PITH_CHECK(ctx, !(flags & PITHI_SECTION_REQUIRED) || is_known(kind), PITH_STATUS_UNSUPPORTED,
               "the file can't be used without its section '%s', which this pith doesn't know; use a newer pith", kind);
    PITH_CHECK(ctx, !(flags & PITHI_SECTION_REQUIRED) || is_readable(package, index), PITH_STATUS_UNSUPPORTED,
               "section '%s' is stored in a way that this pith doesn't know (flags %#x, hash of kind %d); use a newer "
               "pith", kind, flags, (int)field(package, index, PITHI_ENTRY_HASH_KIND, 1));
    for (int i = 0; i < index; i++) {
        PITH_CHECK(ctx, memcmp(entry_of(package, i), kind, 2 * PITHI_PACKAGE_WORD) != 0, PITH_STATUS_FORMAT,
                   "the file has two sections '%s'", kind);
    }
    return PITH_OK;
}

/* Begins at the first aligned byte behind the one before it; zeros lie in between. */
static pith_status check_place(pith_ctx *ctx, const pithi_package *package, int index, size_t *end)
{
    const uint64_t offset = field(package, index, PITHI_ENTRY_OFFSET, 8);
    const uint64_t n_bytes = field(package, index, PITHI_ENTRY_STORED, 8);
    const unsigned align_log2 = (unsigned)field(package, index, PITHI_ENTRY_ALIGN_LOG2, 1);
    const char *kind = (const char *)entry_of(package, index);
    PITH_CHECK(ctx, align_log2 <= PITHI_PACKAGE_MAX_ALIGN_LOG2, PITH_STATUS_FORMAT,
               "section '%s' is aligned to 2^%u bytes; at most 2^%d are allowed", kind, align_log2,
               PITHI_PACKAGE_MAX_ALIGN_LOG2);
    PITH_CHECK(ctx, offset <= package->n_bytes && n_bytes <= package->n_bytes - offset &&
                        offset == pithi_align_up(*end, (size_t)1 << align_log2),
               PITH_STATUS_FORMAT,
               "section '%s' has %llu bytes at %llu: it doesn't follow the one before it, or leaves the file", kind,
               (unsigned long long)n_bytes, (unsigned long long)offset);
    PITH_CHECK(ctx, is_zero(package->data + *end, (size_t)offset - *end), PITH_STATUS_FORMAT,
               "there are bytes other than zero in front of section '%s'", kind);
    *end = (size_t)(offset + n_bytes);
    if (!is_readable(package, index)) {
        return PITH_OK;
    }
    const unsigned char *entry = entry_of(package, index);
    const bool is_plain = field(package, index, PITHI_ENTRY_PLAIN, 8) == n_bytes &&
                          is_zero(entry + PITHI_ENTRY_ZERO, 2) && is_zero(entry + PITHI_ENTRY_HASH + 8, 24) &&
                          is_zero(entry + PITHI_ENTRY_RESERVED, PITHI_ENTRY_SIZE - PITHI_ENTRY_RESERVED);
    PITH_CHECK(ctx, is_plain, PITH_STATUS_FORMAT, "section '%s' has something in fields that are zero in its version",
               kind);
    return PITH_OK;
}

pith_status pithi_package_open(pith_ctx *ctx, const void *data, size_t n_bytes, pithi_package *package_out)
{
    pithi_package package = { .data = data, .n_bytes = n_bytes };
    PITH_TRY(check_head(ctx, &package));
    PITH_TRY(find_table(ctx, &package));
    size_t end = (size_t)(package.table - package.data) + (size_t)package.n_sections * package.entry_bytes;
    for (int i = 0; i < package.n_sections; i++) {
        PITH_TRY(check_word(ctx, &package, i, PITHI_ENTRY_KIND));
        PITH_TRY(check_word(ctx, &package, i, PITHI_ENTRY_VARIANT));
        PITH_TRY(check_use(ctx, &package, i));
        PITH_TRY(check_place(ctx, &package, i, &end));
    }
    PITH_CHECK(ctx, end == n_bytes, PITH_STATUS_FORMAT, "the sections end at byte %zu, the file at %zu", end, n_bytes);
    *package_out = package;
    return PITH_OK;
}

/* ---- sections ----------------------------------------------------------------------------- */

pith_section pithi_package_section(const pithi_package *package, int index)
{
    const char *entry = (const char *)entry_of(package, index);
    const uint64_t offset = field(package, index, PITHI_ENTRY_OFFSET, 8);
    return (pith_section){ .kind = entry, .variant = entry + PITHI_ENTRY_VARIANT, .data = package->data + offset,
                           .n_bytes = (size_t)field(package, index, PITHI_ENTRY_STORED, 8), .offset = offset };
}

int pithi_package_find(const pithi_package *package, const char *kind, const char *variant)
{
    for (int i = 0; i < package->n_sections; i++) {
        const pith_section section = pithi_package_section(package, i);
        if (pithi_same_text(section.kind, kind) && pithi_same_text(section.variant, variant) &&
            is_readable(package, i)) {
            return i;
        }
    }
    return -1;
}

uint64_t pithi_package_hash(const pithi_package *package, int index)
{
    return index < 0 ? 0 : field(package, index, PITHI_ENTRY_HASH, 8);
}

pith_status pithi_package_verify(pith_ctx *ctx, const pithi_package *package, int index)
{
    const pith_section section = pithi_package_section(package, index);
    const uint64_t wanted = pithi_package_hash(package, index), found = pithi_xxh64(0, section.data, section.n_bytes);
    PITH_CHECK(ctx, found == wanted, PITH_STATUS_FORMAT,
               "section '%s' has the hash %016llx, not %016llx: the file is damaged", section.kind,
               (unsigned long long)found, (unsigned long long)wanted);
    return PITH_OK;
}
