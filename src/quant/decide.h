/* SPDX-License-Identifier: Apache-2.0 */
/* How many decisions of a network change when it is quantised. */
#ifndef PITH_QUANT_DECIDE_H
#define PITH_QUANT_DECIDE_H

#include "graph/graph.h"

typedef enum pithi_decision_kind {
    PITHI_DECISION_NONE,
    PITHI_DECISION_SCORES,  /* the largest of a row */
    PITHI_DECISION_SOFTMAX, /* the same by probabilities */
    PITHI_DECISION_SIGMOID  /* each element: more than one half, or less */
} pithi_decision_kind;

#define PITHI_DECISION_COUNT (PITHI_DECISION_SIGMOID + 1)

/* What is decided by a value. */
typedef struct pithi_decision {
    pithi_decision_kind kind;
    int axis;               /* of the classes */
    bool is_flat;           /* with all axes behind it */
    bool are_logits;        /* natural logarithms of probabilities, or probabilities that these are made of */
} pithi_decision;

typedef struct pithi_decision_pair {
    float margin, error;    /* finite; error: not 0 */
} pithi_decision_pair;

/* Zero-initialise. */
typedef struct pithi_decisions {
    pithi_decision_pair *pairs;
    int64_t n;
    size_t capacity;
    int64_t n_seen;         /* pairs there were; one of every 2^log_every is kept */
    int log_every;
    int64_t *n_of_class;    /* of the reference's decisions */
    size_t n_classes;       /* room for them */
    int64_t most_classes;   /* that a row has */
    int64_t n_rows, n_close; /* all, and those so near the border that an error may change them */
    bool are_logits;        /* as in pithi_decision */
} pithi_decisions;

/* `softmax` reads the value (NULL: none does); `is_one_choice`: it is one row of scores. */
pithi_decision pithi_decision_of(const pith_value *value, const pith_node *softmax, bool is_one_choice);
/* How many classes a row has, and in *inner_out by how many elements they are apart. */
int64_t pithi_decision_classes(const pithi_decision *decision, const pith_shape *shape, int64_t *inner_out);
/* Those of one sample; sizes of both tensors are the same. */
pith_status pithi_decisions_add(pith_ctx *ctx, pithi_decisions *all, const pithi_decision *decision,
                                const pith_tensor *reference, const pith_tensor *output);
/* Expected changes. *n_out: of so many decisions, those for the most frequent class counted no oftener than all others
 * (of more than two classes three times as often), so that background doesn't hide what is looked for; 0: none. */
double pithi_decisions_changes(const pithi_decisions *all, double *n_out);
/* Mean square of the errors near the border, in logits; -1 with less than some ten decisions near it. */
double pithi_decisions_noise(const pithi_decisions *all);
void pithi_decisions_destroy(pith_ctx *ctx, pithi_decisions *all);

#endif
