/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_svm.h"

#include <math.h>

const char *const pithi_svm_kernels[] = { "LINEAR", "POLY", "RBF", "SIGMOID", NULL };

double pithi_svm_product(int64_t kernel, const pith_floats *params, const double *x, const float *v, int64_t n)
{
    const bool has_params = params->n_items == 3;
    const double gamma = has_params ? (double)params->items[0] : 0.0;
    const double coef0 = has_params ? (double)params->items[1] : 0.0;
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double y = (double)v[i], difference = x[i] - y;
        sum += kernel == PITHI_SVM_RBF ? difference * difference : x[i] * y;
    }
    switch (kernel) {
    case PITHI_SVM_POLY: return pow(gamma * sum + coef0, has_params ? (double)params->items[2] : 0.0);
    case PITHI_SVM_RBF: return exp(-gamma * sum);
    case PITHI_SVM_SIGMOID: return tanh(gamma * sum + coef0);
    default: return sum;
    }
}

pith_status pithi_infer_svm_params(pith_infer *infer, const pith_floats *params)
{
    PITH_CHECK(infer->ctx, params->n_items == 0 || params->n_items == 3, PITH_STATUS_FORMAT,
               "kernel_params has %d items, but must have 3: gamma, coef0, degree", params->n_items);
    return PITH_OK;
}
