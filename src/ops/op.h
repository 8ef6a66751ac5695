/* SPDX-License-Identifier: Apache-2.0 */
/* Level 4: the operator contract. One operator = one file src/ops/<name>.c that exports one record,
 * pith_op_<name>. Nothing else lists operators: pass, planner and executor see records only.
 *
 * Life of a node:  spelling -> infer (shapes; may need values) -> prepare (choose kernels, pack
 * weights, scratch) -> run (parts, on any thread). Everything that can fail does so before run. */
#ifndef PITH_OP_H
#define PITH_OP_H

#include "graph/attrs.h"
#include "graph/graph.h"
#include "graph/source.h"

/* ---- activation ---------------------------------------------------------------------------- */

/* Embedded in the attribute struct of operators that can apply an activation to their result
 * (op->fused_activation is its offset). `kind` is a pith_vunary of kernels/vunary_f32.h. */
typedef struct pith_activation {
    int64_t kind; /* PITH_VUNARY_NONE: none */
    float alpha, beta;
} pith_activation;

/* ---- infer -------------------------------------------------------------------------------- */

/* Shapes are known; a value is known where inputs[i].data is not NULL (constants, shape
 * arithmetic, results of an earlier stretch). Absent operands have dtype NONE. */
typedef struct pith_infer {
    pith_ctx *ctx;
    const pith_node *node;
    const void *attrs;
    const pith_tensor *inputs;
    int n_inputs;
    pith_tensor *outputs; /* to fill: dtype and shape */
    int n_outputs;
    int needs_value;      /* set by pithi_infer_need_value() */
} pith_infer;

/* Not a failure: the output shape depends on the value of input `index`, which isn't known yet.
 * `return pithi_infer_need_value(infer, index);` cuts the run in front of this node, so that infer is
 * called again with the value at hand. */
#define PITHI_STATUS_NEEDS_VALUE ((pith_status)1)
pith_status pithi_infer_need_value(pith_infer *infer, int index);

/* ---- cost --------------------------------------------------------------------------------- */

typedef struct pith_cost {
    uint64_t macs;  /* multiply-accumulates of convolutions and products */
    uint64_t flops; /* everything else, one per elementary operation */
} pith_cost;

/* ---- prepare ------------------------------------------------------------------------------ */

typedef struct pith_prepare pith_prepare;
struct pith_prepare {
    pith_ctx *ctx;
    const pith_node *node;
    const void *attrs;
    const pith_tensor *inputs;  /* data only where constant */
    int n_inputs;
    const pith_tensor *outputs;
    int n_outputs;
    int isa_limit;              /* for pithi_kernel_find() */
    int n_threads;              /* workers that will share the step */
    bool is_exact;              /* sums in their plain order only: see pith_model_options */
    bool allows_float16;        /* products in float16 where the CPU has them: see pith_model_options */
    pithi_arena *arena;         /* memory of the plan: state and tables go here */
    struct pithi_pack_cache *packs;
    const pithi_arena *plan_constants; /* constants in it die with the plan: never packed into `packs`; or NULL */
    const int64_t *strides;     /* as in pith_run */
    int choice;                 /* way number `choice` of those reported below; 0, or one it lacks: its own judgement */

    /* Results. use_run false (as at the start): the executor calls op->ref in one part. */
    bool use_run;
    void *state;                /* handed to run */
    int max_parts;              /* grains of work; the executor makes at most so many parts */
    int n_phases;               /* all parts of a phase end before the next begins; 1 at the start */
    size_t scratch_bytes;       /* per worker */
    size_t shared_bytes;        /* once for the step, kept across its phases */
    const char *kernel;         /* name of the kernel chosen, for profiles */
    const char *why;            /* optional: one line on why this kernel, and why not the others; lives with the plan */
    uint64_t packed;            /* set by pithi_prepare_pack(): inputs (below 64) that were packed */
    const char *const *choices; /* optional: names of all ways there are for this node, [0] the one by judgement */
    int n_choices;              /* 0 or 1: there is one way only. `pith tune` times them against each other */
};

/* Weights rearranged for a kernel, shared by all plans of a model: returns the block for (data
 * pointer of the constant, key), calling `fill(user, block)` the first time. An input that is packed isn't read in
 * run: where no other step reads it, its memory is given back after prepare. */
pith_status pithi_prepare_pack(pith_prepare *prepare, const void *constant_data, uint64_t key, size_t n_bytes,
                               void (*fill)(void *user, void *block), void *user, const void **block_out);

/* The cache behind it; packs NULL in a prepare gives a fresh block from the arena each time. */
typedef struct pithi_pack_cache pithi_pack_cache;
pith_status pithi_pack_cache_create(pith_ctx *ctx, pithi_pack_cache **cache_out);
void pithi_pack_cache_destroy(pithi_pack_cache *cache);
size_t pithi_pack_cache_bytes(const pithi_pack_cache *cache);
/* Packed weights of an earlier process: reads them from the file at `path` (mapped, only where pages are touched) if it
 * is of this model and build (`identity`), and keeps the path for pithi_pack_cache_store(). Fails with NOMEM only. */
pith_status pithi_pack_cache_open(pithi_pack_cache *cache, const char *path, uint64_t identity);
/* The same from bytes that stay valid, such as a section of a model file; false if they aren't of this model and build,
 * or damaged beyond use. */
bool pithi_pack_cache_borrow(pithi_pack_cache *cache, const void *data, size_t n_bytes, uint64_t identity);
/* What has been packed, as such a file, in *data_out (pithi_free()): pithi_pack_cache_record() comes before anything is
 * packed. */
void pithi_pack_cache_record(pithi_pack_cache *cache, uint64_t identity);
pith_status pithi_pack_cache_image(const pithi_pack_cache *cache, void **data_out, size_t *n_bytes_out);
/* Writes the file anew if anything was packed since. A file that can't be written is no failure. */
void pithi_pack_cache_store(pithi_pack_cache *cache);
/* The mapped model file: pages of weights that have been packed are given back to the system. */
void pithi_pack_cache_set_mapping(pithi_pack_cache *cache, const void *data, size_t n_bytes);

/* ---- run ---------------------------------------------------------------------------------- */

typedef struct pith_run {
    const pith_node *node;
    const void *attrs;
    const void *state;
    const pith_tensor *inputs; /* absent operands: dtype NONE, data NULL */
    int n_inputs;
    pith_tensor *outputs;      /* outputs nobody wants: dtype NONE, data NULL */
    int n_outputs;
    const int64_t *strides;    /* of inputs, then outputs: elements between rows (of the last dimension: pixels of
                                * channels-last images) of windows, 0 for dense tensors; NULL: all are dense */
    void *shared;              /* prepare->shared_bytes */
    struct pithi_fault *fault;
    pithi_arena *heap;         /* see pithi_run_alloc() */
} pith_run;

typedef struct pith_part {
    int index, count; /* this part of how many, 0 <= index < count <= max_parts */
    int phase;
    void *scratch;    /* prepare->scratch_bytes, this worker's own, 64-byte aligned */
    bool follows;     /* this worker has just run part index - 1 of this phase: scratch is as that left it */
} pith_part;

/* Reports a value that the operator can't take (an index out of range); the run then fails with
 * PITH_STATUS_ARG. The first report wins; the operator goes on with any harmless value. */
void pithi_run_fault(const pith_run *run, const char *format, ...) PITH_PRINTF(2, 3);

typedef struct pithi_fault {
    _Atomic int is_set;
    pith_status status; /* of the run; 0: PITH_STATUS_ARG */
    char message[256];
} pithi_fault;

/* Zeroed memory for what a value points to (bytes of strings, objects), which lives until the session's next
 * run begins. Only for operators with PITH_OP_HEAP, in one part. NULL: the memory is at an end (max_memory_bytes),
 * which has been reported as a fault; the operator returns. */
void *pithi_run_alloc(const pith_run *run, size_t count, size_t item_bytes);
/* The same for a copy of `n_bytes` bytes of text. */
bool pithi_run_string(const pith_run *run, const char *text, size_t n_bytes, pith_string *string_out);

/* First and last+1 of `total` items for this part. */
static inline void pithi_part_range(const pith_part *part, int64_t total, int64_t *begin, int64_t *end)
{
    *begin = part->count == 1 ? 0 : total * part->index / part->count; /* the usual case, without divisions */
    *end = part->count == 1 ? total : total * (part->index + 1) / part->count;
}

/* Elements between rows of `length`. */
static inline int64_t pithi_stride(const int64_t *strides, int operand, int64_t length)
{
    return strides && strides[operand] ? strides[operand] : length;
}

/* ---- the record --------------------------------------------------------------------------- */

#define PITH_DTYPES(dtype) (1u << (dtype))
#define PITH_DTYPES_FLOAT                                                                                            \
    (PITH_DTYPES(PITH_DTYPE_F32) | PITH_DTYPES(PITH_DTYPE_F16) | PITH_DTYPES(PITH_DTYPE_BF16) |                      \
     PITH_DTYPES(PITH_DTYPE_F64))
#define PITH_DTYPES_INTEGER                                                                        \
    (PITH_DTYPES(PITH_DTYPE_S8) | PITH_DTYPES(PITH_DTYPE_U8) | PITH_DTYPES(PITH_DTYPE_S16) |       \
     PITH_DTYPES(PITH_DTYPE_U16) | PITH_DTYPES(PITH_DTYPE_S32) | PITH_DTYPES(PITH_DTYPE_U32) |     \
     PITH_DTYPES(PITH_DTYPE_S64) | PITH_DTYPES(PITH_DTYPE_U64))
#define PITH_DTYPES_BOOL PITH_DTYPES(PITH_DTYPE_BOOL)
#define PITH_DTYPES_STRING PITH_DTYPES(PITH_DTYPE_STRING)
#define PITH_DTYPES_OBJECT PITH_DTYPES(PITH_DTYPE_OBJECT)
#define PITH_DTYPES_NUMBER (PITH_DTYPES_FLOAT | PITH_DTYPES_INTEGER)
#define PITH_DTYPES_ANY (PITH_DTYPES_NUMBER | PITH_DTYPES_BOOL)
#define PITH_DTYPES_F8                                                                             \
    (PITH_DTYPES(PITH_DTYPE_F8E4M3FN) | PITH_DTYPES(PITH_DTYPE_F8E4M3FNUZ) | PITH_DTYPES(PITH_DTYPE_F8E5M2) |        \
     PITH_DTYPES(PITH_DTYPE_F8E5M2FNUZ))
#define PITH_DTYPES_F6 (PITH_DTYPES(PITH_DTYPE_F6E2M3) | PITH_DTYPES(PITH_DTYPE_F6E3M2))
#define PITH_DTYPES_S4U4 (PITH_DTYPES(PITH_DTYPE_S4) | PITH_DTYPES(PITH_DTYPE_U4))
#define PITH_DTYPES_S2U2 (PITH_DTYPES(PITH_DTYPE_S2) | PITH_DTYPES(PITH_DTYPE_U2))
#define PITH_DTYPES_COMPLEX (PITH_DTYPES(PITH_DTYPE_C64) | PITH_DTYPES(PITH_DTYPE_C128))
/* Elements that operators may copy without knowing what they are: of whole bytes. */
#define PITH_DTYPES_MOVED (PITH_DTYPES_ANY | PITH_DTYPES_COMPLEX | PITH_DTYPES_STRING)
/* The same with what is only stored: shapes, views and transposition take them. */
#define PITH_DTYPES_STORED                                                                                           \
    (PITH_DTYPES_MOVED | PITH_DTYPES_F8 | PITH_DTYPES(PITH_DTYPE_F8E8M0) | PITH_DTYPES(PITH_DTYPE_F4E2M1) |         \
     PITH_DTYPES_S4U4 | PITH_DTYPES_S2U2)
#define PITH_DTYPES_ANY_VALUE (~PITH_DTYPES(PITH_DTYPE_NONE))
#define PITH_DTYPES_INDEX (PITH_DTYPES(PITH_DTYPE_S32) | PITH_DTYPES(PITH_DTYPE_S64))

typedef enum pith_arity { PITH_ONE, PITH_OPTIONAL, PITH_VARIADIC } pith_arity; /* VARIADIC: last, one or more */

typedef struct pith_operand_spec {
    const char *name;
    uint32_t dtypes; /* PITH_DTYPES bits; checked by the framework before infer */
    pith_arity arity;
} pith_operand_spec;

/* How a file format names the operator. The spelling with the largest `since` not above the model's
 * opset applies. */
typedef struct pith_spelling {
    const char *format; /* "onnx" */
    const char *domain; /* "" or "com.microsoft" */
    const char *name;
    int since;
    /* Optional: brings this version to today's meaning by editing `source` or `attrs` (the
     * operator's struct, defaults set). Afterwards attributes that are not marked as used are
     * matched with the table by name; one without an entry is refused. */
    pith_status (*map)(pith_ctx *ctx, pith_source *source, void *attrs);
} pith_spelling;

/* Layout: how the operator takes part in the choice between channels-first [N, C, spatial...] and
 * channels-last [N, spatial..., C] for its rank 3 to 5 operands. These change with the node: of FREE all inputs
 * and outputs, of LAST input 0, the residual input and the outputs of input 0's rank, of FOLLOWS all inputs and outputs
 * of input 0's rank. The pass permutes constants among them; the others stay as they are. */
typedef enum pith_layout_role {
    PITH_LAYOUT_FIXED,   /* works on plain tensors as they are; the default */
    PITH_LAYOUT_FREE,    /* elementwise: any common layout of all operands will do */
    PITH_LAYOUT_FOLLOWS, /* can do both, to_channels_last() rewrites its attributes and constants */
    PITH_LAYOUT_LAST     /* has its fast kernels for channels-last; to_channels_last() as above */
} pith_layout_role;

enum {
    PITH_OP_VIEW = 1,          /* output 0 has the same bytes as input 0: costs nothing */
    PITH_OP_INPLACE = 2,       /* output 0 may lie on input 0 (same bytes count), element by element */
    PITH_OP_INPLACE_ANY = 4,   /* output 0 may lie on any input of the same size */
    PITH_OP_COMMUTATIVE = 8,   /* inputs 0 and 1 may be swapped */
    PITH_OP_CONTROL = 16,      /* if, loop, scan: expanded by the executor, see exec/ */
    PITH_OP_RANDOM = 32,       /* never folded, never merged */
    PITH_OP_READS_SHAPE = 64,  /* needs only shapes, not values, of its inputs (shape, size) */
    PITH_OP_HEAP = 128,        /* makes strings or objects with pithi_run_alloc(): such nodes aren't folded, and run in
                                * one part */
    PITH_OP_JOIN = 256         /* inputs are pieces of output 0, see pith_op.piece; without it outputs are of input 0 */
};

/* Indices begin ... end - 1 along an axis. */
typedef struct pith_span {
    int axis;
    int64_t begin, end;
} pith_span;

struct pith_op {
    pith_op_head head; /* name (equals the file name), version, attribute table */
    unsigned flags;
    const pith_operand_spec *inputs;
    int n_inputs;
    const pith_operand_spec *outputs;
    int n_outputs;

    pith_status (*infer)(pith_infer *infer);
    /* Plain loops, float in double: the oracle, the fallback, and what folds constants. */
    void (*ref)(const pith_run *run);
    /* Bytes that ref wants in run->shared (recurrent states, a matrix to eliminate in); NULL: none. Looks at
     * attributes and inputs only. */
    size_t (*ref_bytes)(const pith_run *run);
    /* Optional fast path. Leaves use_run false when it has none for these dtypes and shapes. */
    pith_status (*prepare)(pith_prepare *prepare);
    void (*run)(const pith_run *run, const pith_part *part);
    /* Inputs (one bit each, so of the first 32) that prepare packs, or that run reads, at any alignment: constants
     * there may stay where they lie in the file. */
    uint32_t packed_inputs, unaligned_inputs;
    /* Optional: true if prepare finds a way to run with operand `index` (inputs, then outputs) as a window: rows
     * farther apart than they are long (pith_run.strides). Dense operands need no permission. */
    bool (*takes_window)(const pith_node *node, int index);
    /* Optional, of operators that only copy: true if operand `index` (of those that PITH_OP_JOIN says, in turn) is a
     * part of the whole, so that it may lie there for good. span->end is where the last part ended. */
    bool (*piece)(const pith_node *node, int index, pith_span *span);
    /* NULL: no macs, one flop per element of output 0. */
    void (*cost)(const pith_infer *infer, pith_cost *cost);

    size_t fused_activation_plus_1;   /* offset of a pith_activation in attrs, plus 1; 0: none */
    int residual_input_plus_1;        /* input that is added before the activation, plus 1; 0: none */
    /* Unary operators that kernels/vunary_f32.h has: fills kind and parameters. Holds for nodes whose only
     * present input is the first (clip's limits may be inputs). */
    bool (*as_activation)(const void *attrs, pith_activation *activation_out);
    pith_layout_role layout;
    /* Makes `node` mean the same on channels-last operands (rank = that of input 0). May add constants
     * to the graph. False: not possible for this node. Called only by the layout pass. */
    bool (*to_channels_last)(pith_graph *graph, pith_node *node);

    /* Optional: writing a file. `source` has the attributes of the table and the node's operands; this brings them to
     * the newest spelling where that differs (attribute -> input), the way back of its `map`. */
    pith_status (*to_source)(pith_ctx *ctx, const pith_node *node, pith_source *source);

    const pith_spelling *spellings;
    int n_spellings;
    /* Small cases for generic tests and benchmarks, see ops/sample.h. */
    const char *const *samples;
    int n_samples;
};

/* All operators, sorted by name. */
int pithi_op_count(void);
const pith_op *pithi_op_at(int index);
const pith_op *pithi_op_find(const char *name);                      /* by pith's name, or NULL */
/* By a file's spelling; NULL if no operator has it. *since_out: smallest opset known, for messages. */
const pith_op *pithi_op_spelled(const char *format, const char *domain, const char *name, int64_t opset,
                                const pith_spelling **spelling_out, int *since_out);

/* ---- used by importer, passes, planner ------------------------------------------------------ */

/* Fills attrs from the source node (runs spelling->map, then the table), with errors that name the
 * attribute. Memory from graph->arena. */
pith_status pithi_op_read_attrs(pith_ctx *ctx, const pith_op *op, const pith_spelling *spelling,
                                pith_source *source, void *attrs);
/* Only the attributes that the operator's table names and nobody has used yet; others stay. */
pith_status pithi_op_take_attrs(pith_ctx *ctx, const pith_op *op, bool all_required, pith_source *source, void *attrs);
/* Values for outputs that the operator always writes (PITH_ONE), but that a file leaves without a name. */
pith_status pithi_op_give_outputs(pith_graph *graph, pith_node *node);
/* Operand counts and dtypes against the table, then op->infer, then checks of the result. */
pith_status pithi_op_infer(pith_infer *infer);
/* Cost of a node whose outputs are inferred. */
void pithi_op_cost(const pith_infer *infer, pith_cost *cost_out);
/* Computes outputs (data allocated by the caller) with op->ref. Fails if the operator faults. */
pith_status pithi_op_eval(pith_ctx *ctx, const pith_node *node, const pith_tensor *inputs, int n_inputs,
                          pith_tensor *outputs, int n_outputs);
/* The same for any operator: what outputs point to is taken from `heap`. */
pith_status pithi_op_eval_into(pithi_arena *heap, const pith_node *node, const pith_tensor *inputs, int n_inputs,
                               pith_tensor *outputs, int n_outputs);

/* op->ref, then zeroes behind packed elements of less than a byte. */
void pithi_op_run_ref(const pith_run *run);

/* ---- shared by operator files --------------------------------------------------------------- */

/* Axis in [-rank, rank) brought to [0, rank); fails with the operator's name and the rule. */
pith_status pithi_infer_axis(pith_infer *infer, int64_t axis, int rank, int *axis_out);
/* Multidirectional (numpy) broadcast of all present inputs into *shape_out. */
pith_status pithi_infer_broadcast(pith_infer *infer, pith_shape *shape_out);
/* Output 0 has shape and dtype of input 0. */
pith_status pithi_infer_same(pith_infer *infer);
/* Strides in elements of a dense shape, for `rank` dims aligned at the end; broadcast dims get 0. */
void pithi_broadcast_strides(const pith_shape *shape, const pith_shape *to, int64_t strides_out[PITH_MAX_RANK]);

#endif
