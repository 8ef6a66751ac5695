/* SPDX-License-Identifier: Apache-2.0 */
/* Support vector machines (Cortes and Vapnik 1995; probabilities after Wu, Lin and Weng 2004): what classifier and
 * regressor share. */
#ifndef PITH_OPS_SHARED_SVM_H
#define PITH_OPS_SHARED_SVM_H

#include "ops/shared_ml.h"

typedef enum pithi_svm_kernel { PITHI_SVM_LINEAR, PITHI_SVM_POLY, PITHI_SVM_RBF, PITHI_SVM_SIGMOID } pithi_svm_kernel;
extern const char *const pithi_svm_kernels[];

/* K(x, v) of vectors of n elements; params: gamma, coef0, degree, or none for zeros. */
double pithi_svm_product(int64_t kernel, const pith_floats *params, const double *x, const float *v, int64_t n);
/* kernel_params has 0 or 3 items. */
pith_status pithi_infer_svm_params(pith_infer *infer, const pith_floats *params);

#endif
