/* SPDX-License-Identifier: Apache-2.0 */
/* Level 6: graph with known shapes -> plan. A plan is plain data: steps in order, where every operand
 * lies, prepared state. It is immutable and can be shared; it knows no operators by name. */
#ifndef PITH_PLAN_H
#define PITH_PLAN_H

#include "ops/op.h"
#include "pith/model.h"
#include "plan/tuning.h"

typedef enum pithi_place {
    PITHI_AT_NOWHERE,  /* absent operand */
    PITHI_AT_CONSTANT, /* tensor.data is set */
    PITHI_AT_INPUT,    /* the caller's tensor number `where` (a view of it has the same bytes) */
    PITHI_AT_ARENA     /* `where` bytes into the arena */
} pithi_place;

typedef struct pithi_operand {
    pith_tensor tensor;
    pithi_place place;
    size_t where;
    int64_t first, stride; /* of windows: elements into the block, and between rows; 0: dense */
    const char *name; /* of the value */
} pithi_operand;

typedef struct pith_step {
    const pith_node *node; /* in plan->graph */
    const void *state;
    bool use_run;          /* false: op->ref in one part */
    int max_parts, n_phases;
    int n_together;        /* steps from this one on that run as one job; 0: it is in the job of one before */
    uint64_t tuning_key;   /* 0 without a tuning */
    size_t scratch_offset, scratch_bytes; /* arena; one block of scratch_bytes per worker */
    size_t shared_offset, shared_bytes;
    int first_operand;     /* inputs, then outputs, in plan->operands */
    const int64_t *strides; /* of the operands, for pith_run; or NULL */
    const char *kernel;
    const char *why;             /* pith_prepare's */
    const char *const *choices;
    int n_choices;
    pith_cost cost;
    double work_ns;              /* rough time on one thread of a fast CPU, so rather too little */
} pith_step;

/* Lifetime of one block of the arena, in steps (inclusive). */
typedef struct pithi_block {
    size_t n_bytes, offset;
    int first_step, last_step;
} pithi_block;

typedef struct pith_plan {
    pith_ctx *ctx;
    pith_graph *graph;     /* owned; every node has known shapes */
    pithi_arena memory;    /* everything below and the operators' state */
    pith_step *steps;
    int n_steps;
    pithi_operand *operands;
    int n_operands;
    pithi_operand *outputs; /* of the graph */
    int n_outputs;
    size_t arena_bytes;
    size_t arena_lower_bound_bytes; /* most bytes alive at one step */
    const pithi_block *blocks;      /* for tests and reports */
    int n_blocks;
    int n_threads;
    uint64_t macs, flops, bytes_read, bytes_written;
} pith_plan;

#define PITHI_MAX_TOGETHER 8 /* steps in one job */
#define PITHI_SPENDABLE_BYTES ((size_t)32 << 10) /* smaller constants aren't worth it */

typedef struct pithi_plan_options {
    int n_threads;           /* scratch is reserved for so many workers */
    int n_kept_outputs;      /* the first so many graph outputs outlive the caller's inputs: never views of them */
    bool keep_all_values;    /* no block is reused */
    bool is_exact, allows_float16; /* for pith_prepare */
    pithi_pack_cache *packs; /* of the model; may be NULL */
    const pithi_tuning *tuning; /* or NULL */
    const pithi_arena *spendable; /* constants here that steps have packed, and nothing else of the plan reads, are
                                   * given back to the system: their numbers are lost. NULL: none */
    bool *has_spent;              /* set when that happens */
} pithi_plan_options;

/* Makes a plan; takes ownership of `graph` on success only. */
pith_status pithi_plan_create(pith_graph *graph, const pithi_plan_options *options, pith_plan **plan_out);
void pithi_plan_destroy(pith_plan *plan); /* NULL is allowed */

/* What a step computes with, what really runs rather than what a file or a quantiser meant. */
typedef struct pithi_step_arithmetic {
    pith_arithmetic arithmetic;
    int island;      /* as in pith_layer */
    const char *why; /* static; NULL unless float or mixed */
} pithi_step_arithmetic;
/* One for each step; in `arena`. */
pith_status pithi_plan_arithmetic(const pith_plan *plan, pithi_arena *arena, pithi_step_arithmetic **rows_out);

/* ---- inside the folder ---------------------------------------------------------------------- */

/* Where each value lies (by value->index): view and in-place decisions. */
typedef struct pithi_storage {
    pithi_place place;
    int block;                     /* AT_ARENA: index of pithi_block */
    int input;                     /* AT_INPUT */
    const pith_tensor *constant;   /* AT_CONSTANT: data is shared by views */
    int64_t first, stride;         /* windows: first element within the block, elements between rows (0: dense) */
} pithi_storage;

/* A value that lies within another one: a piece that needn't be copied. */
typedef struct pithi_window {
    const pith_value *whole; /* NULL: the value isn't a window. Never a window or a view itself */
    int64_t first, stride;
} pithi_window;

typedef struct pithi_liveness {
    pithi_storage *storage; /* by value index */
    pithi_block *blocks;    /* values' blocks; room for `spare` more at the end */
    int n_blocks;
} pithi_liveness;

/* Which operands of joins and results of cuts needn't be copied; by value->index, which must be set. */
pith_status pithi_plan_windows(pith_graph *graph, pithi_arena *arena, pithi_window **windows_out);
/* Where piece `index` of a join or cut belongs if the whole lies at (first, stride): false if that is no window. Pieces
 * are asked for in turn, with the span of the last one (zeros at the start). */
bool pithi_plan_piece(const pith_node *node, int index, pith_span *span, int64_t *first, int64_t *stride);
/* The value of which `index` counts pieces, and their list. */
pith_value *pithi_plan_whole(const pith_node *node, pith_value *const **pieces_out, int *n_pieces_out);
size_t pithi_plan_bytes(const pith_value *value);
/* The value whose bytes a view node's output shares, or NULL. */
pith_value *pithi_plan_viewed(const pith_node *node);

/* Numbers steps (node->index) and values (value->index), and decides views, in-place use and lifetimes. */
pith_status pithi_plan_liveness(pith_graph *graph, const pithi_plan_options *options, int n_spare_blocks,
                                pithi_arena *arena, pithi_liveness *liveness);

/* Joins steps of a plan for several threads into jobs (n_together): their blocks live as long as the job. Operands and
 * scratch memory still have the numbers of their blocks. The most bytes alive at once grow by 128 KiB at most. */
pith_status pithi_plan_together(pith_plan *plan, pithi_block *blocks, int n_blocks);

/* Gives every block an offset; returns the arena size. Lower bound: most bytes alive at one step. */
pith_status pithi_plan_assign_offsets(pith_ctx *ctx, pithi_block *blocks, int n_blocks, int n_steps,
                                      size_t *arena_bytes_out, size_t *lower_bound_out);

#endif
