/* SPDX-License-Identifier: Apache-2.0 */
/* Choices made by timing (`pith tune`), by step: a step is known by operator, attributes, types and shapes. */
#ifndef PITH_PLAN_TUNING_H
#define PITH_PLAN_TUNING_H

#include "ops/op.h"

typedef struct pithi_tuned {
    uint64_t key;  /* pithi_tuning_key() */
    int choice;    /* pith_prepare's; 0: its own judgement */
    int isa;       /* highest instruction set to use; -1: the best */
    int serial_at; /* with so many threads the step is better done by one; 0: with none */
} pithi_tuned;

typedef struct pithi_tuning {
    pith_ctx *ctx;
    pithi_tuned *entries; /* by rising key */
    size_t n_entries, capacity;
    pithi_tuned fallback; /* for all steps without an entry: what is being tried out */
    bool is_float16;      /* of models that may multiply in float16, and of no others */
    int n_threads;        /* it was verified with so many, and with one */
    unsigned passes_off;  /* bit i: pithi_tuning_passes[i] is left out */
} pithi_tuning;

/* Passes that make one large operator of several, which may be slower than they are. */
#define PITHI_TUNING_PASSES 3
extern const char *const pithi_tuning_passes[PITHI_TUNING_PASSES];
#define PITHI_PASS_LIST_BYTES 64
/* "fuse_separable,strip_rows"; "" for none. */
const char *pithi_tuning_list_passes(unsigned passes_off, char list[PITHI_PASS_LIST_BYTES]);

#define PITHI_TUNED_DEFAULT ((pithi_tuned){ .isa = -1 })

/* Fails with NOMEM only. */
pith_status pithi_tuning_key(pith_ctx *ctx, const pith_node *node, const pith_tensor *inputs,
                             const pith_tensor *outputs, uint64_t *key_out);
const pithi_tuned *pithi_tuning_find(const pithi_tuning *tuning, uint64_t key);
/* Keeps the order; an entry of the same key is replaced. */
pith_status pithi_tuning_add(pithi_tuning *tuning, const pithi_tuned *entry);
void pithi_tuning_deinit(pithi_tuning *tuning);

/* The text of a MODEL.tune file. `cpu`, instruction set, pith's version and is_float16 say where it holds. */
void pithi_tuning_print(const pithi_tuning *tuning, const char *cpu, pithi_text *text);
/* Reads such a text, which may hold anything; tuning->is_float16 is the model's. Where it isn't one for here, `reason`
 * says why (at least 200 bytes; ""
 * if all is well) and the tuning stays empty. Fails with NOMEM only. */
pith_status pithi_tuning_parse(pithi_tuning *tuning, const char *cpu, const char *data, size_t n_bytes, char *reason);

#endif
