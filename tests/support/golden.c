/* SPDX-License-Identifier: Apache-2.0 */
#include "support/golden.h"

#include <math.h>
#include <stdlib.h>

#include "pith/pith.h"
#include "support/proto.h"

#define MAX_INPUTS 8

static void check_outputs(pith_test *test, const pith_test_golden *wanted, const pith_session *session)
{
    int at = 0;
    for (int i = 0; i < wanted->n_outputs; i++) {
        const pith_tensor *output = pith_session_output(session, i);
        TEST_CHECK(test, output);
        for (int64_t k = 0; output && k < pith_shape_elements(&output->shape); k++, at++) {
            double is = (double)((const float *)output->data)[k], must = (double)wanted->values[at];
            TEST_CHECK_MESSAGE(test, fabs(is - must) < 2e-6, "value %d is %.7g, not %.7g", at, is, must);
        }
    }
}

static void run_model(pith_test *test, const pith_test_golden *wanted, pith_model *model)
{
    pith_tensor inputs[MAX_INPUTS] = { 0 };
    pith_session *session = NULL;
    int n_inputs = pith_model_n_inputs(model);
    for (int k = 0; k < n_inputs; k++) {
        const pith_value_info *info = pith_model_input(model, k);
        inputs[k] = (pith_tensor){ .dtype = info->dtype, .shape = info->shape };
        float *data = calloc(1, pith_tensor_bytes(&inputs[k]));
        for (int64_t i = 0; i < pith_shape_elements(&info->shape); i++) {
            data[i] = (float)(0.6 * sin(1.3 * (double)i + 0.9 * k));
        }
        inputs[k].data = data;
    }
    TEST_CHECK(test, pith_model_n_unsupported(model) == 0);
    TEST_OK(test, pith_session_create(model, NULL, &session));
    TEST_OK(test, pith_session_run(session, inputs, n_inputs));
    check_outputs(test, wanted, session);
    pith_session_destroy(session);
    for (int k = 0; k < n_inputs; k++) {
        free(inputs[k].data);
    }
}

void pith_test_goldens(pith_test *test, const pith_test_golden *goldens, int n_goldens)
{
    for (int i = 0; i < n_goldens; i++) {
        pith_proto proto = { 0 };
        pith_model *model = NULL;
        pith_test_case(test, "%s", goldens[i].name);
        TEST_CHECK(test, pith_proto_onnx(&proto, goldens[i].model));
        TEST_OK(test, pith_model_load_memory(test->ctx, proto.data, proto.n_bytes, NULL, &model));
        if (model) {
            run_model(test, &goldens[i], model);
        }
        pith_model_destroy(model);
        pith_proto_free(&proto);
    }
}
