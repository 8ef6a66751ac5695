/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs from text, a plain interpreter for them, and the check of a pass: golden text and equal results.
 *
 * A line is one of (fields separated by spaces):
 *   input x f32[1,3,8,8]            a graph input; optionally {lo:hi}, the range of its random values
 *   const w f32[4,3]                random values in [-1, 1); also {lo:hi}, {1,2,3} or {v} for all
 *   y z = split x - | axis=1        a node: outputs, operator, inputs ("-": absent), attributes
 *   output y                        a graph output */
#ifndef PITH_TEST_GRAPH_TEXT_H
#define PITH_TEST_GRAPH_TEXT_H

#include "passes/pass.h"
#include "support/test.h"

/* Fails the case and returns NULL if the text is wrong. The caller destroys the graph. */
pith_graph *pith_test_graph(pith_test *test, const char *text);

/* Runs every node with its reference; `inputs` has the graph's inputs in order. outputs[i].data is to be
 * freed by the caller. False (and a failed case) if a node can't be run. */
bool pith_test_interpret(pith_test *test, pith_graph *graph, const pith_tensor *inputs, pith_tensor *outputs);

/* Runs the graph of the text in a session, after all passes, and node by node with the references: the outputs agree to
 * `tolerance` (of pith_test_difference()). With several threads, and without regions,
 * their bits are the same. */
void pith_test_run(pith_test *test, const char *text, int n_threads, double tolerance);

typedef struct pith_pass_check {
    const pith_pass *const *passes; /* run in turn, until nothing changes */
    int n_passes;
    pith_pass_stage stage;
    double tolerance;               /* of results before and after; 0: equal */
    const char *before, *after;     /* graph text; text of pithi_graph_print(), NULL: not compared */
} pith_pass_check;

void pith_test_pass(pith_test *test, const pith_pass_check *check);

/* The usual call: one pass in stage SHAPE with tolerance 1e-5. */
void pith_test_one_pass(pith_test *test, const pith_pass *pass, const char *before, const char *after);

#endif
