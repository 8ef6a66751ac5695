/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient against central differences: for y = f(x, z), dL/dx and dL/dz of L = sum(y y + y), in f64. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pith/pith.h"
#include "support/proto.h"
#include "support/test.h"

#define STEP 1e-5
#define TOLERANCE 1e-6 /* of the largest derivative */

/* Nodes that make y of x and z (inputs of f64 with these shapes), all positive. */
static const struct {
    const char *x, *z, *nodes;
} functions[] = {
    { "2,3", "3", "node Add x,z -> y" },
    { "2,3", "2,1", "node Sub x,z -> y" },
    { "2,3", "1", "node Mul x,z -> y" },
    { "3", "2,3", "node Div x,z -> y" },
    { "2,2", "2", "node Pow x,z -> y" },
    { "2,3", "3", "node Max x,z -> y" },
    { "2,3,4", "4,2", "node MatMul x,z -> y" },
    { "4,3", "4,5", "node Gemm x,z -> y { int transA 1 ; float alpha 0.5 }" },
    { "2,3", "3", "node Exp x -> a ; node Log z -> b ; node Tanh b -> c ; node Mul a,c -> y" },
    { "2,3", "3", "node Sqrt x -> a ; node Sigmoid z -> b ; node Neg b -> c ; node Relu a -> d ; node Sub d,c -> y" },
    { "2,3", "2", "node Softmax x -> a ; node LogSoftmax z -> b { int axis 0 } ; weight o s64[1] raw 1\n"
                  "node Unsqueeze b,o -> c ; node Mul a,c -> y" },
    { "2,3,4", "2,1,4", "weight o s64[1] raw 1 ; node ReduceMean x,o -> a ; node ReduceL2 x,o -> b\n"
                        "node Mul a,b -> c ; node Mul c,z -> y" },
    { "2,3", "3,1", "weight s s64[2] raw 3 2 ; node Reshape x,s -> a ; node Expand z,s -> b\n"
                    "node Concat a,b -> y { int axis 1 }" },
    { "3,4", "2,3", "node Transpose x -> a { ints perm 1 0 } ; weight i s64[2] raw 2 0 ; node Gather a,i -> b\n"
                    "weight p s64[4] raw 0 1 1 0 ; node Pad z,p -> c ; weight k s64[2] raw 0 0\n"
                    "weight e s64[2] raw 2 3 ; node Slice c,k,e -> d ; node Mul b,d -> y" },
    { "1,2,5,5", "3,2,3,3", "node Conv x,z -> y { ints pads 1 0 1 2 ; ints strides 2 1 }" },
    { "1,2,4,4", "2", "node MaxPool x -> a { ints kernel_shape 2 2 }\n"
                      "weight m f64[2] raw 0.5 1 ; weight v f64[2] raw 1 2\n"
                      "node BatchNormalization a,z,m,m,v -> b ; node AveragePool b -> y { ints kernel_shape 2 2 }" },
};

static pith_model *load(pith_test *test, const char *x, const char *z, const char *nodes, bool has_gradient)
{
    pith_proto proto = { 0 };
    pith_model *model = NULL;
    char text[1500];
    snprintf(text, sizeof text,
             "ir 10 ; opset 21 ; opset ai.onnx.preview.training 1\n"
             "graph { name g ; input x f64[%s] ; input z f64[%s]\n%s\n"
             "node Mul y,y -> yy ; node Add yy,y -> t ; node ReduceSum t -> L { int keepdims 0 }\n"
             "output L f64[]\n%s\noutput %s f64[%s] ; output %s f64[%s] }",
             x, z, nodes,
             has_gradient ? "node Gradient x,z -> dx,dz in ai.onnx.preview.training { strings xs x z ; string y L }"
                          : "",
             has_gradient ? "dx" : "x", x, has_gradient ? "dz" : "z", z);
    TEST_CHECK(test, pith_proto_onnx(&proto, text));
    TEST_OK(test, pith_model_load_memory(test->ctx, proto.data, proto.n_bytes, NULL, &model));
    for (int i = 0; model && i < pith_model_n_unsupported(model); i++) {
        TEST_CHECK_MESSAGE(test, false, "%s", pith_model_unsupported(model, i)->reason);
    }
    pith_proto_free(&proto);
    return model;
}

static double loss(pith_test *test, pith_session *session, const pith_tensor inputs[2])
{
    TEST_OK(test, pith_session_run(session, inputs, 2));
    const pith_tensor *output = pith_session_output(session, 0);
    return output ? *(const double *)output->data : 0.0;
}

static void compare(pith_test *test, pith_session *forward, const pith_session *backward, const pith_tensor inputs[2])
{
    for (int k = 0; k < 2; k++) {
        const pith_tensor *gradient = pith_session_output(backward, 1 + k);
        double *values = inputs[k].data, largest = 1.0, worst = 0.0;
        TEST_CHECK(test, gradient && pith_shape_equal(&gradient->shape, &inputs[k].shape));
        for (int64_t i = 0; gradient && i < pith_shape_elements(&inputs[k].shape); i++) {
            const double at = values[i];
            values[i] = at + STEP;
            double difference = loss(test, forward, inputs);
            values[i] = at - STEP;
            difference = (difference - loss(test, forward, inputs)) / (2.0 * STEP);
            values[i] = at;
            largest = fmax(largest, fabs(difference));
            worst = fmax(worst, fabs(difference - ((const double *)gradient->data)[i]));
        }
        TEST_CHECK_MESSAGE(test, worst <= TOLERANCE * largest, "input %d: off by %g of %g", k, worst, largest);
    }
}

static void check_function(pith_test *test, const char *x, const char *z, const char *nodes)
{
    pith_model *models[2] = { load(test, x, z, nodes, false), load(test, x, z, nodes, true) };
    pith_session *sessions[2] = { NULL, NULL };
    pith_tensor inputs[2] = { { 0 } };
    for (int k = 0; k < 2 && models[0] && models[1]; k++) {
        const pith_value_info *info = pith_model_input(models[0], k);
        TEST_OK(test, pith_session_create(models[k], NULL, &sessions[k]));
        inputs[k] = (pith_tensor){ .dtype = info->dtype, .shape = info->shape };
        inputs[k].data = calloc(1, pith_tensor_bytes(&inputs[k]));
        pith_test_fill(test, &inputs[k], 0.5, 2.0, false);
    }
    if (sessions[0] && sessions[1]) {
        TEST_OK(test, pith_session_run(sessions[1], inputs, 2));
        compare(test, sessions[0], sessions[1], inputs);
    }
    for (int k = 0; k < 2; k++) {
        pith_session_destroy(sessions[k]);
        pith_model_destroy(models[k]);
        free(inputs[k].data);
    }
}

/* An operator without a rule is named. */
static void check_refusal(pith_test *test)
{
    pith_proto proto = { 0 };
    pith_model *model = NULL;
    pith_test_case(test, "a gradient that isn't implemented");
    TEST_CHECK(test, pith_proto_onnx(&proto,
                                     "ir 10 ; opset 21 ; opset ai.onnx.preview.training 1\ngraph { name g\n"
                                     "input x f32[2,2] ; node Det x -> y ; output d f32[2,2]\n"
                                     "node Gradient x -> d in ai.onnx.preview.training {\n"
                                     "strings xs x ; string y y } }"));
    TEST_OK(test, pith_model_load_memory(test->ctx, proto.data, proto.n_bytes, NULL, &model));
    TEST_CHECK(test, model && pith_model_n_unsupported(model) == 1 &&
               strstr(pith_model_unsupported(model, 0)->reason, "the gradient of Det"));
    pith_model_destroy(model);
    pith_proto_free(&proto);
}

void test_gradient(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(functions); i++) {
        pith_test_case(test, "%.100s", functions[i].nodes);
        check_function(test, functions[i].x, functions[i].z, functions[i].nodes);
    }
    check_refusal(test);
}
