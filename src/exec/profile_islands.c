/* SPDX-License-Identifier: Apache-2.0 */
/* What a quantised network computes in float, with its time and what stands at its borders. */
#include <stdlib.h>

#include "exec/profile.h"

static bool is_in(const pith_profile_step *step, const pith_profile_step *first)
{
    return step->island >= 0 && step->island == first->island && step->stretch == first->stretch;
}

/* They share a value, by name. */
static bool touch(const pith_profile_step *a, const pith_profile_step *b)
{
    for (int i = 0; i < a->n_operands; i++) {
        for (int k = 0; k < b->n_operands; k++) {
            const bool is_handed = (a->operands[i].role == PITH_PROFILE_OUTPUT) !=
                                       (b->operands[k].role == PITH_PROFILE_OUTPUT) &&
                                   a->operands[i].role != PITH_PROFILE_WEIGHT &&
                                   b->operands[k].role != PITH_PROFILE_WEIGHT;
            if (is_handed && pithi_same_text(a->operands[i].name, b->operands[k].name)) {
                return true;
            }
        }
    }
    return false;
}

static void add_borders(const pithi_profile_data *data, pith_float_island *island)
{
    for (int i = 0; i < data->out.n_steps; i++) {
        const pith_profile_step *border = &data->steps[i];
        bool is_border = false;
        for (int k = 0; k < island->n_steps && border->arithmetic == PITH_ARITHMETIC_BORDER && !is_border; k++) {
            const pith_profile_step *step = &data->steps[island->steps[k]];
            is_border = step->stretch == border->stretch && touch(step, border);
        }
        island->n_borders += is_border;
        island->border_ns += is_border ? border->median_ns : 0.0;
    }
}

static int by_time(const void *a, const void *b)
{
    const pith_float_island *x = a, *y = b;
    const double p = x->ns + x->border_ns, q = y->ns + y->border_ns;
    return (p < q) - (p > q);
}

pith_status pithi_profile_find_islands(pithi_profile_data *data)
{
    const int n = data->out.n_steps;
    void *block = NULL, *numbers = NULL;
    PITH_TRY(pithi_arena_array(&data->memory, (size_t)n + 1, sizeof(pith_float_island), &block));
    PITH_TRY(pithi_arena_array(&data->memory, (size_t)n + 1, sizeof(int), &numbers));
    pith_float_island *islands = block;
    int *steps = numbers;
    for (int i = 0; i < n; i++) {
        data->out.n_integer_steps += data->steps[i].arithmetic == PITH_ARITHMETIC_INTEGER;
    }
    for (int i = 0; i < n && data->out.n_integer_steps > 0; i++) {
        bool is_first = data->steps[i].island >= 0;
        for (int k = 0; k < i && is_first; k++) {
            is_first = !is_in(&data->steps[k], &data->steps[i]);
        }
        if (!is_first) {
            continue;
        }
        pith_float_island *island = &islands[data->out.n_islands++];
        double longest = -1.0;
        island->steps = steps;
        for (int k = i; k < n; k++) {
            const pith_profile_step *step = &data->steps[k];
            if (is_in(step, &data->steps[i])) {
                steps[island->n_steps++] = k;
                island->ns += step->median_ns;
                island->why = step->median_ns > longest ? step->why_float : island->why;
                longest = step->median_ns > longest ? step->median_ns : longest;
            }
        }
        steps += island->n_steps;
        add_borders(data, island);
    }
    qsort(islands, (size_t)data->out.n_islands, sizeof *islands, by_time);
    data->out.islands = islands;
    return PITH_OK;
}
