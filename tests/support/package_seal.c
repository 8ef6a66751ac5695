/* SPDX-License-Identifier: Apache-2.0 */
#include "support/package_seal.h"

#include "import/pith/pith.h"

void pith_package_seal(unsigned char *data, size_t n_bytes)
{
    if (n_bytes < PITHI_HEAD_SIZE) {
        return;
    }
    const uint64_t n_sections = pithi_load_le(data + PITHI_HEAD_SECTIONS, 4);
    const uint64_t head_bytes = pithi_load_le(data + PITHI_HEAD_BYTES, 4);
    const uint64_t entry_bytes = pithi_load_le(data + PITHI_HEAD_ENTRY_BYTES, 4);
    if (n_sections > PITHI_PACKAGE_MAX_SECTIONS || head_bytes < PITHI_HEAD_SIZE || entry_bytes < PITHI_ENTRY_SIZE ||
        head_bytes + n_sections * entry_bytes > n_bytes) {
        return;
    }
    for (uint64_t i = 0; i < n_sections; i++) {
        unsigned char *entry = data + head_bytes + i * entry_bytes;
        const uint64_t offset = pithi_load_le(entry + PITHI_ENTRY_OFFSET, 8);
        const uint64_t size = pithi_load_le(entry + PITHI_ENTRY_STORED, 8);
        if (offset <= n_bytes && size <= n_bytes - offset) {
            const uint64_t hash = pithi_xxh64(0, data + offset, (size_t)size);
            memcpy(entry + PITHI_ENTRY_HASH, &hash, 8);
        }
    }
    const uint64_t hash = pithi_package_table_hash(data, (size_t)head_bytes, (size_t)(n_sections * entry_bytes));
    memcpy(data + PITHI_HEAD_HASH, &hash, 8);
}
