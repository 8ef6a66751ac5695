/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of layers whose channels may be rescaled: chains.c finds them, equalize.c chooses the factors. */
#ifndef PITH_QUANT_CHAINS_H
#define PITH_QUANT_CHAINS_H

#include "quant/quant.h"

#define PITHI_CHAIN_CONSUMERS 8
#define PITHI_CHAIN_INPUTS 3 /* inputs of a node that may be constants of a chain: 0 to 2 */

/* A constant of the graph that may be written. Element i belongs to channel (i / inner) % per_group, of the group that
 * every outs_per_group rows of the tensor have in common; 0: there are no groups. */
typedef struct pithi_chain_part {
    pith_node *node;
    float *items;
    int64_t n, inner, per_group, outs_per_group;
    bool is_depthwise;
} pithi_chain_part;

typedef struct pithi_chain {
    pithi_chain_part producers[2]; /* weights or scale, and bias */
    pithi_chain_part consumers[PITHI_CHAIN_CONSUMERS];
    int n_producers, n_consumers;
    bool has_weights;              /* producers[0] is a product's weights, not a normalisation's scale */
    int64_t n_channels;
    double high;                   /* of a clip between them; 0: none */
    int entry;                     /* number of the value that consumers read, or that leaves the clip */
    int result;                    /* number of the value that the producers make */
    bool by_rows;                  /* channels are the last axis, not axis 1 */
    bool is_linear;                /* no function stands between them */
    bool passes_shifts;            /* a constant added to a channel arrives as it is: nothing pads with zeros */
    bool passes_channels;          /* there may be more channels: no sizes or constants of channels between them */
} pithi_chain;

typedef struct pithi_chains {
    pith_graph *graph;
    pithi_chain *items;
    int n;
    uint8_t *owned;                /* by node and input: a copy already */
} pithi_chains;

/* All chains of quant->graph. */
pith_status pithi_quant_chains(pithi_quant *quant, pithi_chains *chains_out);
/* clip(x, 0, high) */
bool pithi_chain_is_ceiling(const pith_node *node, double *high_out);
/* Room for what pithi_chains_measure fills. */
pith_status pithi_chains_alloc_ranges(pithi_quant *quant, const pithi_chains *chains, double ***ranges_out);
/* Smallest and largest value of each channel over the samples, of what enters (`of_results`: of what the producers
 * make), for every chain; 2 * n_channels doubles each, the largest behind the smallest. */
pith_status pithi_chains_measure(pithi_quant *quant, const pithi_chains *chains, bool of_results, double **ranges);
/* The bias of a consumer as a copy that may be written, zeros where there was none; NULL: it can have none. */
pith_status pithi_chain_bias(pithi_chains *chains, pith_node *consumer, float **items_out);
/* The row that is added to a product of matrices behind it: the input of *add_out; -1: there is none. */
int pithi_chain_row(const pith_graph *graph, const pith_node *matmul, int64_t n, pith_node **add_out);
int64_t pithi_chain_channel(const pithi_chain_part *part, int64_t i);
/* ranges[channel] becomes at least the largest |element| of the channel. */
void pithi_chain_ranges(const pithi_chain_part *part, double *ranges);
/* Divides the producers' channels by s, multiplies the consumers'. */
void pithi_chain_scale(const pithi_chain *chain, const double *s);

#endif
