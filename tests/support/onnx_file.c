/* SPDX-License-Identifier: Apache-2.0 */
#include "support/onnx_file.h"

#include <stdio.h>

#include "export/export.h"
#include "pith/model.h"
#include "pith/session.h"
#include "quant/quant.h"

enum { MOST_INPUTS = 4 };

bool pith_test_write_file(pith_test *test, const char *path, const void *data, size_t n_bytes)
{
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(data, 1, n_bytes, file) == n_bytes;
    ok = file && fclose(file) == 0 && ok;
    TEST_CHECK_MESSAGE(test, ok, "can't write %s", path);
    return ok;
}

bool pith_test_save_onnx(pith_test *test, pith_graph *graph, const char *path)
{
    pithi_bytes bytes = { .ctx = test->ctx };
    TEST_OK(test, pithi_export_onnx(graph, &bytes));
    bool ok = bytes.data && pith_test_write_file(test, path, bytes.data, bytes.n_bytes);
    pithi_free(test->ctx, bytes.data);
    return ok;
}

static int64_t largest(const pith_tensor *tensor)
{
    int64_t best = 0;
    for (int64_t i = 0; i < pith_shape_elements(&tensor->shape); i++) {
        best = pithi_tensor_get_f64(tensor, i) > pithi_tensor_get_f64(tensor, best) ? i : best;
    }
    return best;
}

pith_test_nearness pith_test_compare_models(pith_test *test, const char *path, const void *bytes, size_t n_bytes,
                                            const pith_samples *samples)
{
    pith_model *models[2] = { 0 };
    pith_session *sessions[2] = { 0 };
    double signal = 0.0, noise = 0.0;
    pith_test_nearness nearness = { 0 };
    TEST_OK(test, pith_model_load(test->ctx, path, NULL, &models[0]));
    TEST_OK(test, pith_model_load_memory(test->ctx, bytes, n_bytes, NULL, &models[1]));
    for (int i = 0; i < 2 && models[i]; i++) {
        TEST_OK(test, pith_session_create(models[i], NULL, &sessions[i]));
    }
    for (int k = 0; k < samples->n_samples && sessions[0] && sessions[1]; k++) {
        pith_tensor inputs[MOST_INPUTS];
        const pith_tensor *y[2];
        TEST_OK(test, samples->read(samples->user, k, inputs));
        for (int i = 0; i < 2; i++) {
            TEST_OK(test, pith_session_run(sessions[i], inputs, pith_model_n_inputs(models[0])));
            y[i] = pith_session_output(sessions[i], 0);
        }
        for (int64_t i = 0; i < pith_shape_elements(&y[0]->shape); i++) {
            double want = pithi_tensor_get_f64(y[0], i), error = want - pithi_tensor_get_f64(y[1], i);
            signal += want * want;
            noise += error * error;
        }
        nearness.n_agree += largest(y[0]) == largest(y[1]);
    }
    for (int i = 0; i < 2; i++) {
        pith_session_destroy(sessions[i]);
        pith_model_destroy(models[i]);
    }
    nearness.sqnr_db = pithi_quant_decibel(signal, noise);
    return nearness;
}
