/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the ONNX importer. Messages stay in the file as spans and are read where they are needed;
 * names become values through scopes, which nest as bodies of control flow do. */
#ifndef PITH_IMPORT_ONNX_H
#define PITH_IMPORT_ONNX_H

#include "graph/source.h"
#include "import/import.h"
#include "import/onnx/onnx_schema.h"
#include "import/onnx/protobuf.h"

/* ---- names -------------------------------------------------------------------------------- */

typedef struct pithi_onnx_name {
    const char *text; /* key; NULL: empty slot */
    size_t n_bytes;
    uint64_t hash;
    size_t maker;        /* number of a node: onnx_order.c */
    pith_value *value;   /* NULL: an absent argument of a function, or a name that is taken */
    const char *problem; /* why pith can't hold this value, or NULL */
    bool is_taken;       /* display name of a value of a function's body; can't be read */
    bool is_local;       /* made by this scope; a function's outputs are renamed once */
    bool is_read, is_weighed; /* is_weighed: by onnx_nchwc.c */
} pithi_onnx_name;

/* Open addressing; entries move when the table grows. */
typedef struct pithi_onnx_names {
    pithi_onnx_name *entries;
    size_t capacity, count;
} pithi_onnx_names;

pithi_onnx_name *pithi_onnx_names_find(const pithi_onnx_names *names, const char *text, size_t n_bytes);
/* `text` must outlive the table and must not be in it yet. */
pith_status pithi_onnx_names_add(pith_ctx *ctx, pithi_onnx_names *names, const char *text, size_t n_bytes,
                                 pithi_onnx_name **entry_out);

/* ---- importer ----------------------------------------------------------------------------- */

typedef struct pithi_onnx_opset {
    pithi_pb_span domain;
    int64_t version;
} pithi_onnx_opset;

typedef struct pithi_onnx_opsets {
    pithi_onnx_opset *items;
    size_t count, capacity;
} pithi_onnx_opsets;

typedef struct pithi_onnx_function {
    pithi_pb_span message, domain, name, overload;
    uint64_t hash;
    pithi_onnx_opsets opsets;
} pithi_onnx_function;

/* Attribute of a call, or a function's default, as the file has it. */
typedef struct pithi_onnx_binding {
    pithi_pb_span name, message;
    bool is_default;
} pithi_onnx_binding;

struct pithi_onnx_scope;

/* A function being expanded. */
typedef struct pithi_onnx_call {
    const pithi_onnx_function *function;
    struct pithi_onnx_scope *caller; /* where the call's attributes have their meaning */
    pithi_onnx_binding *bindings;
    size_t n_bindings;
} pithi_onnx_call;

typedef struct pithi_onnx_scope {
    struct pithi_onnx_scope *parent; /* around a body; NULL for the main graph and for functions */
    struct pithi_onnx_scope *root;   /* the scope that began `graph` */
    pith_graph *graph;
    pithi_onnx_names names;
    const pithi_onnx_opsets *opsets;
    const pithi_onnx_call *call; /* innermost function around, or NULL */
    const char *prefix;          /* of values and nodes of an expanded function, else "" */
    pithi_pb_span message;       /* holds the nodes, as fields `node_field` */
    uint32_t node_field;
    bool is_out_of_order;        /* a node's body reads what a later node makes */
    int nchwc_block;             /* pithi_onnx.nchwc_block, or another reason for refusing; 0: not looked at yet */
} pithi_onnx_scope;

/* An operator that a node of the file has named before: looking through all spellings takes microseconds. */
typedef struct pithi_onnx_known {
    const pith_op *op;
    const struct pith_spelling *spelling; /* NULL: an empty entry */
    int64_t opset;
    int since;
} pithi_onnx_known;

typedef struct pithi_onnx {
    pith_ctx *ctx;
    pithi_pb file; /* for pithi_pb_open() */
    const char *folder;
    pithi_import_info *info;
    pith_graph *main;
    pithi_onnx_opsets opsets;
    pithi_onnx_function *functions; /* sorted by hash */
    size_t n_functions, functions_capacity;
    uint64_t n_nodes, n_calls; /* read or expanded so far, all graphs together */
    pithi_onnx_known known[64]; /* by hash of the name */
    int nesting;               /* bodies and functions around the node that is being read */
    int nchwc_block;           /* channels in a block of com.microsoft.nchwc; -1: can't be told, 0: not looked at yet */
} pithi_onnx;

#define PITHI_ONNX_NCHWC "com.microsoft.nchwc"

/* A NodeProto. Lists are in a scratch arena. */
typedef struct pithi_onnx_node {
    pithi_pb_span name, op_type, domain, overload;
    pithi_pb_span *inputs, *outputs, *attrs;
    size_t n_inputs, n_outputs, n_attrs;
    int64_t opset;
} pithi_onnx_node;

/* ---- onnx_model.c ------------------------------------------------------------------------- */

/* Terminated copy in the graph's arena; fails if the text holds a zero byte. */
pith_status pithi_onnx_text(pith_ctx *ctx, pithi_arena *arena, const pithi_pb_span *span, const char *what,
                            const char **text_out);
pith_status pithi_onnx_add_opset(pithi_onnx *onnx, pithi_onnx_opsets *opsets, const pithi_pb_span *message);
/* Version of a domain in this scope, 0 if it isn't imported. */
int64_t pithi_onnx_opset_of(const pithi_onnx_scope *scope, const pithi_pb_span *domain);

/* ---- onnx_scope.c ------------------------------------------------------------------------- */

/* Gives `value` (NULL: a new one) a name in the scope; a second definition fails. */
pith_status pithi_onnx_define(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *name, pith_value *value,
                              const char *problem, pith_value **value_out);
/* A constant of that name; `problem` non-NULL: a value that only carries the reason. */
pith_status pithi_onnx_define_constant(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *name,
                                       const pith_tensor *tensor, const char *problem);
/* Through bodies outwards; NULL if nothing (yet) defines the name. */
pithi_onnx_name *pithi_onnx_lookup(const pithi_onnx_scope *scope, const pithi_pb_span *name);
/* The failure for a name that isn't defined: says which later node makes it, if one does; an outer
 * scope of such a node is marked as out of order. */
pith_status pithi_onnx_undefined(pithi_onnx *onnx, pithi_onnx_scope *scope, const char *what,
                                 const pithi_pb_span *name);
void pithi_onnx_scope_deinit(pithi_onnx *onnx, pithi_onnx_scope *scope);

/* ---- onnx_type.c -------------------------------------------------------------------------- */

/* PITH_DTYPE_NONE for types that pith lacks; *name_out is NULL if ONNX has no such code. */
pith_dtype pithi_onnx_elem_type(int64_t code, const char **name_out);
/* Name and type of a ValueInfoProto. */
pith_status pithi_onnx_value_info(pithi_onnx *onnx, const pithi_pb_span *message, pithi_pb_span *name_out,
                                  pithi_pb_span *type_out);
/* Reads a TypeProto into dtype, shape and symbols of `value`; *problem_out: why pith lacks the type. */
pith_status pithi_onnx_type(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, pith_value *value,
                            const char **problem_out);
/* The same for a type without a value (attributes, items). */
pith_status pithi_onnx_full_type(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                                 const pith_type **type_out);

/* ---- onnx_tensor.c, onnx_external.c ------------------------------------------------------- */

/* Data is borrowed from the file where it can be. *name_out may be NULL; *problem_out: pith lacks the
 * type, *tensor_out is then empty. */
pith_status pithi_onnx_tensor(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                              pith_tensor *tensor_out, pithi_pb_span *name_out, const char **problem_out);
/* The same for an initializer or a Constant's value, which may stay unaligned until pithi_onnx_align()
 * (import_info.keeps_unaligned). */
pith_status pithi_onnx_weight(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                              pith_tensor *tensor_out, pithi_pb_span *name_out, const char **problem_out);
/* Copies the weights of the main graph that lie unaligned where someone reads them who can't do so. */
pith_status pithi_onnx_align(const pithi_onnx *onnx);
/* A SparseTensorProto, made dense. */
pith_status pithi_onnx_sparse(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                              pith_tensor *tensor_out, pithi_pb_span *name_out, const char **problem_out);

/* A value of this type from a TensorProto, SequenceProto, MapProto or OptionalProto. */
pith_status pithi_onnx_value(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, const pith_type *type,
                             pith_tensor *value_out);

typedef struct pithi_onnx_external {
    pithi_pb_span location, offset, length; /* values of external_data, as text */
} pithi_onnx_external;

/* Bytes of a tensor in another file of the model's folder. */
pith_status pithi_onnx_external_data(pithi_onnx *onnx, const pithi_onnx_external *external, size_t n_bytes,
                                     const unsigned char **data_out);

/* ---- onnx_attr.c -------------------------------------------------------------------------- */

pith_status pithi_onnx_attr_name(pithi_onnx *onnx, const pithi_pb_span *message, pithi_pb_span *name_out);
/* Reads attribute `index` of a node. References to attributes of the function are followed; *is_absent_out if the
 * call doesn't give that one. A graph is owned by the caller through attr_out->graph. */
pith_status pithi_onnx_attr(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_onnx_node *node, size_t index,
                            pith_source_attr *attr_out, bool *is_absent_out, const char **problem_out);

/* ---- onnx_node.c, onnx_graph.c, onnx_function.c ------------------------------------------- */

/* Reads a NodeProto; its lists are in `scratch`. */
pith_status pithi_onnx_node_read(pithi_onnx *onnx, const pithi_onnx_scope *scope, const pithi_pb_span *message,
                                 pithi_arena *scratch, pithi_onnx_node *node_out);
/* Adds the node (or the function it calls) to scope->graph. */
pith_status pithi_onnx_node_import(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *message);
/* All nodes of scope->message. */
pith_status pithi_onnx_nodes(pithi_onnx *onnx, pithi_onnx_scope *scope);
/* Those from number n_done on, each behind the nodes that it and its bodies read (onnx_order.c). */
pith_status pithi_onnx_nodes_in_order(pithi_onnx *onnx, pithi_onnx_scope *scope, size_t n_done);
/* Marks a node as one that pith can't run; the first reason stays. */
void pithi_onnx_refuse(pith_node *node, const char *reason);
/* Counts one more body or function around; nesting-- afterwards. */
pith_status pithi_onnx_enter(pithi_onnx *onnx);
/* ValueInfoProtos (fields `field` of scope->message) give types to the values they name. */
pith_status pithi_onnx_value_infos(pithi_onnx *onnx, const pithi_onnx_scope *scope, uint32_t field);
/* Reads a GraphProto into a new scope. *problem_out: an output that pith can't hold. */
pith_status pithi_onnx_graph(pithi_onnx *onnx, pithi_onnx_scope *parent, const pithi_pb_span *message,
                             pith_graph *graph, const char **problem_out);

/* onnx_nchwc.c: a node of that domain gets what its recipe needs; or *problem_out says why pith can't run it. */
pith_status pithi_onnx_nchwc(pithi_onnx *onnx, pithi_onnx_scope *scope, pith_source *source, pithi_arena *scratch,
                             const char **problem_out);

const pithi_onnx_function *pithi_onnx_function_find(const pithi_onnx *onnx, const pithi_onnx_node *node);
pith_status pithi_onnx_functions_sort(pithi_onnx *onnx);
pith_status pithi_onnx_function_add(pithi_onnx *onnx, const pithi_pb_span *message);
/* Puts the function's body in place of the node. */
pith_status pithi_onnx_function_expand(pithi_onnx *onnx, pithi_onnx_scope *caller, const pithi_onnx_node *node,
                                       const pithi_onnx_function *function, pithi_arena *scratch);

#endif
