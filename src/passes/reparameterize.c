/* SPDX-License-Identifier: Apache-2.0 */
/* Structural re-parameterisation: branches and sequences of convolutions, averages, normalisations, factors, sums and
 * concatenations without a function in between are one convolution (RepVGG, arXiv 2101.03697; ACNet, 1908.03930; DBB,
 * 2103.13425; ECBSR, ACM MM 2021; MobileOne, 2206.04040). It is built where it costs no more multiplications and no
 * more weights. */
#include "passes/linear.h"
#include "passes/reparameterize.h"

#define MAX_DEPTH 8    /* nodes one behind the other */
#define MAX_VISITED 64 /* nodes of a region */
#define MAX_TERMS 10   /* of a sum, of which each subset is tried */
#define MAX_ROUNDS 16
#define WINOGRAD_GAIN 4.0

/* What nodes cost for each position of the region's result. */
typedef struct price {
    double macs;    /* other operations count like a multiplication */
    double faster;  /* the same, where Winograd's algorithm saves some */
    double weights;
    int n_nodes, n_convs;
} price;

/* A result as an affine map of one value. */
typedef struct region {
    pithi_arena *arena; /* NULL: geometry only */
    int max_depth, n_visited;
    pith_value *source;
    price cost;
} region;

/* ---- cost ----------------------------------------------------------------------------------- */

static bool is_for_winograd(const pithi_affine *map)
{
    bool fits = map->n_axes == 2 && map->group == 1 && map->n_in >= 8 && map->n_out >= 8;
    for (int i = 0; i < map->n_axes; i++) {
        fits = fits && map->axes[i].n_taps == 3 && map->axes[i].step == 1 && map->axes[i].stride == 1;
    }
    return fits;
}

static price price_of(const pithi_affine *map)
{
    double macs = (double)pithi_affine_weights(map);
    return (price){ .macs = macs, .faster = is_for_winograd(map) ? macs / WINOGRAD_GAIN : macs, .weights = macs };
}

static void add_price(price *sum, const price *other)
{
    sum->macs += other->macs;
    sum->faster += other->faster;
    sum->weights += other->weights;
    sum->n_nodes += other->n_nodes;
    sum->n_convs += other->n_convs;
}

/* Weights that other nodes read as well stay. */
static void charge_node(region *in, const pith_node *node, const pithi_affine *map, double n_positions)
{
    price own = price_of(map);
    bool is_conv = pithi_is(node, "conv");
    own.macs *= n_positions;
    own.faster *= n_positions;
    own.weights = is_conv ? own.weights / (double)node->inputs[PITHI_LINEAR_WEIGHTS]->n_uses : 0.0;
    own.n_nodes = 1;
    own.n_convs = is_conv;
    add_price(&in->cost, &own);
}

static bool pays(const price *before, const pithi_affine *map)
{
    price after = price_of(map);
    return before->n_convs > 0 && before->n_nodes > 1 && after.macs <= before->macs && after.faster <= before->faster &&
           after.weights <= before->weights;
}

/* ---- regions as maps ------------------------------------------------------------------------- */

static bool is_concat(const pith_node *node)
{
    const pith_value *y = pithi_node_result(node);
    if (!pithi_is(node, "concat") || !y || !y->has_shape || node->n_inputs < 2) {
        return false;
    }
    int64_t axis = pithi_attr_int(node, "axis");
    return axis == 1 || axis == 1 - y->shape.rank;
}

static bool is_sum(const pith_node *node)
{
    bool fits = pithi_is(node, "add") || pithi_is(node, "sub") || pithi_is(node, "sum");
    const pith_value *y = pithi_node_result(node);
    if (!fits || !y || !y->has_shape || node->n_inputs < 2) {
        return false;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *x = node->inputs[i];
        fits = fits && x && !x->constant && x->has_shape && x->dtype == PITH_DTYPE_F32 &&
               x->shape.rank == y->shape.rank;
    }
    return fits;
}

static double sign_of(const pith_node *sum, int operand) { return operand == 1 && pithi_is(sum, "sub") ? -1.0 : 1.0; }

static int64_t strides_of(const pithi_affine *map)
{
    int64_t product = 1;
    for (int i = 0; i < map->n_axes; i++) {
        product *= map->axes[i].stride;
    }
    return product;
}

static bool takes_nothing_else(const pith_node *node)
{
    int residual = node->op->residual_input_plus_1 - 1;
    return pithi_has_no_activation(node) && (residual < 0 || !pithi_node_input(node, residual));
}

static pith_status map_node(region *in, pith_node *node, int depth, double n_positions, pithi_affine *map, bool *fits);

/* The map from the region's source to `value`. */
static pith_status map_value(region *in, pith_value *value, int depth, double n_positions, pithi_affine *map,
                             bool *fits)
{
    pith_node *node = value->n_uses == 1 ? value->producer : NULL;
    int operand = 0;
    bool is_inner = node && node->op && depth < in->max_depth && node->outputs[0] == value &&
                    in->n_visited < MAX_VISITED && takes_nothing_else(node) &&
                    (is_concat(node) || is_sum(node) || pithi_affine_of_node(node, &operand, map));
    if (is_inner) {
        return map_node(in, node, depth, n_positions, map, fits);
    }
    const pith_shape *shape = &value->shape;
    *fits = value->has_shape && value->dtype == PITH_DTYPE_F32 && !value->constant && shape->rank >= 3 &&
            shape->rank <= PITHI_AFFINE_AXES + 2 && shape->dims[1] > 0 && (!in->source || in->source == value);
    if (*fits) {
        in->source = value;
        *map = pithi_affine_identity(shape->rank - 2, shape->dims[1]);
        if (in->arena) {
            PITH_TRY(pithi_affine_new_weights(in->arena, map));
            pithi_affine_set_factor(map, 1.0);
        }
    }
    return PITH_OK;
}

/* Sum or concatenation. The parts' maps live until their weights are added up. */
static pith_status map_parts(region *in, const pith_node *node, int depth, double n_positions, pithi_affine *map,
                             bool *fits)
{
    pithi_affine parts[MAX_TERMS];
    bool is_stacked = is_concat(node);
    *fits = node->n_inputs <= MAX_TERMS;
    for (int i = 0; i < node->n_inputs && *fits; i++) {
        *fits = node->inputs[i] != NULL;
        if (*fits) {
            PITH_TRY(map_value(in, node->inputs[i], depth + 1, n_positions, &parts[i], fits));
        }
        if (*fits && i > 0) {
            *fits = pithi_affine_unite(map, &parts[i], is_stacked);
        } else if (*fits) {
            *map = parts[0];
        }
    }
    if (!*fits || !in->arena) {
        return PITH_OK;
    }
    PITH_TRY(pithi_affine_new_weights(in->arena, map));
    int64_t first = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        pithi_affine_accumulate(map, &parts[i], sign_of(node, i), first);
        first += is_stacked ? parts[i].n_out : 0;
    }
    return PITH_OK;
}

static pith_status map_node(region *in, pith_node *node, int depth, double n_positions, pithi_affine *map, bool *fits)
{
    pithi_affine own, inner;
    int operand = 0;
    in->n_visited++;
    if (is_sum(node) || is_concat(node)) {
        PITH_TRY(map_parts(in, node, depth, n_positions, map, fits));
        if (*fits) {
            double n = n_positions * (double)map->n_out;
            add_price(&in->cost, &(price){ .macs = n, .faster = n, .n_nodes = 1 });
        }
        return PITH_OK;
    }
    *fits = pithi_affine_of_node(node, &operand, &own);
    if (!*fits) {
        return PITH_OK;
    }
    charge_node(in, node, &own, n_positions);
    n_positions *= (double)strides_of(&own);
    PITH_TRY(map_value(in, node->inputs[operand], depth + 1, n_positions, &inner, fits));
    *fits = *fits && pithi_affine_compose(&own, &inner, map);
    if (!*fits || !in->arena) {
        return PITH_OK;
    }
    PITH_TRY(pithi_affine_fill(in->arena, node, operand, &own));
    return pithi_affine_fill_composed(in->arena, &own, &inner, map);
}

/* ---- sequences, and sums all of whose terms take part ------------------------------------------ */

static pith_status measure_root(pith_node *root, int depth, region *in, pithi_affine *map, bool *fits)
{
    *in = (region){ .max_depth = depth };
    PITH_TRY(map_node(in, root, 0, 1.0, map, fits));
    *fits = *fits && in->source && pays(&in->cost, map);
    return PITH_OK;
}

/* The depth that saves most multiplications; 0: none does. */
static pith_status choose_depth(pith_node *root, int *depth_out)
{
    double most = -1.0;
    int n_before = 0;
    *depth_out = 0;
    for (int depth = 2; depth <= MAX_DEPTH; depth++) {
        region in;
        pithi_affine map;
        bool fits = false;
        PITH_TRY(measure_root(root, depth, &in, &map, &fits));
        double saved = fits ? in.cost.faster - price_of(&map).faster : -1.0; /* else there is no map */
        if (saved > most) {
            most = saved;
            *depth_out = depth;
        }
        if (in.n_visited == n_before) {
            break; /* nothing lies deeper */
        }
        n_before = in.n_visited;
    }
    return PITH_OK;
}

static pith_status fold_root(pith_graph *graph, pith_node *root, int *n_changes)
{
    int depth = 0;
    PITH_TRY(choose_depth(root, &depth));
    if (depth == 0) {
        return PITH_OK;
    }
    pithi_arena arena = { .ctx = graph->ctx };
    region in = { .arena = &arena, .max_depth = depth };
    pithi_affine map;
    bool fits = false;
    pith_status status = map_node(&in, root, 0, 1.0, &map, &fits);
    if (status == PITH_OK && pithi_reparameterize_is_finite(&map)) {
        status = pithi_reparameterize_become_conv(graph, root, in.source, &map);
        ++*n_changes;
    }
    pithi_arena_deinit(&arena);
    return status;
}

/* ---- sums of which some terms take part -------------------------------------------------------- */

typedef struct term {
    pith_value *value;
    double sign;
    int depth; /* of the largest region that is one map; 0: none */
    region in;
    pithi_affine map;
} term;

typedef struct terms {
    term items[MAX_TERMS];
    int n, n_sums;
} terms;

/* Sums of sums, where nobody else reads the inner ones. False if there are too many. */
static bool collect(const pith_node *sum, double sign, terms *list)
{
    list->n_sums += sum->n_inputs - 1;
    for (int i = 0; i < sum->n_inputs; i++) {
        pith_value *value = sum->inputs[i];
        const pith_node *inner = value->n_uses == 1 ? value->producer : NULL;
        double own = sign * sign_of(sum, i);
        if (inner && inner->op && is_sum(inner) && pithi_has_no_activation(inner) && list->n_sums < MAX_TERMS) {
            if (!collect(inner, own, list)) {
                return false;
            }
            continue;
        }
        if (list->n >= MAX_TERMS) {
            return false;
        }
        list->items[list->n++] = (term){ .value = value, .sign = own };
    }
    return true;
}

static pith_status measure_term(term *item)
{
    for (int depth = MAX_DEPTH; depth >= 0; depth--) {
        bool fits = false;
        item->in = (region){ .max_depth = depth };
        PITH_TRY(map_value(&item->in, item->value, 0, 1.0, &item->map, &fits));
        if (fits && item->in.source) {
            item->depth = depth + 1;
            return PITH_OK;
        }
    }
    return PITH_OK;
}

/* The map of the terms in the set, and what they cost as they are; false if they don't fit together. */
static bool unite_terms(const terms *list, unsigned set, pithi_affine *map, price *cost, pith_value **source)
{
    *cost = (price){ 0 };
    *source = NULL;
    for (int i = 0; i < list->n; i++) {
        const term *item = &list->items[i];
        if (!(set >> i & 1u)) {
            continue;
        }
        bool is_first = *source == NULL;
        if (item->depth == 0 || (!is_first && *source != item->in.source) ||
            (!is_first && !pithi_affine_unite(map, &item->map, false))) {
            return false;
        }
        if (is_first) {
            *map = item->map;
            *source = item->in.source;
        } else {
            add_price(cost, &(price){ .macs = (double)map->n_out, .faster = (double)map->n_out, .n_nodes = 1 });
        }
        add_price(cost, &item->in.cost);
    }
    return *source != NULL;
}

static unsigned choose_terms(const terms *list)
{
    unsigned best = 0;
    double most = 0.0;
    for (unsigned set = 1; set < 1u << list->n; set++) {
        pithi_affine map;
        price cost;
        pith_value *source;
        bool is_pair = (set & (set - 1)) != 0;
        if (is_pair && unite_terms(list, set, &map, &cost, &source) && pays(&cost, &map)) {
            double saved = cost.faster - price_of(&map).faster;
            best = saved > most ? set : best;
            most = saved > most ? saved : most;
        }
    }
    return best;
}

static pith_status fill_terms(pithi_arena *arena, const terms *list, unsigned set, pithi_affine *map)
{
    PITH_TRY(pithi_affine_new_weights(arena, map));
    for (int i = 0; i < list->n; i++) {
        const term *item = &list->items[i];
        if (set >> i & 1u) {
            pithi_arena own = { .ctx = arena->ctx };
            region in = { .arena = &own, .max_depth = item->depth - 1 };
            pithi_affine part;
            bool fits = false;
            pith_status status = map_value(&in, item->value, 0, 1.0, &part, &fits);
            if (status == PITH_OK) {
                pithi_affine_accumulate(map, &part, item->sign, 0);
            }
            pithi_arena_deinit(&own);
            PITH_TRY(status);
        }
    }
    return PITH_OK;
}

/* root = convolution + the terms that are left */
static pith_status rebuild(pith_graph *graph, pith_node *root, const terms *list, unsigned set, pith_value *source,
                           const pithi_affine *map)
{
    pith_node *node = NULL;
    pith_value *inputs[3] = { source };
    int n_left = list->n - __builtin_popcount(set);
    if (n_left == 0) {
        return pithi_reparameterize_become_conv(graph, root, source, map);
    }
    PITH_TRY(pithi_reparameterize_constants(graph, map, inputs + 1));
    PITH_TRY(pithi_insert(graph, root, "conv", inputs, inputs[2] ? 3 : 2, &node));
    PITH_TRY(pithi_reparameterize_set_windows(graph, node, map));
    for (int i = 0; i < list->n; i++) {
        const term *item = &list->items[i];
        if (set >> i & 1u) {
            continue;
        }
        pith_value *pair[2] = { node->outputs[0], item->value };
        const char *op_name = item->sign < 0.0 ? "sub" : "add";
        if (--n_left == 0) {
            return pithi_reparameterize_become(graph, root, op_name, pair, 2);
        }
        PITH_TRY(pithi_insert(graph, root, op_name, pair, 2, &node));
    }
    return PITH_OK;
}

static pith_status fold_sum(pith_graph *graph, pith_node *root, int *n_changes)
{
    terms list = { .n = 0 };
    if (!collect(root, 1.0, &list)) {
        return PITH_OK;
    }
    for (int i = 0; i < list.n; i++) {
        PITH_TRY(measure_term(&list.items[i]));
    }
    unsigned set = choose_terms(&list);
    if (set == 0) {
        return PITH_OK;
    }
    pithi_arena arena = { .ctx = graph->ctx };
    pithi_affine map;
    price cost;
    pith_value *source;
    pith_status status = PITH_OK;
    if (unite_terms(&list, set, &map, &cost, &source)) {
        status = fill_terms(&arena, &list, set, &map);
        if (status == PITH_OK && pithi_reparameterize_is_finite(&map)) {
            status = rebuild(graph, root, &list, set, source, &map);
            ++*n_changes;
        }
    }
    pithi_arena_deinit(&arena);
    return status;
}

/* ---- the pass -------------------------------------------------------------------------------- */

static pith_status visit(pith_graph *graph, pith_node *node, int *n_changes)
{
    pithi_affine map;
    int operand = 0;
    const pith_value *y = node->op ? pithi_node_result(node) : NULL;
    if (!y || y->dtype != PITH_DTYPE_F32) {
        return PITH_OK;
    }
    if (is_sum(node)) {
        return fold_sum(graph, node, n_changes);
    }
    bool is_root = is_concat(node) || pithi_affine_of_node(node, &operand, &map);
    return is_root ? fold_root(graph, node, n_changes) : PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    pithi_reparameterize_learn_ranks(graph);
    PITH_TRY(pithi_reparameterize_frames(graph, n_changes));
    for (int round = 0; round < MAX_ROUNDS; round++) {
        int n_before = *n_changes;
        for (pith_node *node = graph->first, *next; node; node = next) {
            next = node->next;
            PITH_TRY(visit(graph, node, n_changes));
        }
        if (*n_changes == n_before) {
            break;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_reparameterize = {
    .name = "reparameterize",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "makes one convolution of linear branches and sequences",
    .run = run,
};
