/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_block.h"

const char *const pithi_block_modes[] = { "DCR", "CRD", NULL };
const pith_attr_spec pithi_block_attr_table[3] = {
    PITH_ATTR_REQUIRED_INT(pithi_block_attrs, blocksize, "blocksize"),
    PITH_ATTR_CHOICE(pithi_block_attrs, mode, "mode", PITHI_BLOCK_DCR, pithi_block_modes),
    PITH_ATTR_OWN_INT(pithi_block_attrs, channels_last, "channels_last", 0),
};

enum { BATCH, CHANNEL, ROW, BLOCK_ROW, COLUMN, BLOCK_COLUMN, N_INDICES };

void pithi_block_copy(pithi_copy *copy, const pithi_block_attrs *attrs, const pith_shape *wide, bool to_wide)
{
    static const int orders[2][2][N_INDICES] = {
        /* of the destination: [wide][channels last] */
        { { BATCH, BLOCK_ROW, BLOCK_COLUMN, CHANNEL, ROW, COLUMN },
          { BATCH, ROW, COLUMN, BLOCK_ROW, BLOCK_COLUMN, CHANNEL } },
        { { BATCH, CHANNEL, ROW, BLOCK_ROW, COLUMN, BLOCK_COLUMN },
          { BATCH, ROW, BLOCK_ROW, COLUMN, BLOCK_COLUMN, CHANNEL } },
    };
    bool is_last = attrs->channels_last != 0;
    int64_t b = attrs->blocksize, n_channels = wide->dims[is_last ? 3 : 1];
    int64_t height = wide->dims[is_last ? 1 : 2] / b, width = wide->dims[is_last ? 2 : 3] / b;
    int64_t size = n_channels * height * width * b * b;
    int64_t wide_pixel = is_last ? n_channels : 1, deep_pixel = is_last ? n_channels * b * b : 1;
    int64_t deep_plane = is_last ? 1 : height * width;
    int64_t channel_step = attrs->mode == PITHI_BLOCK_DCR ? 1 : b * b,
            block_step = attrs->mode == PITHI_BLOCK_DCR ? n_channels : 1;
    const int64_t dims[N_INDICES] = { wide->dims[0], n_channels, height, b, width, b };
    const int64_t wide_strides[N_INDICES] = { size, is_last ? 1 : height * width * b * b, width * b * b * wide_pixel,
                                              width * b * wide_pixel, b * wide_pixel, wide_pixel };
    const int64_t deep_strides[N_INDICES] = { size, channel_step * deep_plane, width * deep_pixel,
                                              block_step * b * deep_plane, deep_pixel, block_step * deep_plane };
    bool is_crd_deep = !to_wide && attrs->mode == PITHI_BLOCK_CRD;
    static const int crd_orders[2][N_INDICES] = { { BATCH, CHANNEL, BLOCK_ROW, BLOCK_COLUMN, ROW, COLUMN },
                                                  { BATCH, ROW, COLUMN, CHANNEL, BLOCK_ROW, BLOCK_COLUMN } };
    const int *order = is_crd_deep ? crd_orders[is_last] : orders[to_wide][is_last];
    for (int i = 0; i < N_INDICES; i++) {
        int k = order[i];
        pithi_copy_add(copy, dims[k], to_wide ? deep_strides[k] : wide_strides[k],
                       to_wide ? wide_strides[k] : deep_strides[k]);
    }
}

pith_status pithi_infer_block(pith_infer *infer, bool to_wide)
{
    const pithi_block_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    int64_t b = attrs->blocksize;
    PITH_CHECK(infer->ctx, b > 0 && b <= 65536, PITH_STATUS_ARG, "blocksize is %lld, it must be 1 to 65536",
               (long long)b);
    PITH_CHECK(infer->ctx, x->rank == 4, PITH_STATUS_SHAPE, "the input has rank %d, 4 is needed", x->rank);
    int channel = attrs->channels_last ? 3 : 1, row = attrs->channels_last ? 1 : 2;
    pith_shape y = *x;
    char text[PITHI_SHAPE_TEXT_BYTES];
    bool fits = to_wide ? x->dims[channel] % (b * b) == 0 : x->dims[row] % b == 0 && x->dims[row + 1] % b == 0;
    PITH_CHECK(infer->ctx, fits, PITH_STATUS_SHAPE, "shape %s can't be cut into blocks of %lld x %lld",
               pithi_shape_text(x, text), (long long)b, (long long)b);
    y.dims[channel] = to_wide ? x->dims[channel] / (b * b) : x->dims[channel] * b * b;
    y.dims[row] = to_wide ? x->dims[row] * b : x->dims[row] / b;
    y.dims[row + 1] = to_wide ? x->dims[row + 1] * b : x->dims[row + 1] / b;
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = y;
    return PITH_OK;
}

bool pithi_block_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    pithi_block_attrs *attrs = node->attrs;
    attrs->channels_last = 1;
    return node->inputs[0]->shape.rank == 4;
}
