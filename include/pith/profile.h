/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: where the time and the memory of a run go, and what this machine could do at most. */
#ifndef PITH_PROFILE_H
#define PITH_PROFILE_H

#include "pith/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- machine ------------------------------------------------------------------------------ */

#define PITH_MACHINE_LEVELS 4 /**< L1, L2, L3, memory. */

/** A level of the memory hierarchy as one thread (or all threads together) sees it. */
typedef struct pith_machine_level {
    size_t n_bytes;          /**< Size of one cache; 0: there is none (or it is the memory). */
    int n_sharers;           /**< Logical CPUs that share it. */
    double read_bytes_per_s; /**< Measured, all threads together; 0 if not measured. */
    double write_bytes_per_s;
    double copy_bytes_per_s; /**< Bytes read plus bytes written. */
} pith_machine_level;

/** What the machine is, and what it did in short measurements. */
typedef struct pith_machine {
    char cpu[96];            /**< Name; "unknown". */
    char isa[32];            /**< Best instruction set under the context's cap. */
    int n_cpus;              /**< Logical CPUs of the system. */
    int n_usable_cpus;       /**< Of them in this process's CPU set. */
    int n_cores;             /**< Physical cores among the usable ones. */
    int n_threads;           /**< That the rates below were measured with, all busy at once. */
    double hz;               /**< Clock while busy, measured by a chain of dependent instructions; 0: not known. */
    double f32_flops_per_s;  /**< Multiply-adds of float32, two operations each. */
    double s8_ops_per_s;     /**< Products of 8-bit integers by the fastest kernel, two operations each. */
    double clock_ns;         /**< Cost of reading the clock once. */
    double handover_ns;      /**< From handing work to spinning threads until all are done with nothing. 1 thread: 0. */
    pith_machine_level levels[PITH_MACHINE_LEVELS];
} pith_machine;

/** Fills what the system tells, without measuring: names, counts, sizes. Rates are 0. */
void pith_machine_describe(pith_ctx *ctx, pith_machine *machine_out);

/**
 * Describes, then measures for about half a second per call.
 *
 * @param n_threads  All busy at once; 0: as sessions.
 * @retval PITH_STATUS_NOMEM  The buffers (up to 128 MiB for all threads) can't be had.
 */
pith_status pith_machine_measure(pith_ctx *ctx, int n_threads, pith_machine *machine_out);

/* ---- profile ------------------------------------------------------------------------------ */

/** How a profile is taken. Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_profile_options {
    int n_rounds;       /**< Timed runs; 0: as many as fit max_seconds, 5 to 1000. */
    double max_seconds; /**< 0: 2 s. Rounds for threads and counters come on top. */
    int no_counters;    /**< 1: hardware counters aren't tried. */
} pith_profile_options;

/** Part of a tensor in a step. */
typedef enum pith_profile_role { PITH_PROFILE_INPUT, PITH_PROFILE_WEIGHT, PITH_PROFILE_OUTPUT } pith_profile_role;

typedef struct pith_profile_operand {
    const char *name;      /**< Value's name. */
    pith_profile_role role;
    pith_dtype dtype;
    pith_shape shape;
    size_t n_bytes;
    uint64_t address;      /**< Only for comparisons: equal ranges are the same memory. */
} pith_profile_operand;

#define PITH_PROFILE_TOPDOWN 5 /**< Frontend, bad speculation, backend memory, backend core, retiring. */

/** A step of the plan; times and counts are per run of the model. */
typedef struct pith_profile_step {
    const char *name;      /**< Node's name. */
    const char *op;        /**< pith's operator. */
    const char *source_op; /**< As the file spells it. */
    const char *kernel;    /**< NULL: the plain reference. */
    const char *why;       /**< Why this kernel; NULL: there was no choice. */
    const char *const *choices; /**< Names of all ways; n_choices 0 or 1: there is one. */
    int n_choices;
    const pith_profile_operand *operands; /**< Inputs and weights, then outputs. */
    int n_operands;
    uint64_t macs, flops;  /**< Multiply-accumulates, and other elementary operations. */
    uint64_t bytes_read, bytes_written; /**< Of operands; weights are read. */
    int max_parts, n_parts, n_phases;   /**< How far it can be cut, and was. */
    int stretch;           /**< Number of the plan it belongs to. */
    pith_arithmetic arithmetic; /**< As in pith_layer; islands are numbered in each plan by themselves. */
    int island;
    const char *why_float;
    uint64_t key;          /**< Equal for steps that are the same work; 0 unless the model is being tuned. */
    double n_calls;        /**< Per run: 1, other numbers inside of loops. */
    double median_ns, min_ns; /**< The cost of reading the clock is taken off. */
    double start_ns;       /**< In one typical run, from its start. */
    double stop_ns;
    const double *busy_ns; /**< By thread: mean time inside of the step; NULL with one thread. */
    size_t live_bytes;     /**< Of the arena, at this step. */
    const double *counters; /**< By counter, NaN where it wasn't counted; NULL: none. */
    double topdown[PITH_PROFILE_TOPDOWN]; /**< Fractions of the pipeline's slots; NaN: not known. */
} pith_profile_step;

/** A block of the arena: a tensor, or scratch memory. */
typedef struct pith_profile_block {
    const char *name;
    int is_scratch;
    int stretch;
    size_t n_bytes, offset;
    int first_step, last_step; /**< Inclusive, of pith_profile.steps. */
} pith_profile_block;

/** Part of a step on a thread, in one typical run. */
typedef struct pith_profile_event {
    int step, thread;
    double start_ns, stop_ns;
} pith_profile_event;

/** Float steps of a quantised network that hand floats to each other: what quantisation hasn't reached. */
typedef struct pith_float_island {
    const int *steps;      /**< Numbers of pith_profile.steps, in order. */
    int n_steps;
    int n_borders;         /**< Steps that quantise or dequantise for them. */
    double ns, border_ns;  /**< Medians of a run: of the steps, and of those at their borders. */
    const char *why;       /**< Of the step that takes longest; static. */
} pith_float_island;

/** Everything that was seen. Arrays are the profile's own. */
typedef struct pith_profile {
    int n_threads, n_rounds;
    double run_median_ns, run_min_ns; /**< Of whole runs without any measuring inside. */
    double steps_ns;                  /**< Sum of the steps' medians. */
    double outside_ns;                /**< Of a whole run without any measuring: what isn't inside of steps. */
    const pith_profile_step *steps;   /**< In order of execution. */
    int n_steps;
    const pith_profile_block *blocks;
    int n_blocks;
    const pith_profile_event *events;
    int n_events;
    int n_stretches;
    size_t arena_bytes, arena_lower_bound_bytes, weight_bytes;
    const char *const *counter_names; /**< Of this thread, user mode only. */
    int n_counters;
    const char *counters_note;        /**< Why there are none or fewer; "" if all is there. */
    double joules_per_run;            /**< Of the CPU package; NaN where it can't be read. */
    const char *energy_note;
    const pith_float_island *islands; /**< Of a network with integer steps: by time. */
    int n_islands;
    int n_integer_steps;
} pith_profile;

/**
 * Runs the model many times and reports. Sessions that are never profiled pay nothing for this.
 *
 * @param inputs   As for pith_session_run().
 * @param options  NULL for defaults.
 */
pith_status pith_session_profile(pith_session *session, const pith_tensor *inputs, int n_inputs,
                                 const pith_profile_options *options, pith_profile **profile_out);

/** Destroys a profile, before its session; NULL is allowed. */
void pith_profile_destroy(pith_profile *profile);

#ifdef __cplusplus
}
#endif
#endif
