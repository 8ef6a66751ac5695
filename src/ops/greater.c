/* SPDX-License-Identifier: Apache-2.0 */
/* greater: y = a > b as bool, numpy broadcasting; false where an operand is NaN. ONNX Greater. */
#include "ops/shared_binary.h"

PITHI_ORDER_CODE(>)

static const pith_spelling spellings[] = {
    { "onnx", "", "Greater", 1, pithi_map_legacy_broadcast },
    { "onnx", "", "Greater", 7, NULL },
};

const pith_op pith_op_greater = {
    .head = { "greater", 1, PITH_NO_ATTRS },
    PITHI_ORDER_RECORD,
};
