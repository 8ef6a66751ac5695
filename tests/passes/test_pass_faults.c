/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline with the n-th allocation failing, for every n: a clean status, and nothing leaks. */
#include "support/graph_text.h"

static const char *const model = "input x f32[1,4,8,8]\n"
                                 "const w f32[4,4,3,3]\n"
                                 "const g f32[4]\nconst b f32[4]\nconst m f32[4]\nconst v f32[4]{1:2}\n"
                                 "const c f32[4,1,1]\n"
                                 "const flat s64[2]{1,-1}\n"
                                 "const k f32[144,6]\n"
                                 "const six f32[]{6}\nconst three f32[]{3}\n"
                                 "const last s64[1]{-1}\nconst eps f32[]{1e-5}\n"
                                 "a = conv x w | pads=[1,1,1,1]\n"
                                 "d = batch_normalization a g b m v\n"
                                 "e = add d three\n"
                                 "f = clip e | min=0 max=6\n"
                                 "h = mul d f\n"
                                 "i = div h six\n"
                                 "j = conv i w | pads=[1,1,1,1]\n"
                                 "l = add j x\n"
                                 "n = mul l c\n"
                                 "o = max_pool n | kernel_shape=[3,3]\n"
                                 "p = transpose o | perm=[0,2,3,1]\n"
                                 "q = reshape p flat\n"
                                 "r = matmul q k\n"
                                 "s = mul r r\n"
                                 "t = reduce_mean s last\n"
                                 "u = add t eps\n"
                                 "z = sqrt u\n"
                                 "y = div r z\n"
                                 "output y\n";

static pith_status run_all(pith_graph *graph)
{
    pith_graph *clone = NULL;
    PITH_TRY(pithi_graph_infer(graph));
    PITH_TRY(pithi_passes_run(graph, PITH_STAGE_MODEL, NULL));
    PITH_TRY(pithi_graph_clone(graph, &clone));
    pith_status status = pithi_graph_infer(clone);
    status = status == PITH_OK ? pithi_passes_run(clone, PITH_STAGE_SHAPE, NULL) : status;
    pithi_graph_destroy(clone);
    return status;
}

/* True if all went well although the allocation `n_good` after building would have failed. */
static bool check_failing_at(pith_test *test, long n_good, bool only_once)
{
    pith_failing_allocator state = { .n_good = 1000000, .only_once = only_once };
    pith_allocator allocator = pith_failing_allocator_make(&state);
    pith_test inner = *test;
    TEST_OK(test, pith_ctx_create(&allocator, &inner.ctx));
    pith_graph *graph = pith_test_graph(&inner, model);
    state.n_good = state.n_calls + n_good;
    pith_status status = graph ? run_all(graph) : PITH_STATUS_INTERNAL;
    TEST_CHECK_MESSAGE(test, status == PITH_OK || status == PITH_STATUS_NOMEM, "allocation %ld: %s", n_good,
                       pith_ctx_error(inner.ctx));
    pithi_graph_destroy(graph);
    pith_ctx_destroy(inner.ctx);
    TEST_CHECK_MESSAGE(test, state.n_live == 0, "allocation %ld: %ld blocks are lost", n_good, state.n_live);
    return status == PITH_OK;
}

void test_pass_faults(pith_test *test)
{
    for (int only_once = 0; only_once < 2; only_once++) {
        pith_test_case(test, only_once ? "one allocation fails" : "all allocations fail from one on");
        long n = 0;
        while (n < 5000 && !check_failing_at(test, n, only_once != 0)) {
            n++;
        }
        TEST_CHECK_MESSAGE(test, n > 20 && n < 5000, "%ld allocations", n);
    }
}
