/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in other files: found below the model's folder, refused anywhere else. */
#define _GNU_SOURCE /* mkdtemp */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/onnx_models.h"
#include "support/test.h"

static void write_floats(pith_test *test, const char *folder, const char *name, int n_floats)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    TEST_CHECK(test, file != NULL);
    for (int i = 0; file && i < n_floats; i++) {
        float value = (float)i;
        fwrite(&value, sizeof value, 1, file);
    }
    if (file) {
        fclose(file);
    }
}

static pith_status import_weight(pith_test *test, pith_proto *proto, const char *folder, const char *weight,
                                 pith_imported *imported)
{
    char text[400];
    snprintf(text, sizeof text,
             "ir 8 ; opset 13 ; graph { weight v f32[1] external weights.bin 0 4\nweight w %s\noutput w }", weight);
    pith_proto_free(proto);
    TEST_CHECK(test, pith_proto_onnx(proto, text));
    return pith_import_bytes(test->ctx, proto->data, proto->n_bytes, folder, imported);
}

static void test_good(pith_test *test, pith_proto *proto, const char *folder)
{
    static const struct {
        const char *weight;
        double first;
        size_t n_files;
    } cases[] = {
        { "f32[2] external weights.bin 8 8", 2, 1 }, { "f32[4] external weights.bin", 0, 1 },
        { "f32[2] external sub/more.bin 4", 1, 2 },  { "f32[0] external weights.bin 16 0", 0, 1 },
        { "f32[1] external ./weights.bin 12 4", 3, 2 }, { "f32[1] external inner.link 4 4", 1, 2 },
        { "u16[1] external weights.bin 6 2", 0x3f80, 1 },
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        pith_imported imported;
        pith_test_case(test, "%s", cases[i].weight);
        TEST_OK(test, import_weight(test, proto, folder, cases[i].weight, &imported));
        const pith_tensor *w = imported.graph ? imported.graph->outputs[0]->constant : NULL;
        TEST_CHECK(test, w && w->data && (w->shape.dims[0] == 0 || pithi_tensor_get_f64(w, 0) == cases[i].first));
        TEST_CHECK(test, imported.info.n_external_files == cases[i].n_files);
        pith_imported_deinit(&imported);
    }
}

static void test_bad(pith_test *test, pith_proto *proto, const char *folder)
{
    static const struct {
        const char *weight;
        pith_status status;
        const char *part;
    } cases[] = {
        { "f32[2] external weights.bin 12 8", PITH_STATUS_FORMAT,
          "bytes 12 to 20 of 'weights.bin' are wanted, which has 16" },
        { "f32[2] external weights.bin 999999999999999999 8", PITH_STATUS_FORMAT, "are wanted" },
        { "f32[2] external weights.bin 18446744073709551615 8", PITH_STATUS_FORMAT, "is no number" },
        { "f32[2] external weights.bin -4 8", PITH_STATUS_FORMAT, "offset '-4' is no number" },
        { "f32[2] external weights.bin 0 4", PITH_STATUS_FORMAT,
          "external data has 4 bytes, dtype and shape want 8" },
        { "f32[1] external none.bin 0 4", PITH_STATUS_IO, "can't find" },
        { "f32[1] external /etc/passwd 0 4", PITH_STATUS_FORMAT, "isn't a path below the model's folder" },
        { "f32[1] external ../weights.bin 0 4", PITH_STATUS_FORMAT, "isn't a path below" },
        { "f32[1] external sub/../../x.bin 0 4", PITH_STATUS_FORMAT, "isn't a path below" },
        { "f32[1] external sub/.. 0 4", PITH_STATUS_FORMAT, "isn't a path below" },
        { "f32[1] external _ 0 4", PITH_STATUS_FORMAT, "isn't a path below" },
        { "f32[1] external", PITH_STATUS_FORMAT, "isn't a path below" },
        { "f32[1] external sub\\x.bin 0 4", PITH_STATUS_FORMAT, "isn't a path below" },
        { "f32[1] external outer.link 0 4", PITH_STATUS_IO, "is outside the folder" },
        { "f32[1] external outer.folder/hostname 0 4", PITH_STATUS_IO, "" },
        { "f32[1] external sub 0 4", PITH_STATUS_IO, "not a regular file" },
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        pith_imported imported;
        pith_test_case(test, "%s: %s", cases[i].weight, cases[i].part);
        TEST_STATUS(test, import_weight(test, proto, folder, cases[i].weight, &imported), cases[i].status,
                    cases[i].part);
        pith_imported_deinit(&imported);
        TEST_CHECK(test, pith_ctx_memory_bytes(test->ctx) == 0);
    }
}

static bool write_hole(const char *path, const pith_proto *head, uint64_t n_hole_bytes, const pith_proto *tail)
{
    FILE *file = fopen(path, "wb");
    bool is_written = file && fwrite(head->data, head->n_bytes, 1, file) == 1 &&
                      fseeko(file, (off_t)n_hole_bytes, SEEK_CUR) == 0 &&
                      fwrite(tail->data, tail->n_bytes, 1, file) == 1;
    return file && fclose(file) == 0 && is_written;
}

static void put_length(pith_proto *proto, int field, uint64_t n_bytes)
{
    pith_proto_item(proto, (uint64_t)field << 3 | 2);
    pith_proto_item(proto, n_bytes);
}

/* A weight of 5 GiB inside the model file: a hole, so that neither disk nor memory is needed. */
static void test_large(pith_test *test, const char *folder)
{
    const uint64_t n_bytes = (uint64_t)5 << 30;
    pith_proto model = { 0 }, weight = { 0 }, tail = { 0 };
    pith_imported imported = { .ctx = test->ctx };
    pithi_file file = { 0 };
    char path[400];
    pith_test_case(test, "a weight of 5 GiB is borrowed");
    snprintf(path, sizeof path, "%s/large.onnx", folder);
    pith_proto_begin(&tail, 12);
    pith_proto_text(&tail, 1, "w");
    pith_proto_end(&tail);
    pith_proto_varint(&weight, 1, n_bytes); /* dims */
    pith_proto_varint(&weight, 2, 2);       /* data_type: uint8 */
    pith_proto_text(&weight, 8, "w");
    put_length(&weight, 9, n_bytes); /* raw_data */
    pith_proto_onnx(&model, "ir 8 ; opset 13");
    put_length(&model, 7, 6 + weight.n_bytes + n_bytes + tail.n_bytes); /* graph: 6 for the weight's tag and length */
    put_length(&model, 5, weight.n_bytes + n_bytes);
    pith_proto_raw(&model, weight.data, weight.n_bytes);
    if (write_hole(path, &model, n_bytes, &tail)) {
        TEST_OK(test, pithi_file_map(test->ctx, path, &file));
        TEST_OK(test, pith_import_bytes(test->ctx, file.data, file.n_bytes, folder, &imported));
        const pith_tensor *w = imported.graph ? imported.graph->outputs[0]->constant : NULL;
        TEST_CHECK(test, w && (uint64_t)w->shape.dims[0] == n_bytes && (const unsigned char *)w->data > file.data);
        TEST_CHECK(test, pith_ctx_memory_peak_bytes(test->ctx) < 1 << 20);
    } else {
        pith_test_skip(test, "can't write a file with a hole of 5 GiB");
    }
    pith_imported_deinit(&imported);
    pithi_file_unmap(&file);
    remove(path);
    pith_proto_free(&model);
    pith_proto_free(&weight);
    pith_proto_free(&tail);
}

static void link_to(pith_test *test, const char *target, const char *folder, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    TEST_CHECK(test, symlink(target, path) == 0);
}

void test_onnx_external(pith_test *test)
{
    char root[] = "/tmp/pith_external_XXXXXX", folder[300], sub[320], command[400];
    pith_proto proto = { 0 };
    pith_test_case(test, "set-up");
    TEST_CHECK(test, mkdtemp(root) != NULL);
    snprintf(folder, sizeof folder, "%s/model", root);
    snprintf(sub, sizeof sub, "%s/sub", folder);
    TEST_CHECK(test, mkdir(folder, 0700) == 0 && mkdir(sub, 0700) == 0);
    write_floats(test, folder, "weights.bin", 4);
    write_floats(test, folder, "sub/more.bin", 3);
    write_floats(test, root, "outside.bin", 4);
    link_to(test, "weights.bin", folder, "inner.link");
    link_to(test, "../outside.bin", folder, "outer.link");
    link_to(test, "/etc", folder, "outer.folder");
    test_good(test, &proto, folder);
    test_bad(test, &proto, folder);
    test_large(test, folder);
    pith_proto_free(&proto);
    snprintf(command, sizeof command, "rm -r '%s'", root);
    pith_test_case(test, "clean-up");
    TEST_CHECK(test, system(command) == 0);
}
