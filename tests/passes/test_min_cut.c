/* SPDX-License-Identifier: Apache-2.0 */
/* The minimum cut against all cuts of small random networks. */
#include "passes/min_cut.h"
#include "support/test.h"

#define MAX_VERTICES 9
#define MAX_EDGES 24

typedef struct network {
    int n_vertices, n_edges;
    int from[MAX_EDGES], to[MAX_EDGES];
    int64_t forward[MAX_EDGES], backward[MAX_EDGES];
} network;

static int64_t price(const network *net, unsigned sink_side)
{
    int64_t sum = 0;
    for (int e = 0; e < net->n_edges; e++) {
        bool from = sink_side >> net->from[e] & 1, to = sink_side >> net->to[e] & 1;
        sum += !from && to ? net->forward[e] : from && !to ? net->backward[e] : 0;
    }
    return sum;
}

static void check_network(pith_test *test)
{
    network net = { .n_vertices = 2 + (int)(pith_test_random(test) % (MAX_VERTICES - 1)) };
    pithi_cut cut = { .ctx = test->ctx };
    for (int v = 2; v < net.n_vertices; v++) {
        int vertex = 0;
        TEST_OK(test, pithi_cut_add_vertex(&cut, &vertex));
        TEST_CHECK(test, vertex == v);
    }
    net.n_edges = (int)(pith_test_random(test) % MAX_EDGES);
    for (int e = 0; e < net.n_edges; e++) {
        net.from[e] = (int)(pith_test_random(test) % (unsigned)net.n_vertices);
        net.to[e] = (int)(pith_test_random(test) % (unsigned)net.n_vertices);
        net.forward[e] = (int64_t)(pith_test_random(test) % 10);
        net.backward[e] = pith_test_random(test) % 2 ? 0 : (int64_t)(pith_test_random(test) % 10);
        TEST_OK(test, pithi_cut_add_edge(&cut, net.from[e], net.to[e], net.forward[e], net.backward[e]));
    }
    TEST_OK(test, pithi_cut_solve(&cut));
    unsigned found = 0;
    for (int v = 0; v < net.n_vertices; v++) {
        found |= (unsigned)cut.on_sink_side[v] << v;
    }
    TEST_CHECK(test, (found & 3) == 2);
    for (unsigned sides = 0; sides < 1u << net.n_vertices; sides++) {
        if ((sides & 3) == 2) {
            TEST_CHECK(test, price(&net, found) <= price(&net, sides));
            TEST_CHECK(test, price(&net, found) < price(&net, sides) || (found & ~sides) == 0);
        }
    }
    pithi_cut_deinit(&cut);
}

void test_min_cut(pith_test *test)
{
    pith_test_case(test, "no cut of a random network is cheaper, and no cheapest one has a smaller sink side");
    for (int i = 0; i < 300; i++) {
        check_network(test);
    }
}
