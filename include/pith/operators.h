/* SPDX-License-Identifier: Apache-2.0 */
/* What operators this build of the library has: names, versions in files, element types. */
#ifndef PITH_OPERATORS_H
#define PITH_OPERATORS_H

#include <stdint.h>

#include "pith/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pith_operator_operand {
    const char *name;
    uint32_t dtypes;             /**< Bit 1 << d is set if pith_dtype d is taken. */
    int is_optional, is_variadic; /**< Variadic: the last operand, one or more. */
} pith_operator_operand;

/** How a file format names the operator, from a version of the domain on. */
typedef struct pith_operator_spelling {
    const char *format, *domain, *name; /**< "onnx", "" or "com.microsoft", "Conv". */
    int since;
} pith_operator_spelling;

typedef struct pith_operator {
    const char *name;  /**< pith's own, as `pith info --layers` shows it. */
    int has_fast_path; /**< 0: always the plain reference. */
    int n_samples;     /**< Cases that the tests run. */
    int n_inputs, n_outputs, n_spellings;
} pith_operator;

/** Number of operators; they are sorted by name. */
int pith_operator_count(void);

/** Operator `index` of 0 to pith_operator_count() - 1. */
pith_operator pith_operator_at(int index);
pith_operator_operand pith_operator_input(int index, int input);
pith_operator_operand pith_operator_output(int index, int output);
pith_operator_spelling pith_operator_spelling_at(int index, int spelling);

#ifdef __cplusplus
}
#endif
#endif
