/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that ONNX gave up, and operators of other domains, said in operators that pith has. */
#ifndef PITH_IMPORT_ONNX_RECIPE_H
#define PITH_IMPORT_ONNX_RECIPE_H

#include "import/onnx/onnx.h"

/* Lines of `body`:  [?condition]... output... = Operator input... attribute=value...
 * Operators are those of the newest ONNX, `ms:Name` of com.microsoft, `pith:Name` pith's own. An input is a name, `-`
 * (absent), a number, a list [1,2] or `$attribute`, these with `~name` in the element type of that value. Values of
 * attributes are numbers, lists, words or `$attribute`. Conditions: `?name` an input, output or attribute is there (an
 * int attribute: and isn't 0), `!name` the opposite, `?attribute=value`, `?input:u8` by element type, `?input#4` by
 * rank where the file says it. A line of which nobody wants an output is left out. */
typedef struct pithi_onnx_recipe {
    const char *domain, *name;
    int since;
    const char *when;    /* NULL or `attribute=int`: the recipe is only for nodes with that */
    const char *inputs;  /* names; `?` behind one: may be absent */
    const char *outputs;
    const char *attrs;   /* all that are known, with defaults: `alpha=1.0 axis` */
    const char *body;
} pithi_onnx_recipe;

extern const pithi_onnx_recipe pithi_onnx_recipes[];
extern const int pithi_onnx_n_recipes;

/* The recipe of the newest version that the node's opset has, unless an operator has a newer one (`op_since`, 0: no
 * operator has it); NULL: none. */
const pithi_onnx_recipe *pithi_onnx_recipe_find(const pith_source *source, int op_since);

/* Puts `node`, whose lists live during the call, into the graph. */
typedef pith_status (*pithi_onnx_insert)(void *user, pith_source *node);
pith_status pithi_onnx_recipe_expand(pithi_onnx *onnx, const pithi_onnx_recipe *recipe, pith_source *source,
                                     pithi_arena *scratch, pithi_onnx_insert insert, void *user);

#endif
