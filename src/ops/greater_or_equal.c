/* SPDX-License-Identifier: Apache-2.0 */
/* greater_or_equal: y = a >= b as bool, numpy broadcasting; false where an operand is NaN. ONNX GreaterOrEqual. */
#include "ops/shared_binary.h"

PITHI_ORDER_CODE(>=)

static const pith_spelling spellings[] = {
    { "onnx", "", "GreaterOrEqual", 12, NULL },
};

const pith_op pith_op_greater_or_equal = {
    .head = { "greater_or_equal", 1, PITH_NO_ATTRS },
    PITHI_ORDER_RECORD,
};
