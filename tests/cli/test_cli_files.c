/* SPDX-License-Identifier: Apache-2.0 */
/* npy, npz and TensorProto: files that NumPy and ONNX wrote, round trips, and damaged files. */
#include <stdlib.h>

#include "cli/cli_test.h"
#include "cli/file.h"
#include "cli/samples.h"

typedef pith_status parse_function(const uint8_t *data, size_t n_bytes, cli_tensors *list);

static pith_status parse_npy(const uint8_t *data, size_t n_bytes, cli_tensors *list)
{
    cli_tensor tensor;
    CLI_TRY(cli_npy_parse(data, n_bytes, &tensor));
    return cli_tensors_add(list, &tensor);
}

static pith_status parse_pb(const uint8_t *data, size_t n_bytes, cli_tensors *list)
{
    cli_tensor tensor;
    CLI_TRY(cli_pb_parse(data, n_bytes, &tensor));
    return cli_tensors_add(list, &tensor);
}

static void check_tensor(pith_test *test, const cli_tensor *tensor, pith_dtype dtype, pith_shape shape,
                         const double *values)
{
    TEST_CHECK(test, tensor->view.dtype == dtype);
    TEST_CHECK(test, pith_shape_equal(&tensor->view.shape, &shape));
    if (!pith_shape_equal(&tensor->view.shape, &shape)) {
        return;
    }
    for (size_t i = 0; i < (size_t)pith_shape_elements(&shape); i++) {
        double got = cli_get(&tensor->view, i);
        TEST_CHECK_MESSAGE(test, got == values[i], "element %zu is %g, not %g", i, got, values[i]);
    }
}

static void test_samples(pith_test *test)
{
    cli_tensors list = { 0 };
    pith_test_case(test, "files of NumPy");
    CLI_TEST_OK(test, parse_npy(npy_f32, sizeof npy_f32, &list));
    CLI_TEST_OK(test, parse_npy(npy_fortran_s16, sizeof npy_fortran_s16, &list));
    CLI_TEST_OK(test, cli_npz_parse(npz_stored, sizeof npz_stored, &list));
    TEST_CHECK(test, list.n == 3);
    if (list.n == 3) {
        check_tensor(test, &list.items[0], PITH_DTYPE_F32, (pith_shape){ 2, { 2, 3 } },
                     (const double[]){ 1, 2.5, -3, 4, 5, 0.125 });
        check_tensor(test, &list.items[1], PITH_DTYPE_S16, (pith_shape){ 2, { 2, 3 } },
                     (const double[]){ 1, 2, 3, -4, 5, 300 });
        check_tensor(test, &list.items[2], PITH_DTYPE_F16, (pith_shape){ 1, { 2 } }, (const double[]){ 0.5, -2 });
        TEST_CHECK(test, list.items[2].name && strcmp(list.items[2].name, "a") == 0);
    }
    cli_tensors_free(&list);

    pith_test_case(test, "files of ONNX");
    CLI_TEST_OK(test, parse_pb(pb_raw_s64, sizeof pb_raw_s64, &list));
    CLI_TEST_OK(test, parse_pb(pb_typed_f16, sizeof pb_typed_f16, &list));
    CLI_TEST_OK(test, parse_pb(pb_typed_f32, sizeof pb_typed_f32, &list));
    TEST_CHECK(test, list.n == 3);
    if (list.n == 3) {
        check_tensor(test, &list.items[0], PITH_DTYPE_S64, (pith_shape){ 2, { 1, 2 } }, (const double[]){ 7, 8 });
        check_tensor(test, &list.items[1], PITH_DTYPE_F16, (pith_shape){ 1, { 3 } },
                     (const double[]){ 1, 0.5, -65504 });
        check_tensor(test, &list.items[2], PITH_DTYPE_F32, (pith_shape){ 2, { 2, 1 } }, (const double[]){ 1.5, -2 });
        TEST_CHECK(test, cli_tensors_find(&list, "idx") == &list.items[0]);
    }
    cli_tensors_free(&list);
}

static void test_deflated(pith_test *test)
{
    cli_tensors list = { 0 };
    pith_test_case(test, "compressed npz");
    pith_status status = cli_npz_parse(npz_deflated, sizeof npz_deflated, &list);
    if (status == PITH_STATUS_UNSUPPORTED) {
        CLI_TEST_STATUS(test, status, PITH_STATUS_UNSUPPORTED, "zlib");
        pith_test_skip(test, "built without zlib");
        return;
    }
    CLI_TEST_OK(test, status);
    const cli_tensor *x = cli_tensors_find(&list, "in/x");
    const cli_tensor *y = cli_tensors_find(&list, "out/y");
    TEST_CHECK(test, x && y);
    for (size_t i = 0; x && i < 40; i++) {
        TEST_CHECK(test, cli_get_s64(&x->view, i) == (int64_t)i / 4);
    }
    TEST_CHECK(test, y && y->view.dtype == PITH_DTYPE_BOOL && y->view.shape.rank == 0 && cli_get(&y->view, 0) == 1.0);
    cli_tensors_free(&list);
}

/* Every dtype of numpy and a zero-size and a scalar shape through npz and back. */
static void test_round_trip(pith_test *test)
{
    static const pith_shape shapes[] = { { 3, { 2, 3, 2 } }, { 0, { 0 } }, { 2, { 0, 5 } } };
    pith_test_case(test, "npz round trip");
    cli_tensors list = { 0 };
    cli_tensors back = { 0 };
    cli_bytes bytes = { 0 };
    for (int i = PITH_DTYPE_NONE + 1; i <= PITH_DTYPE_C128; i++) {
        char name[32];
        cli_tensor tensor;
        CLI_TEST_OK(test, cli_tensor_make((pith_dtype)i, &shapes[i % 3], &tensor));
        pith_test_fill(test, &tensor.view, -100.0, 100.0, false);
        snprintf(name, sizeof name, "out/t%d", i);
        CLI_TEST_OK(test, cli_tensor_set_name(&tensor, name, strlen(name)));
        CLI_TEST_OK(test, cli_tensors_add(&list, &tensor));
    }
    CLI_TEST_OK(test, cli_npz_write(&list, &bytes));
    CLI_TEST_OK(test, cli_npz_parse(bytes.data, bytes.n, &back));
    TEST_CHECK(test, back.n == list.n);
    for (int i = 0; i < back.n; i++) {
        const pith_tensor *a = &list.items[i].view;
        const pith_tensor *b = &back.items[i].view;
        /* What npy doesn't have is written as f32 or s8. */
        pith_dtype dtype = a->dtype;
        if (dtype == PITH_DTYPE_BF16 || (dtype >= PITH_DTYPE_F8E4M3FN && dtype <= PITH_DTYPE_F4E2M1)) {
            dtype = PITH_DTYPE_F32;
        } else if (pith_dtype_bits(dtype) < 8) {
            dtype = PITH_DTYPE_S8;
        }
        TEST_CHECK(test, b->dtype == dtype && pith_shape_equal(&a->shape, &b->shape));
        TEST_CHECK(test, strcmp(list.items[i].name, back.items[i].name) == 0);
        for (size_t k = 0; k < (size_t)pith_shape_elements(&a->shape); k++) {
            TEST_CHECK(test, cli_get(a, k) == cli_get(b, k));
        }
        TEST_CHECK(test, a->dtype != b->dtype || memcmp(a->data, b->data, pith_tensor_bytes(a)) == 0);
    }
    cli_bytes_free(&bytes);
    cli_tensors_free(&list);
    cli_tensors_free(&back);
}

/* A copy that ends at an inaccessible page, so that reading on crashes. */
static void try_bytes(pith_test *test, parse_function *parse, const uint8_t *data, size_t n_bytes, bool must_fail)
{
    cli_tensors list = { 0 };
    pith_guarded copy = pith_guarded_alloc(n_bytes ? n_bytes : 1, false);
    memcpy(copy.data, data, n_bytes);
    pith_status status = parse(copy.data, n_bytes, &list);
    TEST_CHECK_MESSAGE(test, status != PITH_OK || !must_fail, "%zu bytes were accepted", n_bytes);
    TEST_CHECK(test, (status == PITH_OK) == (cli_error()[0] == '\0'));
    cli_clear_error();
    cli_tensors_free(&list);
    pith_guarded_free(&copy);
}

/* The last `n_optional` bytes may be missing unnoticed: protobuf has no end mark. */
static void test_damage(pith_test *test, const char *name, parse_function *parse, const uint8_t *data, size_t n_bytes,
                        size_t n_optional)
{
    uint8_t copy[1024];
    pith_test_case(test, "%s cut off at every byte", name);
    for (size_t n = 0; n < n_bytes; n++) {
        try_bytes(test, parse, data, n, n < n_bytes - n_optional);
    }
    pith_test_case(test, "%s with damaged bytes", name);
    for (int i = 0; i < 2000; i++) {
        memcpy(copy, data, n_bytes);
        for (int k = 0; k < 1 + i % 3; k++) {
            copy[pith_test_random(test) % n_bytes] = (uint8_t)pith_test_random(test);
        }
        try_bytes(test, parse, copy, n_bytes, false);
    }
}

static void test_messages(pith_test *test)
{
    static const char header[] = "\x93NUMPY\x01\x00\x3e\x00"
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1e9), }";
    cli_tensor tensor;
    uint8_t copy[sizeof npz_stored];
    cli_tensors list = { 0 };
    pith_test_case(test, "messages name what is wrong");
    CLI_TEST_STATUS(test, cli_npy_parse((const uint8_t *)"\x93NUMPY\x09\x00    ", 12, &tensor),
                    PITH_STATUS_UNSUPPORTED, "version 9");
    CLI_TEST_STATUS(test, cli_npy_parse((const uint8_t *)header, sizeof header, &tensor), PITH_STATUS_FORMAT, "shape");
    CLI_TEST_STATUS(test, cli_npy_parse((const uint8_t *)"hello, world", 12, &tensor), PITH_STATUS_FORMAT,
                    "not a numpy array");
    CLI_TEST_STATUS(test, cli_pb_parse(npy_f32, 0, &tensor), PITH_STATUS_FORMAT, "empty");
    CLI_TEST_STATUS(test, cli_npz_parse(npy_f32, sizeof npy_f32, &list), PITH_STATUS_FORMAT, "no directory");
    memcpy(copy, npz_stored, sizeof copy);
    for (size_t i = 0; i + 1 < sizeof copy; i++) { /* an element: the checksum must notice */
        if (copy[i] == 0x00 && copy[i + 1] == 0x38) {
            copy[i] = 1;
            break;
        }
    }
    CLI_TEST_STATUS(test, cli_npz_parse(copy, sizeof copy, &list), PITH_STATUS_FORMAT, "checksum");
    cli_tensors_free(&list);
}

static void test_conversions(pith_test *test)
{
    const pith_shape shape = { 1, { 1 } };
    pith_test_case(test, "half precision against the library of the graph");
    cli_tensor half;
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F16, &shape, &half));
    uint16_t *bits = half.view.data;
    for (uint32_t i = 0; i < 0x10000; i++) {
        *bits = (uint16_t)i;
        double value = cli_get(&half.view, 0);
        cli_set(&half.view, 0, value);
        /* Every finite half survives; NaNs stay NaN. */
        bool is_nan = (i & 0x7c00u) == 0x7c00u && (i & 0x3ffu);
        TEST_CHECK_MESSAGE(test, is_nan ? (*bits & 0x7fffu) > 0x7c00u : *bits == i, "half %04x becomes %04x", i, *bits);
    }
    cli_set(&half.view, 0, 1.0 + 0x1p-11); /* a tie goes to the even neighbour */
    TEST_CHECK(test, *bits == 0x3c00);
    cli_set(&half.view, 0, 1.0 + 3 * 0x1p-11);
    TEST_CHECK(test, *bits == 0x3c02);
    cli_tensor_free(&half);
    pith_test_case(test, "saturation");
    cli_tensor byte;
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_U8, &shape, &byte));
    const double values[][2] = { { -5, 0 }, { 300, 255 }, { 2.5, 2 }, { 3.5, 4 } };
    for (int i = 0; i < 4; i++) {
        cli_set(&byte.view, 0, values[i][0]);
        TEST_CHECK(test, cli_get(&byte.view, 0) == values[i][1]);
    }
    cli_tensor_free(&byte);
}

static void test_fit(pith_test *test)
{
    static const struct {
        pith_shape given, wanted, fitted;
    } cases[] = {
        { { 2, { 28, 28 } }, { 4, { 1, 1, 28, 28 } }, { 4, { 1, 1, 28, 28 } } },
        { { 4, { 1, 1, 7, 1 } }, { 2, { -1, 7 } }, { 2, { 1, 7 } } },
        { { 2, { 80, 1 } }, { 3, { -1, 80, -1 } }, { 3, { 1, 80, 1 } } },
        { { 3, { 3, 1, 5 } }, { 4, { -1, 3, -1, -1 } }, { 4, { 1, 3, 1, 5 } } },
        { { 2, { 1, 80 } }, { 3, { -1, -1, 80 } }, { 3, { 1, 1, 80 } } },
        { { 1, { 80 } }, { 3, { -1, 80, -1 } }, { 1, { 80 } } }, /* from here on nothing fits */
        { { 2, { 80, 2 } }, { 3, { -1, 80, 1 } }, { 2, { 80, 2 } } },
        { { 2, { 2, 80 } }, { 2, { -1, 3 } }, { 2, { 2, 80 } } },
    };
    char text[CLI_SHAPE_BYTES], wanted[CLI_SHAPE_BYTES];
    for (int i = 0; i < CLI_COUNT(cases); i++) {
        pith_shape shape = cases[i].given;
        cli_shape_fit(&cases[i].wanted, &shape);
        pith_test_case(test, "%s for %s", cli_shape_text(&cases[i].given, text),
                       cli_shape_text(&cases[i].wanted, wanted));
        TEST_CHECK_MESSAGE(test, pith_shape_equal(&shape, &cases[i].fitted), "it becomes %s",
                           cli_shape_text(&shape, text));
    }
}

void test_cli_files(pith_test *test)
{
    test_fit(test);
    test_samples(test);
    test_deflated(test);
    test_round_trip(test);
    test_damage(test, "npy", parse_npy, npy_f32, sizeof npy_f32, 0);
    test_damage(test, "npz", cli_npz_parse, npz_deflated, sizeof npz_deflated, 0);
    test_damage(test, "pb", parse_pb, pb_typed_f16, sizeof pb_typed_f16, 3); /* its name */
    test_messages(test);
    test_conversions(test);
}
