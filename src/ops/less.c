/* SPDX-License-Identifier: Apache-2.0 */
/* less: y = a < b as bool, numpy broadcasting; false where an operand is NaN. ONNX Less. */
#include "ops/shared_binary.h"

PITHI_ORDER_CODE(<)

static const pith_spelling spellings[] = {
    { "onnx", "", "Less", 1, pithi_map_legacy_broadcast },
    { "onnx", "", "Less", 7, NULL },
};

const pith_op pith_op_less = {
    .head = { "less", 1, PITH_NO_ATTRS },
    PITHI_ORDER_RECORD,
};
