/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_flex.h"

static int64_t n_rows(const pith_tensor *inputs)
{
    const int64_t *d = inputs[0].shape.dims;
    return d[0] * d[1] * d[2];
}

pith_status pithi_flex_prepare(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(n_rows(prepare->inputs), 1024));
    prepare->kernel = "rows";
    return PITH_OK;
}

void pithi_flex_rows(const pith_run *run, const pith_part *part, int64_t *begin, int64_t *end)
{
    *begin = 0;
    *end = n_rows(run->inputs);
    if (part) {
        pithi_part_range(part, *end, begin, end);
    }
}

int64_t pithi_flex_head(const pith_run *run, int64_t row)
{
    const int64_t *q = run->inputs[0].shape.dims, *k = run->inputs[1].shape.dims;
    const int64_t head = row / q[2];
    return head / q[1] * k[1] + head % q[1] / (q[1] / k[1]);
}

pith_status pithi_infer_flex(pith_infer *infer, int mine, int its)
{
    const pith_shape *q = &infer->inputs[0].shape, *k = &infer->inputs[1].shape;
    char a[PITHI_SHAPE_TEXT_BYTES], b[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, q->rank == 4 && k->rank == 4 && q->dims[0] == k->dims[0] && k->dims[1] > 0 &&
               q->dims[1] % k->dims[1] == 0 && q->dims[mine] == k->dims[its], PITH_STATUS_SHAPE,
               "inputs %s and %s aren't [batch, heads, rows, size] that fit: one batch, heads of the first a multiple "
               "of the second's, and equal sizes", pithi_shape_text(q, a), pithi_shape_text(k, b));
    return PITH_OK;
}
