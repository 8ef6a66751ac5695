/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: what the tool reads beside models. The first byte chooses the reader: npy, npz, TensorProto, png, jpeg,
 * preprocessing settings; what was read must be writable where there is a writer. */
#include "cli/file.h"
#include "cli/image.h"
#include "cli/preprocess.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void read_tensor(const uint8_t *data, size_t n_bytes, bool is_npy)
{
    cli_tensor tensor = { 0 };
    cli_bytes bytes = { 0 };
    if ((is_npy ? cli_npy_parse : cli_pb_parse)(data, n_bytes, &tensor) == PITH_OK) {
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

static void read_image(const uint8_t *data, size_t n_bytes, bool is_png)
{
    cli_image image = { 0 }, small = { 0 };
    if ((is_png ? cli_png_parse : cli_jpeg_parse)(data, n_bytes, &image) == PITH_OK) {
        (void)cli_image_resize(&image, 7, 5, &small);
    }
    cli_image_free(&image);
    cli_image_free(&small);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes == 0) {
        return 0;
    }
    switch (data[0] % 6) {
    case 0: read_tensor(data + 1, n_bytes - 1, true); break;
    case 1: read_tensor(data + 1, n_bytes - 1, false); break;
    case 2: read_archive(data + 1, n_bytes - 1); break;
    case 3: read_image(data + 1, n_bytes - 1, true); break;
    case 4: read_image(data + 1, n_bytes - 1, false); break;
    default: read_settings(data + 1, n_bytes - 1);
    }
    cli_clear_error();
    return 0;
}
