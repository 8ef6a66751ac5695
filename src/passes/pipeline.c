/* SPDX-License-Identifier: Apache-2.0 */
/* Which passes run, and in which order. The order is a decision, so it is written down here instead of
 * being collected from file names. */
#include "passes/rewrite.h"

#define MAX_ROUNDS 8 /* a pass that never settles must not hang the library */

/* A phase repeats its passes until none changes anything; then the next phase begins. */
typedef enum pipeline_phase {
    PHASE_SIMPLIFY, /* meaning on plain tensors */
    PHASE_LAYOUT,   /* once: where transposes stand */
    PHASE_CLEANUP,  /* what the layout made possible */
    PHASE_REGIONS,  /* once: what no other pass took in */
    PHASE_COUNT
} pipeline_phase;

#define IN(phase) (1u << (phase))

typedef struct entry {
    const pith_pass *pass;
    unsigned phases;
} entry;

#define ALWAYS (IN(PHASE_SIMPLIFY) | IN(PHASE_CLEANUP))

static const entry pipeline[] = {
    /* What makes graphs smaller comes first, so that the patterns behind it stand closer together. */
    { &pithi_pass_merge_common, ALWAYS }, /* quantisers may write a quantisation for each reader */
    { &pithi_pass_fuse_qdq, IN(PHASE_SIMPLIFY) }, /* before weights are spread to floats */
    { &pithi_pass_widen_dynamic, IN(PHASE_SIMPLIFY) },
    { &pithi_pass_fuse_dynamic, IN(PHASE_SIMPLIFY) },
    { &pithi_pass_widen_halves, IN(PHASE_SIMPLIFY) }, /* what follows knows float32 best */
    { &pithi_pass_fuse_nbits, IN(PHASE_SIMPLIFY) }, /* before stored weights are spread to floats */
    { &pithi_pass_fuse_recurrent, IN(PHASE_SIMPLIFY) },
    { &pithi_pass_fold_constants, ALWAYS },
    { &pithi_pass_remove_identity, ALWAYS },
    { &pithi_pass_fuse_rearrange, IN(PHASE_SIMPLIFY) }, /* before reshapes are merged away */
    { &pithi_pass_fuse_normalization, IN(PHASE_SIMPLIFY) },
    { &pithi_pass_fuse_patterns, IN(PHASE_SIMPLIFY) }, /* before parts of them are fused elsewhere */
    { &pithi_pass_merge_transpose, ALWAYS },
    { &pithi_pass_merge_reshape, ALWAYS },
    { &pithi_pass_sink_reshape, IN(PHASE_SIMPLIFY) },
    { &pithi_pass_remove_dead, ALWAYS },
    /* A factor, an offset, a shortcut, a function: the order in which operators apply them. */
    { &pithi_pass_fuse_focus, IN(PHASE_SIMPLIFY) },
    { &pithi_pass_fuse_pad, ALWAYS },
    { &pithi_pass_fold_batch_norm, ALWAYS },
    { &pithi_pass_fuse_bias, ALWAYS },
    { &pithi_pass_reparameterize, IN(PHASE_SIMPLIFY) }, /* before sums go into convolutions */
    { &pithi_pass_fuse_residual, ALWAYS },
    { &pithi_pass_fuse_activation, ALWAYS },
    { &pithi_pass_fuse_prelu, ALWAYS },
    { &pithi_pass_fold_transpose_matmul, ALWAYS },
    { &pithi_pass_fold_pooled, IN(PHASE_SIMPLIFY) }, /* of convolutions that have their factors and biases by now */
    { &pithi_pass_fuse_attention, IN(PHASE_SIMPLIFY) }, /* of products that have their factors and transposes */
    { &pithi_pass_layout, IN(PHASE_LAYOUT) },
    { &pithi_pass_read_planes, IN(PHASE_CLEANUP) },
    { &pithi_pass_repeat_channels, IN(PHASE_CLEANUP) }, /* before depthwise convolutions are looked for */
    { &pithi_pass_fuse_separable, IN(PHASE_CLEANUP) }, /* of what has its activations and shortcuts by now */
    { &pithi_pass_fold_gate, IN(PHASE_CLEANUP) },
    { &pithi_pass_fuse_pool, IN(PHASE_REGIONS) }, /* behind all that fuses what stands behind convolutions */
    { &pithi_pass_strip_rows, IN(PHASE_REGIONS) }, /* of convolutions that nothing else takes in */
    { &pithi_pass_fuse_region, IN(PHASE_REGIONS) },
};

_Static_assert(PITH_COUNT(pipeline) <= 64, "pith_graph.settled has a bit for each");

int pithi_pass_count(void) { return PITH_COUNT(pipeline); }
const pith_pass *pithi_pass_at(int index) { return pipeline[index].pass; }

/* ---- switching off -------------------------------------------------------------------------- */

static bool is_listed(const char *list, const char *name)
{
    return pithi_list_has(list, name) || pithi_list_has(list, "all");
}

static pith_status fail_unknown(pith_ctx *ctx, const char *name, int length)
{
    pithi_text names = { .ctx = ctx };
    for (int i = 0; i < pithi_pass_count(); i++) {
        pithi_text_add(&names, ", %s", pithi_pass_at(i)->name);
    }
    pith_status status = pithi_fail(ctx, PITH_STATUS_ARG, "there is no pass '%.*s'; the passes are all%s", length, name,
                                    names.data ? names.data : "");
    pithi_text_deinit(&names);
    return status;
}

static pith_status check_names(pith_ctx *ctx, const char *list)
{
    for (const char *at = list; at && *at; at = strchr(at, ',')) {
        at += *at == ',';
        size_t length = strcspn(at, ",");
        bool known = length == 0 || (length == 3 && memcmp(at, "all", 3) == 0);
        for (int i = 0; i < pithi_pass_count() && !known; i++) {
            const char *name = pithi_pass_at(i)->name;
            known = strlen(name) == length && memcmp(name, at, length) == 0;
        }
        if (!known) {
            return fail_unknown(ctx, at, (int)length);
        }
    }
    return PITH_OK;
}

/* ---- running -------------------------------------------------------------------------------- */

static pith_status run_round(pith_graph *graph, pith_pass_stage stage, unsigned phase_bit, const char *disabled,
                             int *n_changes)
{
    for (int i = 0; i < pithi_pass_count(); i++) {
        const pith_pass *pass = pipeline[i].pass;
        const bool fits = pass->stages & (unsigned)stage && pipeline[i].phases & phase_bit;
        if (!fits || graph->settled >> i & 1 || is_listed(disabled, pass->name)) {
            continue;
        }
        int n_before = *n_changes;
        PITH_TRY_AT(graph->ctx, pass->run(graph, stage, n_changes), "pass %s", pass->name);
        if (*n_changes == n_before) {
            graph->settled |= (uint64_t)1 << i;
        } else { /* the next pass finds shapes for what this one has made */
            graph->settled = 0;
            PITH_TRY_AT(graph->ctx, pithi_graph_infer(graph), "after pass %s", pass->name);
        }
    }
    return PITH_OK;
}

/* Passes rely on the operands that an operator can't do without, also where inference has not come by yet. */
static pith_status check_operands(const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; node->op && i < node->op->n_inputs; i++) {
            const pith_operand_spec *spec = &node->op->inputs[i];
            PITH_CHECK(graph->ctx, spec->arity == PITH_OPTIONAL || pithi_node_input(node, i), PITH_STATUS_FORMAT,
                       "node '%s' (%s): input %d ('%s') is missing", node->name, node->source_op, i, spec->name);
        }
    }
    return PITH_OK;
}

pith_status pithi_passes_run(pith_graph *graph, pith_pass_stage stage, const char *disabled)
{
    PITH_TRY(check_names(graph->ctx, disabled));
    PITH_TRY(check_operands(graph));
    graph->settled = stage == PITH_STAGE_MODEL ? 0 : graph->settled; /* callers may have changed anything */
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        for (int round = 0; round < MAX_ROUNDS; round++) {
            int n_changes = 0;
            PITH_TRY(run_round(graph, stage, IN(phase), disabled, &n_changes));
            if (n_changes == 0 || phase == PHASE_LAYOUT || phase == PHASE_REGIONS) {
                break;
            }
        }
    }
    return PITH_OK;
}

/* ONNX's MatMul has no factor: it goes into a mul behind. */
static pith_status split_alpha(pith_graph *graph, pith_node *node)
{
    const pith_shape scalar = { 0 };
    const pith_op *mul = pithi_op_find("mul");
    pith_value *operands[2] = { NULL, NULL }, *result = pithi_node_result(node);
    pith_tensor factor;
    PITH_CHECK(graph->ctx, mul, PITH_STATUS_INTERNAL, "this build lacks the operator mul");
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &scalar, &factor, &operands[1]));
    *(float *)factor.data = pithi_attr_float(node, "alpha");
    PITH_TRY(pithi_graph_add_value(graph, NULL, &operands[0]));
    operands[0]->dtype = result->dtype;
    operands[0]->has_shape = result->has_shape;
    operands[0]->shape = result->shape;
    operands[0]->producer = node;
    node->outputs[0] = operands[0];
    result->producer = NULL;
    PITH_TRY(pithi_attr_set_float(graph->ctx, node, "alpha", 1.0f));
    return pithi_graph_insert_node(graph, node->next, mul, "", operands, 2, &result, 1, NULL);
}

static pith_status split_alphas(pith_graph *graph)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        const bool is_scaled = pithi_is(node, "matmul") && pithi_node_result(node) &&
                               node->outputs[0]->dtype == PITH_DTYPE_F32 && pithi_attr_float(node, "alpha") != 1.0f;
        if (is_scaled) {
            PITH_TRY_AT(graph->ctx, split_alpha(graph, node), "node '%s'", node->name);
        }
    }
    return PITH_OK;
}

pith_status pithi_passes_run_portable(pith_graph *graph, const char *disabled)
{
    static const char portable[] =
        "fold_constants,remove_identity,remove_dead,merge_common,fuse_pad,fold_batch_norm,reparameterize,"
        "fuse_normalization,fuse_patterns";
    pithi_text others = { .ctx = graph->ctx };
    pithi_text_add(&others, "%s", disabled ? disabled : "");
    for (int i = 0; i < pithi_pass_count(); i++) {
        if (!pithi_list_has(portable, pithi_pass_at(i)->name)) {
            pithi_text_add(&others, ",%s", pithi_pass_at(i)->name);
        }
    }
    pith_status status = others.failed ? pithi_fail(graph->ctx, PITH_STATUS_NOMEM, "no memory for a list of passes")
                                       : pithi_passes_run(graph, PITH_STAGE_MODEL, others.data);
    pithi_text_deinit(&others);
    return status == PITH_OK ? split_alphas(graph) : status;
}
