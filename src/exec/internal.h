/* SPDX-License-Identifier: Apache-2.0 */
/* Level 7: what the files of exec/ share. */
#ifndef PITH_EXEC_INTERNAL_H
#define PITH_EXEC_INTERNAL_H

#include "exec/pace.h"
#include "exec/pool.h"
#include "exec/stretch.h"
#include "import/import.h"
#include "pith/package.h"
#include "pith/session.h"

struct pith_model {
    pith_ctx *ctx;
    pithi_file file;
    const char *file_name; /* without folder; NULL from memory */
    pithi_import_info import;
    pithi_program program;
    pithi_template *root;
    pithi_tuning tuning;      /* of the file beside it */
    pithi_arena memory; /* everything below */
    const char *tuning_file, *tuning_note, *cache_folder;
    const char *folder; /* of the file */
    pith_package *package; /* NULL: it is none */
    pith_value_info *inputs, *outputs;
    pith_unsupported *unsupported;
    int n_unsupported;
    pith_model_summary summary;
    pith_layer *layers; /* of the last pith_model_layers() */
    bool describe_only;
    pithi_arena viewed;  /* what the last pith_model_view() gave */
    pithi_arena checked; /* what the last pith_model_check() found */
};

/* A stretch bound to memory: operands with addresses. One slot per depth of a run (stretch, its rest, the rest
 * of that, bodies), reused by whatever runs at that depth next. */
typedef struct pithi_slot {
    pithi_stretch *stretch;
    char *arena;
    size_t arena_capacity;
    pith_tensor *tensors;      /* of the plan's operands */
    pith_run *runs;            /* of the plan's steps */
    pith_tensor *outputs;      /* of the plan */
    int *input_operands;       /* operands to patch before each run, then outputs (as -1 - output) */
    int n_input_operands;
    size_t tensors_capacity, runs_capacity, outputs_capacity, input_operands_capacity;
    pithi_pace pace;
} pithi_slot;

/* A result that outlives the stretch it was made in: outputs of loops. */
typedef struct pithi_kept {
    struct pithi_kept *next;
    void *data;
} pithi_kept;

/* Looks on while a session is profiled (profile.c): called around every step, and, where times_parts, with the time
 * of every part on its worker's own thread. */
typedef struct pithi_recorder pithi_recorder;
struct pithi_recorder {
    void (*before)(pithi_recorder *recorder, const pithi_slot *slot, int step);
    void (*after)(pithi_recorder *recorder, const pithi_slot *slot, int step, int n_parts);
    void (*part)(pithi_recorder *recorder, int worker, uint64_t start_ns, uint64_t stop_ns);
    bool times_parts;
};

struct pith_session {
    pith_model *model;
    pith_ctx *ctx;
    pithi_exec_pool *pool;
    int n_threads, n_near;      /* all; most of them near each other, as far as known */
    bool keep_denormals, is_steady;
    pithi_slot *slots;
    size_t slots_capacity;
    int last_depth;             /* of the last run: slots [0, last_depth] hold its values */
    pithi_kept *kept;           /* freed when the next run begins */
    pithi_fault fault;
    uint64_t n_operations, n_iterations; /* of this run so far, for the limits */
    uint64_t deadline_ns;       /* of this run; 0: none */
    pithi_arena heap;           /* strings and objects of the last run, its inputs' included */
    pith_tensor *outputs;       /* of the last run */
    bool has_outputs;
    pithi_recorder *recorder;   /* NULL: nobody looks on */
};

/* A model from a graph that was built by hand; takes the graph on success. */
pith_status pithi_model_from_graph(pith_graph *graph, const pith_model_options *options, pith_model **model_out);

/* Of a `.pith` file: lists its sections, and uses those of tuning and packed weights that are for here. Of any other
 * file it does nothing. */
pith_status pithi_model_open_package(pith_model *model, const void *data, size_t n_bytes);
/* Choices by timing from a text; what isn't for here is noted in model->tuning_note. */
pith_status pithi_model_take_tuning(pith_model *model, const char *name, const char *data, size_t n_bytes);
/* What packed weights depend on beside the model and the build: instruction set and options. */
uint64_t pithi_model_pack_identity(const pith_model *model, uint64_t seed);

/* Refuses a shape that contradicts what the file says of input `index`. */
pith_status pithi_model_check_shape(const pith_model *model, int index, const pith_shape *shape);
/* Refuses a model with nodes that pith can't run; the message names the first one. */
pith_status pithi_model_check_complete(const pith_model *model);

/* Runs the steps of a bound slot until the end, a fault or the deadline. Returns how many were begun. */
int pithi_session_run_steps(pith_session *session, pithi_slot *slot);
/* Threads that runs of a plan begin with: all, or those near each other where its steps are too small for more. */
int pithi_session_first_threads(const pith_session *session, const pith_plan *plan);

/* Runs a template at a depth. `outputs` (of the template) point into slots, kept blocks or inputs. */
pith_status pithi_session_run_template(pith_session *session, pithi_template *template, const pith_tensor *inputs,
                                       int depth, pith_tensor *outputs);

/* Runs a control node. `available` are the outputs of the stretch in front of it. */
pith_status pithi_session_run_control(pith_session *session, const pithi_control *control,
                                      const pith_tensor *available, int depth, pith_tensor *outputs);

/* Bytes that a session of this plan allocates in all, bookkeeping of the allocator included. */
size_t pithi_session_bytes(const pith_model *model, const pith_plan *plan, int n_threads);

/* The same for SequenceMap. */
pith_status pithi_session_map_sequence(pith_session *session, const pithi_control *control,
                                       const pith_tensor *available, int depth, pith_tensor *outputs);
/* Fails beyond the ceilings for iterations and time. */
pith_status pithi_session_count_iteration(pith_session *session);

/* The graph that text and view show: as the model holds it, or with `shapes` as it is planned. */
pith_status pithi_model_clone_graph(pith_model *model, const pith_shape *shapes, int n_threads, pith_graph **clone_out);

/* A zeroed block that lives until the next run. */
pith_status pithi_session_keep(pith_session *session, size_t n_bytes, void **block_out);

#endif
