/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of several kinds: the same bits with 1 to 32 threads, arenas at the lower bound, no allocation after the
 * first run by whatever way, no CPU between runs. tests/models repeats it with real networks. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "exec/internal.h"
#include "ops/shared_gemm.h"
#include "support/allocations.h"
#include "support/graph_text.h"
#include "support/promises.h"

#define W "{-0.1:0.1}"
#define CONV(y, x, w, more) #y " = conv " #x " " #w " | pads=[1,1,1,1] " more "\n"

static const struct {
    const char *name, *text;
} networks[] = {
    { "convolutions", "input x f32[1,3,48,64]\nconst a f32[24,3,3,3]" W "\nconst d f32[24,1,3,3]" W
      "\nconst p f32[40,24,1,1]" W
      "\nconst k f32[40,40,3,3]" W "\nconst f f32[40,10]" W "\n"
      CONV(s, x, a, "strides=[2,2]") "sr = relu s\n" CONV(t, sr, d, "group=24") "tr = relu t\nu = conv tr p\n"
      CONV(v, u, k, "") "w = add v u\nm = max_pool w | kernel_shape=[2,2] strides=[2,2]\ng = global_average_pool m\n"
      "h = flatten g\no = matmul h f\ny = softmax o | axis=1\noutput y\noutput m\n" },
    { "products and norms", "input x f32[37,96]\nconst q f32[96,96]" W "\nconst k f32[96,96]" W "\nconst v f32[96,96]" W
      "\nconst u f32[96,256]" W "\nconst d f32[256,96]" W "\nconst s f32[96]{0.5:1.5}\n"
      "a = matmul x q\nb = matmul x k\nc = matmul x v\nbt = transpose b | perm=[1,0]\ne = matmul a bt\n"
      "p = softmax e | axis=1\nf = matmul p c\ng = add f x\nh = mul g s\ni = matmul h u\nj = tanh i\nl = matmul j d\n"
      "y = add l g\noutput y\n" },
    { "recurrent", "input x f32[9,2,64]\nconst w f32[1,256,64]" W "\nconst r f32[1,256,64]" W
      "\nconst v f32[1,256,64]" W
      "\na = lstm x w r | hidden_size=64\nb = lstm x v r | hidden_size=64\nc = add a b\ny = tanh c\noutput y\n" },
    { "elementwise, reductions, moves", "input x f32[6,70,33]\nconst b f32[70,1]" W "\na = add x b\ne = exp a\n"
      "r = reduce_sum e | keepdims=1\nt = transpose e | perm=[2,0,1]\np q = split t - | axis=0 num_outputs=2\n"
      "c = concat q p | axis=0\ns = sigmoid c\noutput s\noutput r\n" },
};

static void check_network(pith_test *test, const char *text)
{
    static const int threads[] = { 1, 2, 3, 5, 8, 16, 32, 0 };
    pith_graph *graph = pith_test_graph(test, text);
    pith_model *model = NULL;
    pith_tensor x = { 0 };
    if (!graph) {
        return;
    }
    x = (pith_tensor){ .dtype = graph->inputs[0]->dtype, .shape = graph->inputs[0]->shape };
    x.data = malloc(pith_tensor_bytes(&x));
    pith_test_fill(test, &x, -1, 1, false);
    TEST_OK(test, pithi_model_from_graph(graph, NULL, &model));
    if (model) {
        pith_test_arena(test, model, &x.shape);
        pith_test_threads(test, model, &x, 1, threads);
    }
    pith_model_destroy(model);
    free(x.data);
}

/* Work is cut for other caches: the same bits. */
static void check_caches(pith_test *test)
{
    static const char *const texts[] = {
        "input x f32[300,2048]\nconst w f32[2048,384]" W "\na = matmul x w\ny = tanh a\noutput y\n",
        "input x u8[300,1024]\nconst w s8[1024,384]{-9:9}\na = matmul_integer x w\noutput a\n",
        "input x f32[1,48,56,56]\nconst w f32[64,48,5,5]" W "\nconst v f32[64,64,1,1]" W
        "\na = conv x w | pads=[2,2,2,2]\nb = relu a\ny = conv b v\noutput y\n",
        "input x f32[1,48,56,56]\nconst w f32[64,48,3,3]" W "\na = conv x w | pads=[1,1,1,1]\ny = relu a\noutput y\n",
    };
    static const size_t shares[] = { (size_t)64 << 10, (size_t)256 << 10, (size_t)1 << 20, 0 };
    for (int i = 0; i < PITH_COUNT(texts); i++) {
        const uint64_t random = test->random; /* of the weights */
        pith_tensor x = { 0 };
        char *first = NULL;
        for (int k = 0; k < PITH_COUNT(shares); k++) {
            test->random = random;
            pith_graph *graph = pith_test_graph(test, texts[i]);
            pith_model *model = NULL;
            pith_session *session = NULL;
            pithi_l2_share_set(shares[k]);
            if (!x.data) {
                x = (pith_tensor){ .dtype = graph->inputs[0]->dtype, .shape = graph->inputs[0]->shape };
                x.data = malloc(pith_tensor_bytes(&x));
                pith_test_fill(test, &x, -1, 1, false);
            }
            TEST_OK(test, pithi_model_from_graph(graph, NULL, &model));
            TEST_OK(test, pith_session_create(model, &(pith_session_options){ .n_threads = 1 + k }, &session));
            TEST_OK(test, pith_session_run(session, &x, 1));
            const pith_tensor *y = pith_session_output(session, 0);
            size_t n_bytes = pith_tensor_bytes(y);
            if (!first) {
                first = malloc(n_bytes);
                memcpy(first, y->data, n_bytes);
            }
            TEST_CHECK_MESSAGE(test, memcmp(first, y->data, n_bytes) == 0, "network %d: other bits with %zu bytes", i,
                               shares[k]);
            pith_session_destroy(session);
            pith_model_destroy(model);
        }
        free(first);
        free(x.data);
    }
    TEST_CHECK(test, pithi_l2_share() >= (size_t)64 << 10 && pithi_l2_share() <= (size_t)1 << 20);
}

/* The counters see what they should, or no test that asks them can fail. */
static void check_counters(pith_test *test)
{
    if (!pith_test_counts_allocations()) {
        pith_test_skip(test, "allocations can't be counted with this C library or sanitizer");
        return;
    }
    pith_test_allocations_start();
    void *volatile block = malloc(10);
    block = realloc(block, 20);
    free(block);
    void *pages = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TEST_CHECK(test, pith_test_allocations_stop() == 3);
    munmap(pages, 4096);
    pith_test_allocations_start();
    pithi_alloc(test->ctx, 1 << 20, (void **)(void *)&pages); /* maps */
    TEST_CHECK(test, pith_test_allocations_stop() > 0);
    pithi_free(test->ctx, pages);
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* A session as it is by default, after runs: its threads sleep. */
static void check_idle(pith_test *test, const pith_session_options *options)
{
    pith_graph *graph = pith_test_graph(test, networks[0].text);
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_tensor x = { .dtype = PITH_DTYPE_F32, .shape = { 4, { 1, 3, 48, 64 } } };
    x.data = malloc(pith_tensor_bytes(&x));
    pith_test_fill(test, &x, -1, 1, false);
    TEST_OK(test, pithi_model_from_graph(graph, NULL, &model));
    TEST_OK(test, pith_session_create(model, options, &session));
    for (int i = 0; i < 20; i++) {
        TEST_OK(test, pith_session_run(session, &x, 1));
    }
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL); /* far beyond the spin time */
    double before = cpu_seconds();
    nanosleep(&(struct timespec){ 0, 300000000 }, NULL);
    double used = cpu_seconds() - before;
    TEST_CHECK_MESSAGE(test, used < 0.003, "%g s of CPU in 0.3 s between runs", used);
    pith_session_destroy(session);
    pith_model_destroy(model);
    free(x.data);
}

void test_promises(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(networks); i++) {
        pith_test_case(test, "%s", networks[i].name);
        check_network(test, networks[i].text);
    }
    pith_test_case(test, "the same bits for caches of other sizes");
    check_caches(test);
    pith_test_case(test, "allocations are counted");
    check_counters(test);
    pith_test_case(test, "no CPU between runs, defaults");
    check_idle(test, NULL);
    pith_test_case(test, "no CPU between runs, 8 threads");
    check_idle(test, &(pith_session_options){ .n_threads = 8 });
    pith_test_case(test, "no CPU between runs, 4 steady threads");
    check_idle(test, &(pith_session_options){ .n_threads = 4, .steady_threads = 1 });
}
