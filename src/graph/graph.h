/* SPDX-License-Identifier: Apache-2.0 */
/* Level 3: the graph. Values are edges, nodes are uses of operators, in topological order. A graph
 * owns an arena: nodes, values, names and attributes die with it. */
#ifndef PITH_GRAPH_H
#define PITH_GRAPH_H

#include "base/base.h"
#include "pith/object.h"

typedef struct pith_op pith_op;       /* ops/op.h */
typedef struct pith_node pith_node;
typedef struct pith_value pith_value;
typedef struct pith_graph pith_graph;

/* An edge. At most one of `producer` and `constant` is set; neither for graph inputs. */
struct pith_value {
    const char *name;                   /* unique in the graph; the file's name where it has one */
    pith_dtype dtype;                   /* PITH_DTYPE_NONE while unknown */
    bool has_shape;                     /* rank is known; single dims may still be -1 */
    pith_shape shape;
    const char *symbols[PITH_MAX_RANK]; /* names of symbolic dimensions, else NULL */
    pith_node *producer;
    const pith_tensor *constant;        /* known value; data borrowed from the file or from the graph */
    const pith_tensor *outline;         /* of strings and objects: what inference may read of a value that isn't
                                         * constant (graph/object.h) */
    const pith_type *type;              /* of objects, where the file declares it; else NULL */
    size_t output_hint;                 /* 1 + where it was last seen among a graph's outputs; 0: never was one */
    int n_uses;                         /* set by pithi_graph_count_uses(); outputs count as a use */
    int index;                          /* scratch number for passes and planner */
};

struct pith_node {
    const pith_op *op;       /* NULL: pith can't run it, `unsupported` says why */
    const char *name;        /* never NULL, maybe "" */
    const char *source_op;   /* how the file spells it, "Conv" or "com.microsoft.Gelu" */
    const char *unsupported;
    int source_opset;        /* version of its domain in the file; 0: no file has it */
    uint8_t refusal;         /* pithi_qdq_refusal: why it computes in float although something around it is quantised */
    int source_since;        /* version since which the file's operator has the meaning that was read; 0: unknown */
    void *attrs;             /* struct of the operator, op->attrs_size bytes */
    pith_value **inputs;     /* NULL entries: optional operands that are absent */
    int n_inputs;
    pith_value **outputs;    /* NULL entries: outputs that nobody wants */
    int n_outputs;
    pith_graph **bodies;     /* sub-graphs of control flow (if: then, else; loop, scan: body) */
    int n_bodies;
    pith_node *previous, *next;
    int index;               /* scratch number for passes and planner */
};

struct pith_graph {
    pith_ctx *ctx;
    pithi_arena arena;
    const char *name;
    pith_graph *parent;      /* of a body: captured values belong to it or further out */
    pith_graph *kept;        /* a body that was inlined and holds constants, or NULL; of a kept body the next one */
    pith_node *first, *last; /* topological order */
    int n_nodes;
    pith_value **inputs;     /* true inputs: weights are constants, not inputs */
    size_t n_inputs, inputs_capacity;
    pith_value **outputs;
    size_t n_outputs, outputs_capacity;
    pith_value **values;     /* every value ever made, also those no longer used */
    size_t n_values, values_capacity;
    uint64_t n_unique_names;
    bool keeps_stored;       /* weights that a file keeps quantised stay so: the graph will be written again */
    uint64_t settled;        /* passes (bits by place in the pipeline) that found nothing to do since the last change:
                              * whoever changes nodes, shapes or constants clears it; clones keep it */
};

/* ---- life --------------------------------------------------------------------------------- */

pith_status pithi_graph_create(pith_ctx *ctx, pith_graph **graph_out);
void pithi_graph_destroy(pith_graph *graph); /* NULL is allowed; destroys bodies too */

/* A copy of nodes, values and attributes; constants' data are shared with the original, which must
 * outlive the clone. */
pith_status pithi_graph_clone(const pith_graph *graph, pith_graph **clone_out);

/* A body of control flow as a graph of its own: captured values become inputs after the body's (their
 * outer values are listed in *captured_out, memory of the new graph), captured constants stay. */
pith_status pithi_graph_isolate(const pith_graph *body, pith_graph **graph_out, pith_value ***captured_out,
                                int *n_captured_out);
/* Replaces a control node by the nodes of its body number `body`; the body's inputs become `inputs`. */
pith_status pithi_graph_splice(pith_graph *graph, pith_node *node, int body, pith_value *const *inputs);

/* The same for a body of no node, in place of a node without bodies. The graph keeps the body, whose constants it now
 * uses, until it dies itself. */
pith_status pithi_graph_inline(pith_graph *graph, pith_node *node, pith_graph *body, pith_value *const *inputs);

/* ---- building ----------------------------------------------------------------------------- */

/* A value without producer. `name` is copied; NULL makes a fresh unique name. */
pith_status pithi_graph_add_value(pith_graph *graph, const char *name, pith_value **value_out);
/* Keeps fresh names away from one that a value got by hand: files that pith has written have names that look fresh. */
void pithi_graph_reserve_name(pith_graph *graph, const char *name);
/* A constant; the tensor struct is copied, its data is borrowed and must outlive the graph. */
pith_status pithi_graph_add_constant(pith_graph *graph, const char *name, const pith_tensor *tensor,
                                     pith_value **value_out);
/* A constant with zeroed data owned by the graph, to be filled through *tensor_out. */
pith_status pithi_graph_new_constant(pith_graph *graph, const char *name, pith_dtype dtype,
                                     const pith_shape *shape, pith_tensor *tensor_out, pith_value **value_out);
/* A rank-1 s64 constant with a copy of `items`. */
pith_status pithi_graph_add_s64s(pith_graph *graph, const int64_t *items, int n_items, pith_value **value_out);

pith_status pithi_graph_add_input(pith_graph *graph, pith_value *value);
pith_status pithi_graph_add_output(pith_graph *graph, pith_value *value);

/* A node in front of `before` (NULL: at the end). Inputs and outputs are copied; attrs start with
 * the operator's defaults (op NULL: none). Outputs' producer is set. */
pith_status pithi_graph_insert_node(pith_graph *graph, pith_node *before, const pith_op *op, const char *name,
                                    pith_value *const *inputs, int n_inputs, pith_value *const *outputs,
                                    int n_outputs, pith_node **node_out);

/* ---- editing ------------------------------------------------------------------------------ */

/* Takes a node out of the list; its outputs lose their producer. */
void pithi_graph_remove_node(pith_graph *graph, pith_node *node);
/* Moves a node in front of another one. */
void pithi_graph_move_node(pith_graph *graph, pith_node *node, pith_node *before);
/* Every use of `old` (node inputs, graph outputs, captures in bodies) becomes `fresh`. A graph output keeps
 * its name: if `old` is a graph output, `fresh` takes over the name. */
void pithi_graph_replace_uses(pith_graph *graph, pith_value *old, pith_value *fresh);
/* Recounts value->n_uses over the whole graph, bodies included. */
void pithi_graph_count_uses(pith_graph *graph);
/* How many operands and outputs, in bodies too, are constants that lie in these bytes: views share them. */
int pithi_graph_count_reads(const pith_graph *graph, const pith_tensor *constant);
/* Consumer if there is exactly one node that uses the value once and it is no graph output, else
 * NULL. Walks the list. */
pith_node *pithi_graph_only_consumer(const pith_graph *graph, const pith_value *value);
/* Makes `value` output number `index`. */
void pithi_graph_set_output(pith_graph *graph, size_t index, pith_value *value);
/* True if `value` is an output of the graph. Takes no time for values that are where they were. */
bool pithi_graph_is_output(const pith_graph *graph, const pith_value *value);
/* False if nobody wants any of the node's outputs: it must not be run. */
bool pithi_node_is_wanted(const pith_node *node);
/* Sets n_inputs, adding NULLs. */
pith_status pithi_node_resize_inputs(pith_graph *graph, pith_node *node, int n_inputs);

/* ---- checking and showing ----------------------------------------------------------------- */

/* Structure: order, producers, unique names, arity. For debug builds and fuzzers. */
pith_status pithi_graph_verify(const pith_graph *graph);
/* One line a node: `%y:f32[1,8] = conv(%x, %w) strides=[2,2]`. */
void pithi_graph_print(const pith_graph *graph, pithi_text *text);

/* ---- shapes and tensors ------------------------------------------------------------------- */

/* Elements and bytes with checked arithmetic against max_tensor_bytes; negative dims fail. */
pith_status pithi_shape_check(pith_ctx *ctx, const pith_shape *shape, pith_dtype dtype, size_t *n_bytes_out);
/* "[1,3,?,224]"; buffer of at least PITHI_SHAPE_TEXT_BYTES. Returns `buffer`. */
#define PITHI_SHAPE_TEXT_BYTES 200
const char *pithi_shape_text(const pith_shape *shape, char *buffer);

/* Float32 weights may lie unaligned in a file (import.h). Where this says false, elements are read with
 * pithi_tensor_get_f64() or pithi_load_f32(), and copied with memcpy. */
static inline bool pithi_is_aligned(const pith_tensor *tensor)
{
    return tensor->dtype != PITH_DTYPE_F32 || (uintptr_t)tensor->data % sizeof(float) == 0;
}
/* The same bytes in `arena`, where they are aligned. */
pith_status pithi_tensor_align(pithi_arena *arena, pith_tensor *tensor);

/* Element access with conversion, for references and shape arithmetic; index in elements. */
double pithi_tensor_get_f64(const pith_tensor *tensor, int64_t index);
int64_t pithi_tensor_get_s64(const pith_tensor *tensor, int64_t index);
void pithi_tensor_set_f64(pith_tensor *tensor, int64_t index, double value);
void pithi_tensor_set_s64(pith_tensor *tensor, int64_t index, int64_t value);
/* Bits of an element of one byte or less. */
unsigned pithi_tensor_get_code(const pith_tensor *tensor, int64_t index);
void pithi_tensor_set_code(pith_tensor *tensor, int64_t index, unsigned code); /* its low bits */
/* Copies neighbouring elements between tensors of one dtype. */
void pithi_tensor_copy_elements(pith_tensor *to, int64_t to_index, const pith_tensor *from, int64_t from_index,
                                int64_t count);
/* A complex tensor as the list of its real and imaginary parts in turn; any other tensor as it is. */
pith_tensor pithi_tensor_parts(const pith_tensor *tensor);
/* Zeroes the bits behind the last element. */
void pithi_tensor_clear_rest(pith_tensor *tensor);
/* Rounded to odd: another rounding to less than 52 bits gives what one rounding of `value` gives. */
double pithi_u64_to_f64_odd(uint64_t value);
/* Towards zero, saturating; NaN gives 0. */
int64_t pithi_f64_to_s64(double value);
bool pithi_dtype_is_float(pith_dtype dtype);   /* those of 4 to 8 bits too */
bool pithi_dtype_is_integer(pith_dtype dtype); /* bool is neither */

#endif
