/* SPDX-License-Identifier: Apache-2.0 */
#include "support/same_runs.h"

#include <stdlib.h>

static bool fill(pith_test *test, const pith_model *model, pith_tensor *inputs)
{
    for (int i = 0; i < pith_model_n_inputs(model); i++) {
        const pith_value_info *info = pith_model_input(model, i);
        bool is_plain = info->shape.rank >= 0 && info->dtype != PITH_DTYPE_STRING && info->dtype != PITH_DTYPE_OBJECT;
        inputs[i] = (pith_tensor){ info->dtype, info->shape, NULL };
        for (int d = 0; d < info->shape.rank; d++) {
            inputs[i].shape.dims[d] = inputs[i].shape.dims[d] < 0 ? (d ? 32 : 1) : inputs[i].shape.dims[d];
        }
        if (!is_plain) {
            return false;
        }
        inputs[i].data = calloc(1, pith_tensor_bytes(&inputs[i]) + 1);
        pith_test_fill(test, &inputs[i], 0.0, 2.0, false);
    }
    return true;
}

static int run(pith_model *model, const pith_tensor *inputs, pith_session **session)
{
    static const pith_session_options options = { .n_threads = 1 };
    return pith_session_create(model, &options, session) == PITH_OK &&
           pith_session_run(*session, inputs, pith_model_n_inputs(model)) == PITH_OK;
}

static bool same_output(const pith_tensor *a, const pith_tensor *b)
{
    bool is_plain = a->dtype != PITH_DTYPE_STRING && a->dtype != PITH_DTYPE_OBJECT;
    return a->dtype == b->dtype && pith_shape_equal(&a->shape, &b->shape) &&
           (!is_plain || pith_tensor_bytes(a) == 0 || memcmp(a->data, b->data, pith_tensor_bytes(a)) == 0);
}

void pith_test_same_runs(pith_test *test, pith_model *a, pith_model *b)
{
    pith_tensor inputs[64] = { 0 };
    pith_session *sessions[2] = { NULL };
    if (pith_model_n_inputs(a) <= 64 && pith_model_n_unsupported(a) == 0 && fill(test, a, inputs)) {
        int ran_a = run(a, inputs, &sessions[0]);
        pith_ctx_clear_error(test->ctx);
        int ran_b = run(b, inputs, &sessions[1]);
        TEST_CHECK_MESSAGE(test, ran_a == ran_b, "one runs, the other doesn't: %s", pith_ctx_error(test->ctx));
        for (int i = 0; i < pith_model_n_outputs(a) && ran_a && ran_b; i++) {
            bool is_same = same_output(pith_session_output(sessions[0], i), pith_session_output(sessions[1], i));
            TEST_CHECK_MESSAGE(test, is_same, "output %d differs", i);
        }
    }
    pith_ctx_clear_error(test->ctx);
    for (int i = 0; i < 64; i++) {
        free(inputs[i].data);
    }
    pith_session_destroy(sessions[0]);
    pith_session_destroy(sessions[1]);
}
