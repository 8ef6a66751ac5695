/* SPDX-License-Identifier: Apache-2.0 */
/* Expands operators that are a few others (onnx_recipes.c): each line of a recipe becomes a node, read through the
 * spellings as if the file had it. */
#include "import/onnx/onnx_recipe.h"

#include <stdlib.h>

#include "ops/op.h"

#define MAX_NAMES 256   /* inputs, outputs and values between them */
#define MAX_OPERANDS 20 /* of a line */
#define MAX_WORD 256

typedef struct named_value {
    char name[24];
    pith_value *value; /* NULL: an optional operand that is absent */
} named_value;

typedef struct expansion {
    pithi_onnx *onnx;
    const pithi_onnx_recipe *recipe;
    pith_source *source;
    pithi_arena *scratch;
    pithi_onnx_insert insert;
    void *user;
    named_value names[MAX_NAMES];
    int n_names, n_outputs_known;
} expansion;

/* ---- text ---------------------------------------------------------------------------------- */

/* The next word up to a space or line end; false at the end of the line. */
static bool next_word(const char **at, char word[MAX_WORD])
{
    *at += strspn(*at, " ");
    size_t n_bytes = strcspn(*at, " \n");
    if (n_bytes == 0) {
        return false;
    }
    size_t n_kept = n_bytes < MAX_WORD ? n_bytes : MAX_WORD - 1;
    memcpy(word, *at, n_kept);
    word[n_kept] = '\0';
    *at += n_bytes;
    return true;
}

/* Cuts `word` at the first `mark`; what follows it, or NULL. */
static char *cut(char *word, char mark)
{
    char *at = strchr(word, mark);
    if (at) {
        *at++ = '\0';
    }
    return at;
}

static pith_source_attr *find_attr(const expansion *e, const char *name)
{
    return pithi_source_attr(e->source, name);
}

static named_value *find_name(expansion *e, const char *name)
{
    for (int i = e->n_names - 1; i >= 0; i--) {
        if (pithi_same_text(e->names[i].name, name)) {
            return &e->names[i];
        }
    }
    return NULL;
}

static pith_status add_name(expansion *e, const char *name, pith_value *value)
{
    PITH_CHECK(e->onnx->ctx, e->n_names < MAX_NAMES && strlen(name) < sizeof e->names[0].name, PITH_STATUS_INTERNAL,
               "recipe of %s: too many names, or '%s' is too long", e->recipe->name, name);
    named_value *entry = &e->names[e->n_names++];
    memcpy(entry->name, name, strlen(name) + 1);
    entry->value = value;
    return PITH_OK;
}

/* ---- attributes ---------------------------------------------------------------------------- */

/* "[1,2]" -> INTS, with a point in it FLOATS. */
static pith_status read_list(expansion *e, const char *text, pith_source_attr *attr)
{
    const bool is_float = strchr(text, '.') != NULL;
    char *end = NULL;
    void *items = NULL;
    PITH_TRY(pithi_arena_array(&e->source->graph->arena, strlen(text), sizeof(int64_t), &items));
    attr->kind = is_float ? PITH_SOURCE_FLOATS : PITH_SOURCE_INTS;
    for (text++; *text && *text != ']'; text += *text == ',') {
        if (is_float) {
            ((float *)items)[attr->n_items++] = strtof(text, &end);
        } else {
            ((int64_t *)items)[attr->n_items++] = strtoll(text, &end, 10);
        }
        text = end > text ? end : text + 1;
    }
    attr->ints = is_float ? NULL : items;
    attr->floats = is_float ? items : NULL;
    return PITH_OK;
}

/* A list, "1" -> INT, "0.5" -> FLOAT, else STRING. */
static pith_status read_literal(expansion *e, const char *text, pith_source_attr *attr)
{
    char *end = NULL;
    if (*text == '[') {
        return read_list(e, text, attr);
    }
    attr->i = strtoll(text, &end, 10);
    attr->kind = PITH_SOURCE_INT;
    if (end != text && *end == '\0') {
        return PITH_OK;
    }
    attr->f = strtof(text, &end);
    attr->kind = PITH_SOURCE_FLOAT;
    if (end != text && *end == '\0') {
        return PITH_OK;
    }
    attr->kind = PITH_SOURCE_STRING;
    return pithi_arena_text(e->scratch, text, strlen(text), &attr->s);
}

/* `name=value` or `name=$attribute`; *is_absent_out: the attribute isn't given and has no default. */
static pith_status read_attr(expansion *e, char *word, pith_source_attr *attr, bool *is_absent_out)
{
    char *value = cut(word, '=');
    *is_absent_out = false;
    if (*value == '$') {
        const pith_source_attr *given = find_attr(e, value + 1);
        *is_absent_out = !given;
        *attr = given ? *given : (pith_source_attr){ 0 };
    } else {
        *attr = (pith_source_attr){ 0 };
        PITH_TRY(read_literal(e, value, attr));
    }
    attr->is_used = false;
    return pithi_arena_text(e->scratch, word, strlen(word), &attr->name);
}

/* Adds the recipe's defaults to the attributes of the node, and refuses attributes the recipe doesn't name. */
static pith_status take_attrs(expansion *e)
{
    pith_source *source = e->source;
    const char *at = e->recipe->attrs;
    char word[MAX_WORD];
    void *block = NULL;
    PITH_TRY(pithi_arena_array(e->scratch, (size_t)source->n_attrs + 32, sizeof(pith_source_attr), &block));
    memcpy(block, source->attrs, (size_t)source->n_attrs * sizeof(pith_source_attr));
    pith_source_attr *attrs = block;
    const int n_given = source->n_attrs;
    source->attrs = attrs;
    while (next_word(&at, word)) {
        const char *value = cut(word, '=');
        if (!find_attr(e, word) && value) {
            pith_source_attr *attr = &attrs[source->n_attrs];
            PITH_TRY(read_literal(e, value, attr));
            PITH_TRY(pithi_arena_text(e->scratch, word, strlen(word), &attr->name));
            attr->is_used = true;
            source->n_attrs++;
        }
    }
    for (int i = 0; i < n_given; i++) {
        PITH_CHECK(e->onnx->ctx, attrs[i].is_used, PITH_STATUS_UNSUPPORTED,
                   "attribute '%s' is not known for %s of opset %lld; it would change the result, so it is not ignored",
                   attrs[i].name, source->type, (long long)source->opset);
    }
    return PITH_OK;
}

/* ---- operands ------------------------------------------------------------------------------ */

static pith_status make_constant(expansion *e, const pith_source_attr *attr, pith_value **value_out)
{
    pith_graph *graph = e->source->graph;
    pith_tensor tensor;
    if (attr->kind == PITH_SOURCE_TENSOR) {
        return pithi_graph_add_constant(graph, NULL, &attr->tensor, value_out);
    }
    if (attr->kind == PITH_SOURCE_INTS) {
        return pithi_graph_add_s64s(graph, attr->ints, attr->n_items, value_out);
    }
    pith_shape shape = { .rank = attr->kind == PITH_SOURCE_FLOATS, .dims = { attr->n_items } };
    PITH_CHECK(e->onnx->ctx, attr->kind == PITH_SOURCE_INT || attr->kind == PITH_SOURCE_FLOAT || shape.rank,
               PITH_STATUS_FORMAT, "attribute '%s' must be a number or a list of numbers", attr->name);
    PITH_TRY(pithi_graph_new_constant(graph, NULL, attr->kind == PITH_SOURCE_INT ? PITH_DTYPE_S64 : PITH_DTYPE_F32,
                                      &shape, &tensor, value_out));
    for (int i = 0; i < attr->n_items && shape.rank; i++) {
        ((float *)tensor.data)[i] = attr->floats[i];
    }
    if (attr->kind == PITH_SOURCE_INT) {
        *(int64_t *)tensor.data = attr->i;
    } else if (!shape.rank) {
        *(float *)tensor.data = attr->f;
    }
    return PITH_OK;
}

static pith_status run_line(expansion *e, const char *line);

/* A name, `-`, a literal or `$attribute`; the latter two with `~name`: in the element type of that value. */
static pith_status read_operand(expansion *e, char *word, pith_value **value_out)
{
    pith_source_attr literal = { .name = word };
    const named_value *entry = find_name(e, word);
    *value_out = NULL;
    if (entry) {
        *value_out = entry->value;
        return PITH_OK;
    }
    if (pithi_same_text(word, "-")) {
        return PITH_OK;
    }
    char *like = cut(word, '~');
    if (*word == '$') {
        const pith_source_attr *attr = find_attr(e, word + 1);
        PITH_CHECK(e->onnx->ctx, attr, PITH_STATUS_FORMAT, "attribute '%s' is missing", word + 1);
        literal = *attr;
    } else {
        PITH_TRY(read_literal(e, word, &literal));
        PITH_CHECK(e->onnx->ctx, literal.kind != PITH_SOURCE_STRING, PITH_STATUS_INTERNAL,
                   "recipe of %s: nothing is called '%s'", e->recipe->name, word);
    }
    PITH_TRY(make_constant(e, &literal, value_out));
    if (like) {
        char line[MAX_WORD];
        PITH_TRY(add_name(e, "_", *value_out));
        memcpy(line, "_ = CastLike _ ", 15);
        memcpy(line + 15, like, strlen(like) + 1);
        PITH_TRY(run_line(e, line));
        *value_out = find_name(e, "_")->value;
    }
    return PITH_OK;
}

/* Outputs of the recipe have their values already, others are new. */
static pith_status write_operand(expansion *e, const char *word, pith_value **value_out)
{
    *value_out = NULL;
    if (pithi_same_text(word, "-")) {
        return PITH_OK;
    }
    for (int i = 0; i < e->n_outputs_known; i++) {
        named_value *entry = &e->names[i];
        if (pithi_same_text(entry->name, word) && (entry->value ? !entry->value->producer : true)) {
            *value_out = entry->value;
            return PITH_OK; /* NULL: nobody wants it */
        }
    }
    PITH_TRY(pithi_graph_add_value(e->source->graph, NULL, value_out));
    return add_name(e, word, *value_out);
}

/* ---- lines --------------------------------------------------------------------------------- */

/* `?x` input or attribute x is there (an int: and not 0), `!x` it isn't; `?x=word` an attribute is that, `?x:u8` an
 * input has that element type, `?x#4` that rank. */
static bool holds(expansion *e, char *condition)
{
    const bool wanted = condition[0] == '?';
    const char *text = cut(condition, '='), *dtype = cut(condition, ':'), *rank = cut(condition, '#');
    const named_value *entry = find_name(e, condition + 1);
    const pith_source_attr *attr = entry ? NULL : find_attr(e, condition + 1);
    bool is_there = entry ? entry->value != NULL : attr != NULL;
    if (rank) {
        is_there = is_there && entry && entry->value->has_shape && entry->value->shape.rank == atoi(rank);
    } else if (dtype) {
        is_there = is_there && entry && pithi_same_text(pith_dtype_name(entry->value->dtype), dtype);
    } else if (text) {
        is_there = attr && (attr->kind == PITH_SOURCE_STRING ? pithi_same_text(attr->s, text) : attr->i == atoi(text));
    } else if (attr && attr->kind == PITH_SOURCE_INT) {
        is_there = attr->i != 0;
    }
    return is_there == wanted;
}

/* The nodes around are of this recipe's newest version; operators of other domains are `domain:Name`. */
static pith_status insert_node(expansion *e, char *type, pith_source *node)
{
    char *name = strchr(type, ':');
    const char *domain = "";
    if (name) {
        *name++ = '\0';
        domain = pithi_same_text(type, "ms") ? "com.microsoft" : "pith";
        type = name;
    }
    PITH_TRY(pithi_arena_text(e->scratch, domain, strlen(domain), &node->domain));
    PITH_TRY(pithi_arena_text(&e->source->graph->arena, type, strlen(type), &node->type));
    node->opset = *domain ? 1 : PITHI_ONNX_MAX_OPSET;
    node->graph = e->source->graph;
    node->name = e->source->name;
    return e->insert(e->user, node);
}

/* [?condition]... output... = Operator input... name=value... */
static pith_status run_line(expansion *e, const char *line)
{
    pith_value *inputs[MAX_OPERANDS + PITHI_SOURCE_SPARE] = { NULL }, *outputs[MAX_OPERANDS] = { NULL };
    pith_source_attr attrs[MAX_OPERANDS];
    pith_source node = { .inputs = inputs, .outputs = outputs, .attrs = attrs };
    char word[MAX_WORD], type[MAX_WORD] = "", targets[MAX_OPERANDS][24];
    const char *at = line;
    while (next_word(&at, word) && !pithi_same_text(word, "=")) {
        if (*word == '?' || *word == '!') {
            if (!holds(e, word)) {
                return PITH_OK;
            }
        } else {
            PITH_CHECK(e->onnx->ctx, node.n_outputs < MAX_OPERANDS && strlen(word) < sizeof targets[0],
                       PITH_STATUS_INTERNAL, "recipe of %s: bad output '%s'", e->recipe->name, word);
            memcpy(targets[node.n_outputs++], word, strlen(word) + 1);
        }
    }
    next_word(&at, type);
    while (next_word(&at, word)) {
        bool is_absent = false;
        PITH_CHECK(e->onnx->ctx, node.n_inputs < MAX_OPERANDS && node.n_attrs < MAX_OPERANDS, PITH_STATUS_INTERNAL,
                   "recipe of %s: too many operands", e->recipe->name);
        if (strchr(word, '=')) {
            PITH_TRY(read_attr(e, word, &attrs[node.n_attrs], &is_absent));
            node.n_attrs += !is_absent;
        } else {
            PITH_TRY(read_operand(e, word, &inputs[node.n_inputs]));
            node.n_inputs++;
        }
    }
    while (node.n_inputs > 0 && !inputs[node.n_inputs - 1]) {
        node.n_inputs--;
    }
    for (int i = 0; i < node.n_outputs; i++) {
        PITH_TRY(write_operand(e, targets[i], &outputs[i]));
    }
    bool is_wanted = false;
    for (int i = 0; i < node.n_outputs; i++) {
        is_wanted = is_wanted || outputs[i];
    }
    return is_wanted ? insert_node(e, type, &node) : PITH_OK;
}

/* ---- recipes ------------------------------------------------------------------------------- */

/* Names of inputs or outputs become values of the node. An input's name ends with '?' if it may be absent. */
static pith_status bind(expansion *e, const char *names, pith_value *const *values, int n_values, bool is_input)
{
    char word[MAX_WORD];
    int index = 0;
    for (const char *at = names; next_word(&at, word); index++) {
        char *mark = strchr(word, '?');
        pith_value *value = index < n_values ? values[index] : NULL;
        if (mark) {
            *mark = '\0';
        }
        PITH_CHECK(e->onnx->ctx, value || mark || !is_input, PITH_STATUS_FORMAT, "input %d ('%s') of %s is missing",
                   index, word, e->recipe->name);
        PITH_TRY(add_name(e, word, value));
    }
    PITH_CHECK(e->onnx->ctx, n_values <= index, PITH_STATUS_UNSUPPORTED, "%s has %d %s, pith knows %d",
               e->recipe->name, n_values, is_input ? "inputs" : "outputs", index);
    return PITH_OK;
}

pith_status pithi_onnx_recipe_expand(pithi_onnx *onnx, const pithi_onnx_recipe *recipe, pith_source *source,
                                     pithi_arena *scratch, pithi_onnx_insert insert, void *user)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(scratch, sizeof(expansion), &block));
    expansion *e = block;
    *e = (expansion){ .onnx = onnx, .recipe = recipe, .source = source, .scratch = scratch, .insert = insert,
                      .user = user };
    PITH_TRY(take_attrs(e));
    PITH_TRY(bind(e, recipe->outputs, source->outputs, source->n_outputs, false));
    e->n_outputs_known = e->n_names;
    PITH_TRY(bind(e, recipe->inputs, source->inputs, source->n_inputs, true));
    for (const char *line = recipe->body; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        PITH_TRY(run_line(e, line));
    }
    return PITH_OK;
}

/* True if the node's int attribute named in `when` ("spatial=0") has that value. */
static bool applies(const pithi_onnx_recipe *recipe, const pith_source *source)
{
    const char *equals = recipe->when ? strchr(recipe->when, '=') : NULL;
    for (int i = 0; equals && i < source->n_attrs; i++) {
        const pith_source_attr *attr = &source->attrs[i];
        if (strncmp(attr->name, recipe->when, (size_t)(equals - recipe->when)) == 0 &&
            strlen(attr->name) == (size_t)(equals - recipe->when)) {
            return attr->kind == PITH_SOURCE_INT && attr->i == atoi(equals + 1);
        }
    }
    return !equals;
}

const pithi_onnx_recipe *pithi_onnx_recipe_find(const pith_source *source, int op_since)
{
    const pithi_onnx_recipe *best = NULL;
    for (int i = 0; i < pithi_onnx_n_recipes; i++) {
        const pithi_onnx_recipe *recipe = &pithi_onnx_recipes[i];
        if (pithi_same_text(recipe->name, source->type) && pithi_same_text(recipe->domain, source->domain) &&
            recipe->since <= source->opset && recipe->since >= op_since && (!best || recipe->since > best->since) &&
            applies(recipe, source)) {
            best = recipe;
        }
    }
    return best;
}
