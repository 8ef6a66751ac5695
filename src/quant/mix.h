/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed precision: which node computes how, what that costs, and what error it makes. cost.c (times), mix.c (mixes and
 * their predicted figures), sensitivity.c (errors), verify.c (the drop on samples held out), limits.c (mixes that
 * keep to limits), widen.c (16 bits for little time), choose.c (the choice). */
#ifndef PITH_QUANT_MIX_H
#define PITH_QUANT_MIX_H

#include "quant/quant.h"

typedef enum pithi_compute {
    PITHI_COMPUTE_INT8,
    PITHI_COMPUTE_INT16,
    PITHI_COMPUTE_FLOAT,
    PITHI_COMPUTE_COUNT
} pithi_compute;

/* A choice for each node; only nodes with a role other than FLOAT have one. */
typedef struct pithi_quant_mix {
    uint8_t *compute;  /* pithi_compute, by number of the node */
    uint8_t *bits;     /* of a product's weights: 2 to 8, 16 (float16) or 32; of a recurrent node's 8 or 32; by number
                        * of the node */
    const char **why;  /* one line for the report, NULL: the plain choice */
    uint8_t *wide;     /* by number of the tensor: 16 bits instead of 8 */
} pithi_quant_mix;

/* What is known of nodes and tensors, once. */
typedef struct pithi_quant_facts {
    double *ms[PITHI_COMPUTE_COUNT]; /* by number of the node; what is fused into another node counts there */
    double *write_ms;                /* by node: of one that writes 16 bits from 8; what reads 16 bits counts as INT16;
                                      * NULL: not known, no tensor gets 16 bits */
    double quantize_ns, dequantize_ns; /* per element, at the borders between formats */
    double other_ms;                 /* of nodes that are float in any case */
    double *tensor_noise;            /* by tensor: noise over signal at the outputs, in u8 alone; NULL: not measured */
    int n_samples;                   /* that they are measured on */
    double float_noise;              /* without any quantiser: channels were rescaled, clips left out */
    double *weight_noise[4];         /* by node: with 8, 4, 3 and 2 bits alone; NULL: not measured */
    size_t fixed_bytes;              /* of the file beside the weights of products, about */
    uint8_t *borders;                /* scratch: by tensor, and one */
    bool is_measured;                /* times were measured, not estimated */
} pithi_quant_facts;

typedef struct pithi_quant_figures {
    double ms, noise;
    size_t n_bytes;
} pithi_quant_figures;

/* The number in the facts' weight_noise for so many bits. */
int pithi_quant_bits_index(int bits);

/* ---- cost.c ---- */
/* Times of all nodes, in float and in integers, measured on sample 0 (or estimated without timing). */
pith_status pithi_quant_learn_costs(pithi_quant *quant, pithi_quant_facts *facts);
/* Whole runs in turns: of the least time of each round the lower quartile, since what disturbs only ever adds time.
 * Takes over the graphs. */
#define PITHI_QUANT_MAX_TIMED 7
pith_status pithi_quant_time(const pithi_quant *quant, pith_graph *const *graphs, int n_graphs, double *ms_out);

/* ---- widen.c ---- */
/* The tensor may have 16 bits: who makes and who reads it computes with them in integers, or in float. */
bool pithi_quant_may_widen(const pithi_quant *quant, int tensor);
/* Without limits: 16 bits or float for what weighs most at the outputs, for a small share of the time. */
struct pithi_quant_search;
pith_status pithi_quant_widen(struct pithi_quant_search *search);

/* ---- mix.c ---- */
/* How many of its operands have scales of their own. */
int pithi_quant_n_operands(const pithi_quant *quant, const pith_node *node);
/* Computes so and, through integers or not, everything that reads or makes the tensor. */
void pithi_quant_mix_raise_tensor(const pithi_quant *quant, int tensor, pithi_compute compute, const char *why,
                                  pithi_quant_mix *mix);
/* Nodes that have a choice of their own: not those that only move data, or are part of the node before. */
bool pithi_quant_chooses(const pithi_quant *quant, const pith_node *node);
/* Nodes that are part of another one take its choice. */
void pithi_quant_mix_follow(const pithi_quant *quant, pithi_quant_mix *mix);
/* All nodes in one way. */
void pithi_quant_mix_fill(const pithi_quant *quant, pithi_compute compute, int bits, pithi_quant_mix *mix);
pith_status pithi_quant_mix_create(pithi_quant *quant, pithi_quant_mix *mix);
void pithi_quant_mix_copy(const pithi_quant *quant, const pithi_quant_mix *from, pithi_quant_mix *to);
/* Formats of tensors and weights that follow from a mix. */
void pithi_quant_mix_apply(pithi_quant *quant, const pithi_quant_mix *mix);
/* Applies and adds up. */
pithi_quant_figures pithi_quant_mix_figures(pithi_quant *quant, const pithi_quant_mix *mix,
                                            const pithi_quant_facts *facts);
/* The fastest choice between int8 and float for every node, conversions included: a minimum cut. */
pith_status pithi_quant_mix_fastest(pithi_quant *quant, const pithi_quant_facts *facts, pithi_quant_mix *mix);
/* A clone with the mix in it. */
pith_status pithi_quant_mix_graph(pithi_quant *quant, const pithi_quant_mix *mix, pith_graph **graph_out);

/* ---- sensitivity.c ---- */
pith_status pithi_quant_learn_noise(pithi_quant *quant, pithi_quant_facts *facts);
/* How many samples the work that is left allows for that; 0: none. */
int pithi_quant_noise_samples(const pithi_quant *quant);

/* ---- verify.c ---- */
typedef struct pithi_quant_verdict {
    pith_drop_kind kind;
    int n;                   /* samples */
    double sqnr_db, drop;    /* drop in points */
    double top1_float, top1; /* percent; with labels */
    size_t ram_bytes;        /* of the arena */
} pithi_quant_verdict;
/* Runs `graph`, which it takes over, on the samples that verify. */
pith_status pithi_quant_verify(pithi_quant *quant, pith_graph *graph, pithi_quant_verdict *verdict_out);

/* ---- limits.c ---- */
/* A mix with its true figures. */
typedef struct pithi_quant_point {
    const char *name;
    pithi_quant_mix mix;
    pithi_quant_verdict verdict;
    size_t n_bytes;          /* of the file */
    double ms;               /* measured, or 0 */
    double predicted_ms;
    float **shifts;          /* of biases, corrected for this mix; NULL: those of its layers */
    pithi_quant_error error; /* once is_judged */
    pithi_quant_error before; /* without the shifts */
    bool is_judged;
    bool is_corrected;       /* biases of its own were tried, whether or not these are `shifts` */
} pithi_quant_point;

#define PITHI_QUANT_MAX_POINTS 48

/* The points that were looked at; number 0 is float, number 1 all int8. */
typedef struct pithi_quant_search {
    pithi_quant *quant;
    pithi_quant_facts facts;
    pithi_quant_point points[PITHI_QUANT_MAX_POINTS];
    int n_points, chosen;
    double max_drop; /* that of the options, or what a network without limits is kept to; 0: none */
    double least_db; /* beside a drop, since few samples tell little of it; 0: none */
    double allowed;  /* noise: what makes more by itself is raised first, whatever it costs; 0: by cost alone */
    double most_ms;  /* predicted, of mixes in lists of raises; 0: any */
} pithi_quant_search;

/* Formats and biases of a point. */
void pithi_quant_apply_point(const pithi_quant_search *search, int point);
/* Score and decisions of a point, once. */
pith_status pithi_quant_judge_point(pithi_quant_search *search, int point);
/* A clone with the point in it. */
pith_status pithi_quant_point_graph(const pithi_quant_search *search, int point, pith_graph **graph_out);
/* Bytes of the file. */
pith_status pithi_quant_size_of(pith_graph *graph, size_t *n_bytes_out);
/* A point for a copy of the mix: its size, arena and drop, with biases corrected for it where that is little work and
 * breaks no limit on size or drop. */
pith_status pithi_quant_assess(pithi_quant_search *search, const pithi_quant_mix *mix, const char *name,
                               int *point_out);
/* Size and arena are within the limits. */
bool pithi_quant_keeps_bytes(const pithi_quant_search *search, const pithi_quant_point *point);
/* These, and the drop. */
bool pithi_quant_keeps_limits(const pithi_quant_search *search, int point);
/* From `start` to a point that keeps to the limits on size, drop and arena; fails with LIMIT. */
pith_status pithi_quant_keep_limits(pithi_quant_search *search, const pithi_quant_mix *start);

/* Mixes from `start` on, each with more precision than the one before, what gains most for its time first. */
#define PITHI_QUANT_MAX_RAISES 96
typedef struct pithi_quant_raises {
    pithi_quant_mix mixes[PITHI_QUANT_MAX_RAISES + 1]; /* [0]: where the list starts */
    int n;
} pithi_quant_raises;
pith_status pithi_quant_list_raises(pithi_quant_search *search, const pithi_quant_mix *start,
                                    pithi_quant_raises **list_out);

/* ---- choose.c ---- */
/* Times points in turns, at most PITHI_QUANT_MAX_TIMED. */
pith_status pithi_quant_time_points(pithi_quant_search *search, const int *points, int n_points);
double pithi_quant_time_of(const pithi_quant_search *search, int point);
/* The faster of two points; the one with the better score where the times are the same but for noise, unless only the
 * other one is as fast as float. */
pith_status pithi_quant_prefer(pithi_quant_search *search, int a, int b, int *better_out);
/* Chooses the mix that keeps to the limits of the options, or without limits the fastest; the formats are set then, and
 * the report has what was looked at (memory of `arena`). */
pith_status pithi_quant_choose_mix(pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report);

#endif
