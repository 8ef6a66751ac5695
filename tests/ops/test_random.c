/* SPDX-License-Identifier: Apache-2.0 */
/* Random operators: moments and frequencies of large samples, within five standard errors of what the
 * distributions have; the seed, and without one the output's name, decides the numbers. */
#include <math.h>
#include <stdlib.h>

#include "ops/sample.h"
#include "support/test.h"

#define N 40000

/* Output 0 of a sample, evaluated with its output renamed to `name`; free the data. */
static pith_tensor eval(pith_test *test, const char *op, const char *text, const char *name)
{
    pith_sample sample;
    pith_tensor input = { 0 }, output = { 0 };
    pith_status status = pithi_sample_parse(test->ctx, pithi_op_find(op), text, &sample);
    TEST_OK(test, status);
    if (status != PITH_OK) {
        return output;
    }
    const pith_node *node = sample.node;
    node->outputs[0]->name = name;
    if (node->n_inputs > 0 && node->inputs[0]->constant) {
        input = *node->inputs[0]->constant;
    } else if (node->n_inputs > 0) {
        input = (pith_tensor){ .dtype = node->inputs[0]->dtype, .shape = node->inputs[0]->shape };
        input.data = calloc(1, pith_tensor_bytes(&input) + 1);
        for (int64_t i = 0; i < pith_shape_elements(&input.shape); i++) {
            pithi_tensor_set_f64(&input, i, 0.3);
        }
    }
    pith_infer infer = { .ctx = test->ctx, .node = node, .attrs = node->attrs, .inputs = &input,
                         .n_inputs = node->n_inputs, .outputs = &output, .n_outputs = 1 };
    TEST_OK(test, pithi_op_infer(&infer));
    output.data = calloc(1, pith_tensor_bytes(&output) + 1);
    TEST_OK(test, pithi_op_eval(test->ctx, node, &input, node->n_inputs, &output, 1));
    if (node->n_inputs > 0 && !node->inputs[0]->constant) {
        free(input.data);
    }
    pithi_graph_destroy(sample.graph);
    return output;
}

static void check_moments(pith_test *test, const char *op, const char *text, double mean, double variance)
{
    pith_test_case(test, "moments of %s", op);
    pith_tensor y = eval(test, op, text, "y");
    double sum = 0.0, squares = 0.0, n = (double)pith_shape_elements(&y.shape);
    for (int64_t i = 0; y.data && i < pith_shape_elements(&y.shape); i++) {
        double x = pithi_tensor_get_f64(&y, i) - mean;
        sum += x;
        squares += x * x;
    }
    TEST_CHECK_MESSAGE(test, fabs(sum / n) < 5.0 * sqrt(variance / n), "mean is off by %g", sum / n);
    TEST_CHECK_MESSAGE(test, fabs(squares / n - variance) < 5.0 * variance * sqrt(2.0 / n), "variance is %g, not %g",
                       squares / n, variance);
    free(y.data);
}

/* Neighbours must not depend on one another: their correlation is near 0. */
static void check_neighbours(pith_test *test)
{
    pith_test_case(test, "neighbours");
    pith_tensor y = eval(test, "random_normal", " | shape=[40000]", "y");
    double sum = 0.0;
    for (int64_t i = 0; i + 1 < N; i++) {
        sum += pithi_tensor_get_f64(&y, i) * pithi_tensor_get_f64(&y, i + 1);
    }
    TEST_CHECK(test, fabs(sum / N) < 5.0 / sqrt((double)N));
    free(y.data);
}

static void check_classes(pith_test *test)
{
    static const double weights[4] = { 0.1, 0.2, 0.0, 0.7 };
    int64_t counts[4] = { 0 };
    pith_test_case(test, "frequencies of multinomial");
    pith_tensor y = eval(test, "multinomial",
                         "f32[1,4]{-2.302585093,-1.609437912,-1000,-0.3566749439} | sample_size=40000", "y");
    for (int64_t i = 0; i < N; i++) {
        counts[pithi_tensor_get_s64(&y, i)]++;
    }
    for (int k = 0; k < 4; k++) {
        double spread = 5.0 * sqrt(weights[k] * (1.0 - weights[k]) / N);
        TEST_CHECK_MESSAGE(test, fabs((double)counts[k] / N - weights[k]) <= spread, "class %d: %lld of %d", k,
                           (long long)counts[k], N);
    }
    free(y.data);
}

static void check_seeds(pith_test *test)
{
    static const struct {
        const char *text, *name;
        bool is_same;
    } cases[] = {
        { " | shape=[9] seed=7", "a", true },  /* as the first one below, whatever the name */
        { " | shape=[9] seed=8", "b", false },
        { " | shape=[9]", "b", false },
    };
    pith_test_case(test, "seeds and names");
    pith_tensor first = eval(test, "random_uniform", " | shape=[9] seed=7", "b");
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        pith_tensor y = eval(test, "random_uniform", cases[i].text, cases[i].name);
        TEST_CHECK(test, (memcmp(y.data, first.data, pith_tensor_bytes(&y)) == 0) == cases[i].is_same);
        free(y.data);
    }
    free(first.data);
}

void test_random(pith_test *test)
{
    check_moments(test, "random_normal", " | shape=[40000] mean=3 scale=2", 3.0, 4.0);
    check_moments(test, "random_uniform", " | shape=[200,200] low=-1 high=2", 0.5, 0.75);
    check_moments(test, "random_normal_like", "f32[40000] | dtype=11", 0.0, 1.0);
    check_moments(test, "bernoulli", "f32[40000]", 0.3, 0.21);
    check_neighbours(test);
    check_classes(test);
    check_seeds(test);
}
