/* SPDX-License-Identifier: Apache-2.0 */
/* Trees that contradict themselves: each is refused with what is wrong. Right ones are compared with ONNX Runtime in
 * models/onnx_suite and with the reference in ops/all_ops. */
#include <stdio.h>

#include "ops/sample.h"
#include "pith/pith.h"
#include "support/proto.h"
#include "support/test.h"

/* ---- tables ------------------------------------------------------------------------------- */

#define LEAVES " leaf_begins=s32[3]{0,1,2} vote_targets=s32[2]{0,0} vote_weights=f64[2]{1,2}"

static const struct {
    const char *attrs, *message;
} tables[] = {
    { "roots=s32[1]{0} nodes=s32[2,7]{0,0,0,1,-1,0,0,0,0,0,0,-2,0,0} splits=f64[2]{0,1}" LEAVES,
      "leads back to node 0" },
    { "roots=s32[1]{0} nodes=s32[1,7]{0,0,0,0,-1,0,0} splits=f64[1]{0}" LEAVES, "leads back to node 0" },
    { "roots=s32[1]{1} nodes=s32[1,7]{0,0,0,-1,-2,0,0} splits=f64[1]{0}" LEAVES, "root of tree 0 is node 1" },
    { "roots=s32[1]{0} nodes=s32[1,7]{0,0,0,-1,-3,0,0} splits=f64[1]{0}" LEAVES, "false branch of node 0 is leaf 2" },
    { "roots=s32[1]{0} nodes=s32[1,7]{0,0,0,7,-1,0,0} splits=f64[1]{0}" LEAVES, "true branch of node 0 is node 7" },
    { "roots=s32[1]{0} nodes=s32[1,7]{3,0,0,-1,-2,0,0} splits=f64[1]{0}" LEAVES, "asks for feature 3" },
    { "roots=s32[1]{0} nodes=s32[1,7]{0,7,0,-1,-2,0,0} splits=f64[1]{0}" LEAVES, "node 0 has mode 7" },
    { "roots=s32[1]{0} nodes=s32[1,7]{0,6,0,-1,-2,0,1} splits=f64[1]{0}" LEAVES, "no set of members" },
    { "roots=s32[1]{0} nodes=s32[1,7]{0,0,0,-1,-2,0,0} splits=f64[1]{nan}" LEAVES, "split of node 0 is NaN" },
    { "roots=s32[1]{0} nodes=s32[1,7]{0,0,0,-1,-2,0,0} splits=f64[2]{0,0}" LEAVES, "'splits'" },
    { "roots=s32[1]{0} nodes=s32[1,7]{0,0,0,-1,-2,0,0} splits=f64[1]{0} n_targets=0" LEAVES, "n_targets is 0" },
    { "roots=s32[1]{-1} nodes=s32[0,7]{} splits=f64[0]{} leaf_begins=s32[2]{0,1} vote_targets=s32[1]{1} "
      "vote_weights=f64[1]{1}", "weight 0 is for target 1" },
    { "roots=s32[1]{-1} nodes=s32[0,7]{} splits=f64[0]{} leaf_begins=s32[2]{0,2} vote_targets=s32[1]{0} "
      "vote_weights=f64[1]{1}", "leaves without votes" },
};

static void check_table(pith_test *test, const char *attrs, const char *message)
{
    char text[600];
    pith_sample sample;
    pith_tensor input = { .dtype = PITH_DTYPE_F32, .shape = { 2, { 2, 3 } } }, output = { 0 };
    pith_test_case(test, "tables: %.100s", message);
    snprintf(text, sizeof text, "f32[2,3] | %s", attrs);
    TEST_OK(test, pithi_sample_parse(test->ctx, pithi_op_find("tree_ensemble"), text, &sample));
    if (sample.graph) {
        pith_infer infer = { .ctx = test->ctx, .node = sample.node, .attrs = sample.node->attrs, .inputs = &input,
                             .n_inputs = 1, .outputs = &output, .n_outputs = 1 };
        pith_status status = pithi_op_infer(&infer);
        TEST_CHECK(test, status == PITH_STATUS_FORMAT || status == PITH_STATUS_SHAPE);
        TEST_CHECK_MESSAGE(test, strstr(pith_ctx_error(test->ctx), message), "%s", pith_ctx_error(test->ctx));
        pith_ctx_clear_error(test->ctx);
    }
    pithi_graph_destroy(sample.graph);
}

/* ---- files -------------------------------------------------------------------------------- */

/* Lists of TreeEnsembleRegressor: trees, ids, true and false children, modes; then trees and ids of the weights. */
static const struct {
    const char *trees, *ids, *yes, *no, *modes, *vote_trees, *vote_ids, *message;
} files[] = {
    { "0 0 0", "0 1 2", "1 0 0", "9 0 0", "BRANCH_LEQ LEAF LEAF", "0 0", "1 2", "leads to node 9" },
    { "0 0 0", "0 1 1", "1 0 0", "1 0 0", "BRANCH_LEQ LEAF LEAF", "0 0", "1 1", "is there twice" },
    { "0 0 0", "0 1 2", "1 0 0", "1 0 0", "BRANCH_LEQ LEAF LEAF", "0 0", "1 2", "2 nodes that no other leads to" },
    { "0 0", "0 1", "0 0", "1 0", "BRANCH_LEQ LEAF", "0 0", "1 1", "runs in a circle" },
    { "0 0 0", "0 1 2", "1 0 0", "2 0 0", "BRANCH_LEQ LEAF LEAFS", "0 0", "1 2", "'LEAFS'" },
    { "0 0 0", "0 1 2", "1 0 0", "2 0 0", "BRANCH_LEQ LEAF LEAF", "0 1", "1 2", "weight for node 2 of tree 1" },
    { "0 0", "0 1 2", "1 0 0", "2 0 0", "BRANCH_LEQ LEAF LEAF", "0 0", "1 2", "'nodes_treeids' has 2 items" },
    { "0 0 0", "0 1 2", "1 0 0", "2 0 0", "BRANCH_LEQ LEAF LEAF", "0", "1 2", "'target_treeids' has 1 items" },
};

static void check_file(pith_test *test, int i)
{
    char text[1200], zeros[40] = "";
    pith_proto proto = { 0 };
    pith_model *model = NULL;
    pith_test_case(test, "file: %s", files[i].message);
    for (const char *at = files[i].ids; at; at = strchr(at + 1, ' ')) {
        strcat(zeros, " 0");
    }
    snprintf(text, sizeof text,
             "ir 8 ; opset 17 ; opset ai.onnx.ml 3 ; graph { name g ; input x f32[2,3]\n"
             "node TreeEnsembleRegressor x -> y in ai.onnx.ml { int n_targets 1 ; ints nodes_treeids %s\n"
             "ints nodes_nodeids %s ; ints nodes_truenodeids %s ; ints nodes_falsenodeids %s ; strings nodes_modes %s\n"
             "ints nodes_featureids%s ; floats nodes_values%s ; ints target_treeids %s ; ints target_nodeids %s\n"
             "ints target_ids 0 0 ; floats target_weights 1 2 } ; output y f32[2,1] }",
             files[i].trees, files[i].ids, files[i].yes, files[i].no, files[i].modes, zeros, zeros,
             files[i].vote_trees, files[i].vote_ids);
    TEST_CHECK(test, pith_proto_onnx(&proto, text));
    TEST_CHECK(test, pith_model_load_memory(test->ctx, proto.data, proto.n_bytes, NULL, &model) == PITH_STATUS_FORMAT);
    TEST_CHECK_MESSAGE(test, strstr(pith_ctx_error(test->ctx), files[i].message), "%s", pith_ctx_error(test->ctx));
    pith_ctx_clear_error(test->ctx);
    pith_model_destroy(model);
    pith_proto_free(&proto);
}

void test_trees(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(tables); i++) {
        check_table(test, tables[i].attrs, tables[i].message);
    }
    for (int i = 0; i < PITH_COUNT(files); i++) {
        check_file(test, i);
    }
}
