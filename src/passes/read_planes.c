/* SPDX-License-Identifier: Apache-2.0 */
/* First convolutions read the planes of an image where they lie, instead of a channels-last copy: with few channels the
 * copy, and another one with zeros around, cost as much as half of the convolution. */
#include "ops/shared_conv.h"
#include "passes/rewrite.h"

/* What `conv` would read as planes, or NULL. */
static pith_value *find_planes(const pith_node *conv)
{
    const pithi_conv_attrs *attrs = conv->attrs;
    const pith_node *to_last = conv->inputs[0] ? conv->inputs[0]->producer : NULL;
    const pith_tensor *w = pithi_constant_input(conv, 1);
    int64_t perm[PITH_MAX_RANK];
    pithi_conv_geometry g;
    int rank = 0;
    bool is_candidate = attrs->channels_last && !attrs->reads_planes && w && w->dtype == PITH_DTYPE_F32 &&
                        pithi_is(to_last, "transpose") && pithi_value_has_dims(to_last->inputs[0]) &&
                        pithi_transpose_perm(to_last, perm, &rank) && rank == 4;
    if (!is_candidate || perm[0] != 0 || perm[1] != 2 || perm[2] != 3 || perm[3] != 1) {
        return NULL;
    }
    pithi_conv_attrs planes = *attrs;
    planes.reads_planes = 1;
    return pithi_conv_geometry_of(NULL, &planes, &to_last->inputs[0]->shape, &w->shape, false, &g) == PITH_OK &&
                   pithi_conv_takes_planes(&g)
               ? to_last->inputs[0] : NULL;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    for (pith_node *node = graph->first; node; node = node->next) {
        pith_value *planes = pithi_is(node, "conv") ? find_planes(node) : NULL;
        if (planes) {
            ((pithi_conv_attrs *)node->attrs)->reads_planes = 1;
            pithi_set_input(node, 0, planes);
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_read_planes = {
    .name = "read_planes",
    .stages = PITH_STAGE_SHAPE,
    .help = "lets convolutions of few channels read an image's planes in place",
    .run = run,
};
