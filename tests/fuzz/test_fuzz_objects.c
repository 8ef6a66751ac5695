/* SPDX-License-Identifier: Apache-2.0 */
/* Models with strings, sequences and optionals from the corpus, with a few bytes changed at random: whatever comes out
 * must be refused or run. The sanitizer builds make this a search; libFuzzer does it for longer. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "support/fuzz_target.h"
#include "support/test.h"

#define FOLDER PITH_SOURCE_DIR "/tests/fuzz/corpus/onnx"
#define N_CHANGED 150 /* models made of each */
#define MAX_BYTES 4096

static void change(pith_test *test, uint8_t *data, size_t n_bytes)
{
    static const uint8_t favourites[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, 0x08, 0x0a, 0x12 };
    int n_changes = 1 + (int)(pith_test_random(test) % 3);
    for (int i = 0; i < n_changes; i++) {
        uint8_t *byte = &data[pith_test_random(test) % n_bytes];
        uint64_t dice = pith_test_random(test);
        uint64_t fresh = dice % 3 == 0   ? favourites[dice / 3 % PITH_COUNT(favourites)]
                         : dice % 3 == 1 ? *byte + 1 - dice / 3 % 3
                                         : *byte ^ UINT64_C(1) << dice / 3 % 8;
        *byte = (uint8_t)(fresh & 0xff);
    }
}

static void test_file(pith_test *test, const char *name)
{
    static uint8_t data[MAX_BYTES], changed[MAX_BYTES];
    char path[400];
    snprintf(path, sizeof path, FOLDER "/%s", name);
    pith_test_case(test, "%s", name);
    FILE *file = fopen(path, "rb");
    size_t n_bytes = file ? fread(data, 1, sizeof data, file) : 0;
    TEST_CHECK(test, n_bytes > 0);
    if (file) {
        fclose(file);
    }
    int n_imported = n_bytes > 0 && pith_fuzz_onnx(data, n_bytes) == 3; /* as it is, it runs */
    TEST_CHECK(test, n_imported == 1);
    for (int i = 0; i < N_CHANGED && n_bytes > 0; i++) {
        memcpy(changed, data, n_bytes);
        change(test, changed, n_bytes);
        n_imported += pith_fuzz_onnx(changed, n_bytes) > 0;
    }
    TEST_CHECK(test, n_imported > 0 || n_bytes == 0);
}

void test_fuzz_objects(pith_test *test)
{
    struct dirent *entry;
    DIR *folder = opendir(FOLDER);
    TEST_CHECK(test, folder);
    while (folder && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, "run_objects_", 12) == 0) {
            test_file(test, entry->d_name);
        }
    }
    if (folder) {
        closedir(folder);
    }
}
