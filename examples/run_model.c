/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a network, runs it once on zeros and prints its first output: the whole C API in one page.
 * Usage: run_model MODEL.onnx (inputs with fixed shapes) */
#include <pith/pith.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    pith_ctx *ctx = NULL;
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_tensor inputs[8] = { { PITH_DTYPE_NONE, { 0, { 0 } }, NULL } };
    int n_inputs = 0;

    if (argc != 2 || pith_ctx_create(NULL, &ctx) != PITH_OK ||
        pith_model_load(ctx, argv[1], NULL, &model) != PITH_OK ||
        pith_session_create(model, NULL, &session) != PITH_OK) {
        goto failed;
    }
    for (; n_inputs < pith_model_n_inputs(model) && n_inputs < 8; n_inputs++) {
        const pith_value_info *info = pith_model_input(model, n_inputs);
        inputs[n_inputs].dtype = info->dtype;
        inputs[n_inputs].shape = info->shape;
        inputs[n_inputs].data = calloc(1, pith_tensor_bytes(&inputs[n_inputs]));
    }
    if (pith_session_run(session, inputs, n_inputs) != PITH_OK) {
        goto failed;
    }
    const pith_tensor *output = pith_session_output(session, 0);
    printf("%s: %s of rank %d, %zu bytes\n", pith_model_output(model, 0)->name,
           pith_dtype_name(output->dtype), output->shape.rank, pith_tensor_bytes(output));
failed:
    if (!session || !pith_session_output(session, 0)) {
        fprintf(stderr, "run_model: %s\n", ctx ? pith_ctx_error(ctx) : "usage: run_model MODEL.onnx");
    }
    while (n_inputs > 0) {
        free(inputs[--n_inputs].data);
    }
    int is_done = session && pith_session_output(session, 0);
    pith_session_destroy(session);
    pith_model_destroy(model);
    pith_ctx_destroy(ctx);
    return !is_done;
}
