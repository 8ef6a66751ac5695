/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool reads beside models, and what was read must be writable where there is a writer. */
#include "support/fuzz_target.h"

#if PITH_TEST_HAS_CLI
#include "cli/idx.h"
#include "cli/image.h"
#include "cli/preprocess.h"
#include "cli/values.h"
#include "plan/tuning.h"

static void read_npy(const uint8_t *data, size_t n_bytes)
{
    cli_tensor tensor = { 0 };
    cli_bytes bytes = { 0 };
    if (cli_npy_parse(data, n_bytes, &tensor) == PITH_OK) {
        (void)cli_npy_write(&tensor.view, &bytes);
    }
    cli_tensor_free(&tensor);
    cli_bytes_free(&bytes);
}

static void read_tensor_proto(const uint8_t *data, size_t n_bytes)
{
    cli_tensor tensor = { 0 };
    cli_bytes bytes = { 0 };
    if (cli_pb_parse(data, n_bytes, &tensor) == PITH_OK) {
        (void)cli_npy_write(&tensor.view, &bytes);
    }
    cli_tensor_free(&tensor);
    cli_bytes_free(&bytes);
}

static void read_archive(const uint8_t *data, size_t n_bytes)
{
    cli_tensors list = { 0 };
    (void)cli_npz_parse(data, n_bytes, &list);
    cli_tensors_free(&list);
}

static void resize(cli_image *image)
{
    cli_image small = { 0 };
    (void)cli_image_resize(image, 7, 5, &small);
    cli_image_free(&small);
}

static void read_png(const uint8_t *data, size_t n_bytes)
{
    cli_image image = { 0 };
    if (cli_png_parse(data, n_bytes, &image) == PITH_OK) {
        resize(&image);
    }
    cli_image_free(&image);
}

static void read_jpeg(const uint8_t *data, size_t n_bytes)
{
    cli_image image = { 0 };
    if (cli_jpeg_parse(data, n_bytes, &image) == PITH_OK) {
        resize(&image);
    }
    cli_image_free(&image);
}

static void read_settings(const uint8_t *data, size_t n_bytes)
{
    cli_preprocess settings;
    cli_bytes bytes = { 0 };
    cli_preprocess_init(&settings);
    if (cli_preprocess_parse((const char *)data, n_bytes, &settings) == PITH_OK) {
        (void)cli_preprocess_write(&settings, &bytes);
    }
    cli_bytes_free(&bytes);
}

/* The first byte chooses the type that the input wants. */
static void read_value(const uint8_t *data, size_t n_bytes, bool is_json)
{
    const pith_type *const types[] = { pith_type_tensor(PITH_DTYPE_F32),      pith_type_tensor(PITH_DTYPE_STRING),
                                       pith_type_sequence(PITH_DTYPE_S64),    pith_type_sequence(PITH_DTYPE_STRING),
                                       pith_type_optional(PITH_DTYPE_STRING), pith_type_tensor(PITH_DTYPE_S64) };
    cli_net net = { .path = "fuzz" };
    cli_tensor tensor = { 0 };
    if (n_bytes > 0 && pith_ctx_create(NULL, &net.ctx) == PITH_OK) {
        const pith_value_info input = { .name = "x", .type = types[data[0] % CLI_COUNT(types)] };
        cli_bytes bytes = { (uint8_t *)(uintptr_t)(data + 1), n_bytes - 1, 0 };
        pith_ctx_limits(net.ctx)->max_memory_bytes = (uint64_t)1 << 26;
        (void)cli_value_parse(&net, &bytes, is_json, &input, &tensor);
        cli_tensor_free(&tensor);
        pith_ctx_destroy(net.ctx);
    }
}

static void read_json(const uint8_t *data, size_t n_bytes) { read_value(data, n_bytes, true); }
static void read_object_proto(const uint8_t *data, size_t n_bytes) { read_value(data, n_bytes, false); }

static void read_baseline(const uint8_t *data, size_t n_bytes)
{
    cli_baseline baseline = { 0 };
    cli_bytes bytes = { (uint8_t *)(uintptr_t)data, n_bytes, 0 };
    (void)cli_baseline_parse(&bytes, 1, &baseline);
    cli_baseline_free(&baseline);
}

static void read_idx(const uint8_t *data, size_t n_bytes)
{
    cli_bytes bytes = { (uint8_t *)(uintptr_t)data, n_bytes, 0 };
    cli_idx idx;
    uint8_t last = 0;
    if (cli_idx_parse(&bytes, &idx) == PITH_OK) {
        last = idx.data[(size_t)pith_shape_elements(&idx.shape) * pith_dtype_bytes(idx.dtype) - 1];
    }
    (void)*(volatile uint8_t *)&last;
}

static void read_tuning(const uint8_t *data, size_t n_bytes)
{
    pithi_tuning tuning = { .fallback = PITHI_TUNED_DEFAULT };
    char reason[200] = "";
    if (pith_ctx_create(NULL, &tuning.ctx) == PITH_OK) {
        (void)pithi_tuning_parse(&tuning, "cpu", (const char *)data, n_bytes, reason);
        pithi_tuning_deinit(&tuning);
        pith_ctx_destroy(tuning.ctx);
    }
}

int pith_fuzz_files(const uint8_t *data, size_t n_bytes)
{
    static void (*const readers[])(const uint8_t *, size_t) = {
        read_npy, read_tensor_proto, read_archive,  read_png, read_jpeg,  read_settings,
        read_json, read_object_proto, read_baseline, read_idx, read_tuning,
    };
    if (n_bytes > 0) {
        readers[data[0] % CLI_COUNT(readers)](data + 1, n_bytes - 1);
        cli_clear_error();
    }
    return 0;
}
#endif
