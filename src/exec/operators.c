/* SPDX-License-Identifier: Apache-2.0 */
/* The operator records as the public API shows them. */
#include "ops/op.h"
#include "pith/operators.h"

int pith_operator_count(void) { return pithi_op_count(); }

pith_operator pith_operator_at(int index)
{
    const pith_op *op = pithi_op_at(index);
    return (pith_operator){ op->head.name, op->prepare != NULL, op->n_samples, op->n_inputs, op->n_outputs,
                            op->n_spellings };
}

static pith_operator_operand describe(const pith_operand_spec *spec)
{
    return (pith_operator_operand){ spec->name, spec->dtypes, spec->arity == PITH_OPTIONAL,
                                    spec->arity == PITH_VARIADIC };
}

pith_operator_operand pith_operator_input(int index, int input) { return describe(&pithi_op_at(index)->inputs[input]); }

pith_operator_operand pith_operator_output(int index, int output)
{
    return describe(&pithi_op_at(index)->outputs[output]);
}

pith_operator_spelling pith_operator_spelling_at(int index, int spelling)
{
    const pith_spelling *row = &pithi_op_at(index)->spellings[spelling];
    return (pith_operator_spelling){ row->format, row->domain, row->name, row->since };
}
