/* SPDX-License-Identifier: Apache-2.0 */
/* From a graph and concrete inputs to plans. A template is a graph that is run with changing shapes; a
 * stretch is the plan of its part that can be planned for one set of shapes, plus what follows: nothing,
 * or a control node to be executed, and the template of the rest. */
#ifndef PITH_EXEC_STRETCH_H
#define PITH_EXEC_STRETCH_H

#include "plan/plan.h"

typedef struct pithi_template pithi_template;
typedef struct pithi_stretch pithi_stretch;

/* What all templates of a model share. */
typedef struct pithi_program pithi_program;
struct pithi_program {
    pith_ctx *ctx;
    const char *disabled_passes;
    bool keep_all_values, is_exact, allows_float16;
    pithi_pack_cache *packs;
    const pithi_tuning *tuning; /* NULL: none */
    size_t max_cached_bytes; /* ceiling for plans; those in use stay */
    size_t cached_bytes;
    uint64_t clock;          /* counts look-ups, for least recently used */
    pithi_stretch *newest;   /* all stretches of all templates, by use */
    pithi_stretch *oldest;
    /* NULL: constants stay. Else those that the first plan has packed may be lost; it is called before anything but a
     * run of that plan reads them, and brings them back. */
    pith_status (*restore)(pithi_program *program);
    bool has_spent, has_plans;
};

struct pithi_template {
    pithi_program *program;
    pith_graph *graph;      /* owned */
    bool keeps_outputs;     /* outputs are handed to the caller: never views of its inputs */
    bool *embeds;           /* by graph input: plans depend on its value, not only on its shape */
    pithi_stretch *stretches;
};

/* A control node (loop, scan) between a stretch and its rest. Operands are numbers of available tensors:
 * plan outputs; -1: absent; constants are given as tensors. */
typedef struct pithi_control {
    const pith_node *node;      /* in `holder` */
    pith_graph *holder;         /* owned */
    pithi_template *body;
    int *inputs;                /* node->n_inputs numbers */
    int *captured;              /* n_captured numbers, in the order of the body's last inputs */
    int n_captured;
} pithi_control;

struct pithi_stretch {
    pithi_template *of;
    pith_tensor *key;           /* by template input: dtype, shape; data where the value is embedded */
    pith_plan *plan;
    pithi_template *rest;       /* NULL: the stretch is all there is */
    pithi_control *control;     /* executed between stretch and rest; its outputs are the rest's last inputs */
    int *rest_inputs;           /* n_rest_inputs plan outputs, the first inputs of the rest */
    int n_rest_inputs;
    int *outputs;               /* by template output: >= 0 plan output, else -1 - number of rest output */
    pithi_arena memory;         /* key, lists */
    size_t n_bytes;             /* what the cache counts */
    int n_users;                /* sessions bound to it now */
    pithi_stretch *next;        /* of the same template */
    pithi_stretch *newer, *older;
};

/* After it constants have their numbers, until the model is destroyed. */
pith_status pithi_program_restore(pithi_program *program);

pith_status pithi_template_create(pithi_program *program, pith_graph *graph, bool keeps_outputs,
                                  pithi_template **template_out); /* takes the graph on success */
void pithi_template_destroy(pithi_template *template);

/* The stretch for these inputs, from the cache or made now. inputs[i].data may be NULL (cost reports): if
 * a value is needed then, the call fails with PITH_STATUS_STATE. */
pith_status pithi_template_stretch(pithi_template *template, const pith_tensor *inputs, int n_threads,
                                   pithi_stretch **stretch_out);

/* Finds in `graph` (inferred) the first node that can't be planned although its inputs have shapes, and the
 * value it needs (NULL for control nodes that must be executed). *node_out NULL: nothing is blocked. */
pith_status pithi_find_blocked(pith_graph *graph, pith_node **node_out, pith_value **needed_out);

/* Cuts an inferred graph in front of `blocked`: fills plan graph, rest, control and lists of the stretch. */
pith_status pithi_stretch_cut(pithi_stretch *stretch, pith_graph *graph, pith_node *blocked, pith_graph **planned_out);

#endif
