/* SPDX-License-Identifier: Apache-2.0 */
/* The corpora of the fuzzers as ordinary tests: inputs that once reached something new, or once broke something
 * (files named crash_*). Refusal is as good as success; sanitizer builds judge the rest. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "platform/platform.h"
#include "support/fuzz_target.h"
#include "support/onnx_models.h"
#include "support/test.h"

#define FOLDER PITH_SOURCE_DIR "/tests/fuzz/corpus/"

static void replay(pith_test *test, const char *folder, int (*fuzz)(const uint8_t *, size_t), int n_reached[4])
{
    struct dirent **files = NULL;
    int n_files = scandir(folder, &files, NULL, alphasort);
    for (int i = 0; i < n_files; i++) {
        char path[900];
        pithi_file file = { 0 };
        snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
        if (files[i]->d_name[0] != '.') {
            pith_test_case(test, "%s", files[i]->d_name);
            TEST_OK(test, pithi_file_map(test->ctx, path, &file));
            n_reached[fuzz(file.data, file.n_bytes)]++;
            pithi_file_unmap(&file);
        }
        free(files[i]);
    }
    free(files);
}

void test_fuzz_replay(pith_test *test)
{
    int n_reached[4] = { 0 }, n_of_texts[4] = { 0 }, n_of_packages[4] = { 0 };
    replay(test, FOLDER "onnx", pith_fuzz_onnx, n_reached);
    replay(test, FOLDER "text", pith_fuzz_text, n_of_texts);
    replay(test, FOLDER "package", pith_fuzz_package, n_of_packages);
#if PITH_TEST_HAS_CLI
    replay(test, FOLDER "files", pith_fuzz_files, n_of_texts);
#endif
    pith_test_case(test, "the corpus reaches every stage: refused, imported, planned, run");
    for (int i = 0; i < 4; i++) {
        TEST_CHECK_MESSAGE(test, n_reached[i] > 0, "no input ends at stage %d", i);
    }
    TEST_CHECK_MESSAGE(test, n_of_packages[0] > 0 && n_of_packages[3] > 0, "packages: %d refused, %d run",
                       n_of_packages[0], n_of_packages[3]);
    pith_test_case(test, "models of the importer's tests");
    for (int i = 0; i < pith_onnx_n_all; i++) {
        pith_proto proto = { 0 };
        TEST_CHECK(test, pith_proto_onnx(&proto, pith_onnx_all[i]));
        TEST_CHECK(test, pith_fuzz_onnx(proto.data, proto.n_bytes) >= 1);
        pith_proto_free(&proto);
    }
}
