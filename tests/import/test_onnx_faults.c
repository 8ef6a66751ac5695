/* SPDX-License-Identifier: Apache-2.0 */
/* Damage: every truncation and every change of a single byte of small models, and every failing allocation.
 * A load may fail or succeed, but must neither crash nor leave memory behind. */
#include "support/onnx_models.h"
#include "support/test.h"

static void load(pith_test *test, const void *data, size_t n_bytes, int *n_loaded)
{
    pith_imported imported;
    pith_status status = pith_import_bytes(test->ctx, data, n_bytes, "", &imported);
    TEST_CHECK(test, (status == PITH_OK) == (imported.graph != NULL));
    TEST_CHECK(test, status == PITH_OK || *pith_ctx_error(test->ctx));
    TEST_CHECK_MESSAGE(test, status != PITH_STATUS_INTERNAL, "%s", pith_ctx_error(test->ctx));
    *n_loaded += status == PITH_OK;
    if (imported.graph) {
        TEST_OK(test, pithi_graph_verify(imported.graph));
    }
    pith_imported_deinit(&imported);
    pith_ctx_clear_error(test->ctx);
    TEST_CHECK(test, pith_ctx_memory_bytes(test->ctx) == 0);
}

/* Only the bytes that exist may be read: they end where memory ends. */
static void test_truncations(pith_test *test, const pith_proto *proto)
{
    int n_loaded = 0;
    for (size_t n_bytes = 0; n_bytes < proto->n_bytes; n_bytes++) {
        pith_guarded guarded = pith_guarded_alloc(n_bytes, false);
        memcpy(guarded.data, proto->data, n_bytes);
        load(test, guarded.data, n_bytes, &n_loaded);
        pith_guarded_free(&guarded);
    }
    /* Cut between two fields of the model, a shorter model can be whole: functions come after the graph. */
    TEST_CHECK_MESSAGE(test, n_loaded <= 2, "%d truncated models were accepted", n_loaded);
}

static void test_changes(pith_test *test, const pith_proto *proto)
{
    int n_loaded = 0;
    pith_guarded guarded = pith_guarded_alloc(proto->n_bytes, false);
    unsigned char *bytes = guarded.data;
    memcpy(bytes, proto->data, proto->n_bytes);
    for (size_t i = 0; i < proto->n_bytes; i++) {
        for (int change = 1; change < 256; change++) {
            bytes[i] = (unsigned char)(proto->data[i] ^ change);
            load(test, bytes, proto->n_bytes, &n_loaded);
        }
        bytes[i] = proto->data[i];
    }
    TEST_CHECK(test, n_loaded > 0);
    pith_guarded_free(&guarded);
}

static void test_allocations(pith_test *test, const pith_proto *proto, bool only_once)
{
    pith_status status = PITH_STATUS_NOMEM;
    for (long n_good = 1; status != PITH_OK && n_good < 10000; n_good++) { /* the first one is the context */
        pith_failing_allocator state = { .n_good = n_good, .only_once = only_once };
        pith_allocator allocator = pith_failing_allocator_make(&state);
        pith_ctx *ctx = NULL;
        pith_imported imported;
        TEST_CHECK(test, pith_ctx_create(&allocator, &ctx) == PITH_OK);
        status = pith_import_bytes(ctx, proto->data, proto->n_bytes, "", &imported);
        TEST_CHECK_MESSAGE(test, status == PITH_OK || status == PITH_STATUS_NOMEM, "allocation %ld: %s", n_good,
                           pith_ctx_error(ctx));
        TEST_CHECK(test, status == PITH_OK || strstr(pith_ctx_error(ctx), "out of memory"));
        pith_imported_deinit(&imported);
        pith_ctx_destroy(ctx);
        TEST_CHECK(test, state.n_live == 0);
    }
    TEST_CHECK(test, status == PITH_OK);
}

void test_onnx_faults(pith_test *test)
{
    pith_proto proto = { 0 };
    for (int i = 0; i < pith_onnx_n_all; i++) {
        pith_proto_free(&proto);
        pith_test_case(test, "model %d", i);
        TEST_CHECK(test, pith_proto_onnx(&proto, pith_onnx_all[i]));
        pith_test_case(test, "model %d: truncations (%zu bytes)", i, proto.n_bytes);
        test_truncations(test, &proto);
        pith_test_case(test, "model %d: changed bytes", i);
        test_changes(test, &proto);
        pith_test_case(test, "model %d: one allocation fails", i);
        test_allocations(test, &proto, true);
        pith_test_case(test, "model %d: all allocations fail from one on", i);
        test_allocations(test, &proto, false);
    }
    pith_proto_free(&proto);
}
