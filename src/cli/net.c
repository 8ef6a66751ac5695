/* SPDX-License-Identifier: Apache-2.0 */
/* Model and session as the verbs use them. */
#include <ctype.h>

#include "codec.h"
#include "net.h"

pith_status cli_net_fail(const cli_net *net, pith_status status)
{
    cli_fail(status, "%s", pith_ctx_error(net->ctx));
    cli_add_place("'%s'", net->path);
    return status;
}

static void set_ceilings(const cli_ceilings *given, pith_limits *limits)
{
    const struct {
        double value;
        uint64_t *limit;
    } rows[] = {
        { given->max_memory, &limits->max_memory_bytes }, { given->max_tensor, &limits->max_tensor_bytes },
        { given->max_time * 1e3, &limits->max_run_ms },   { given->max_operations, &limits->max_operations },
        { given->max_iterations, &limits->max_iterations },
    };
    for (int i = 0; i < CLI_COUNT(rows); i++) {
        if (rows[i].value > 0.0) {
            *rows[i].limit = rows[i].value < 1.0 ? 1 : rows[i].value < 1e18 ? (uint64_t)rows[i].value : UINT64_MAX;
        }
    }
}

static pith_status load(cli_net *net, const cli_net_options *options)
{
    pith_model_options model_options = { .disable_passes = options->disable_passes,
                                         .cache_folder = options->cache,
                                         .keep_all_values = options->keeps_all_values, .exact = options->is_exact,
                                         .float16 = options->float16,
                                         .describe_only = options->describes_only,
                                         .skip_hashes = options->ceilings && options->ceilings->skips_hashes };
    double start = cli_now_ms();
    CLI_CHECK(pith_ctx_create(NULL, &net->ctx) == PITH_OK, PITH_STATUS_NOMEM, "no memory for a context");
    cli_codecs_set(net->ctx);
    if (options->isa) {
        pith_status status = pith_ctx_set_isa_limit(net->ctx, options->isa);
        CLI_CHECK(status == PITH_OK, status, "--isa: %s", pith_ctx_error(net->ctx));
    }
    if (options->float16 && !pith_ctx_has_float16(net->ctx)) {
        cli_warn("--float16: this CPU has no float16 arithmetic that pith uses; products stay in float32");
    }
    if (options->ceilings) {
        set_ceilings(options->ceilings, pith_ctx_limits(net->ctx));
        pith_ctx_set_copy_files(net->ctx, options->ceilings->copies_files);
    }
    CLI_CHECK(!cli_is_folder(net->path), PITH_STATUS_IO, "'%s' is a folder, a model file is needed", net->path);
    pith_status status = pith_model_load(net->ctx, net->path, &model_options, &net->model);
    if (status != PITH_OK) {
        return cli_net_fail(net, status);
    }
    if (strstr(pith_model_tuning(net->model), " is ignored: ")) {
        cli_warn("%s", pith_model_tuning(net->model));
    }
    int n_inputs = pith_model_n_inputs(net->model);
    CLI_CHECK(n_inputs <= CLI_MAX_INPUTS, PITH_STATUS_LIMIT, "'%s' has %d inputs; this tool takes up to %d", net->path,
              n_inputs, CLI_MAX_INPUTS);
    net->load_ms = cli_now_ms() - start;
    return PITH_OK;
}

pith_status cli_net_open(const char *path, const cli_net_options *options, cli_net *net_out)
{
    cli_net net = { .path = path };
    pith_status status = load(&net, options);
    if (status != PITH_OK) {
        cli_net_close(&net);
        return status;
    }
    *net_out = net;
    return PITH_OK;
}

pith_status cli_net_start(cli_net *net, const cli_net_options *options)
{
    pith_session_options session_options = { .n_threads = options->n_threads };
    int n_unsupported = pith_model_n_unsupported(net->model);
    if (n_unsupported > 0) {
        const pith_unsupported *first = pith_model_unsupported(net->model, 0);
        return cli_fail(PITH_STATUS_UNSUPPORTED, "'%s' has %d node(s) that pith can't run; the first is '%s' (%s): %s "
                        "('pith info' lists all)", net->path, n_unsupported, first->node, first->op, first->reason);
    }
    double start = cli_now_ms();
    pith_status status = pith_session_create(net->model, &session_options, &net->session);
    if (status != PITH_OK) {
        return cli_net_fail(net, status);
    }
    net->load_ms += cli_now_ms() - start;
    return PITH_OK;
}

void cli_net_close(cli_net *net)
{
    pith_session_destroy(net->session);
    pith_model_destroy(net->model);
    pith_ctx_destroy(net->ctx);
    *net = (cli_net){ 0 };
}

pith_status cli_net_find_input(const cli_net *net, const char *name, int *index_out)
{
    const char *names[CLI_MAX_INPUTS];
    int n = pith_model_n_inputs(net->model);
    for (int i = 0; i < n; i++) {
        names[i] = pith_model_input(net->model, i)->name;
        if (strcmp(names[i], name) == 0) {
            *index_out = i;
            return PITH_OK;
        }
    }
    const char *nearest = cli_nearest(name, names, n);
    nearest = nearest ? nearest : n ? names[0] : "";
    return cli_fail(PITH_STATUS_ARG, "'%s' has no input '%s'; nearest is '%s' ('pith info' lists them)", net->path,
                    name, nearest);
}

/* Where the sizes begin in "NAME=1x3", "NAME:1x3" or "1x3"; names may hold both signs. */
static const char *find_sizes(const char *word)
{
    const char *sizes = strrchr(word, '=');
    if (!sizes) {
        sizes = strrchr(word, ':');
    }
    return sizes ? sizes + 1 : word;
}

pith_status cli_parse_shape(const char *word, char *name, size_t n_name_bytes, pith_shape *shape_out)
{
    const char *at = find_sizes(word);
    size_t n_name = at > word ? (size_t)(at - word) - 1 : 0;
    pith_shape shape = { 0 };
    CLI_CHECK(n_name < n_name_bytes, PITH_STATUS_LIMIT, "the name in --shape %s is too long", word);
    memcpy(name, word, n_name);
    name[n_name] = '\0';
    if (strcmp(at, "scalar") == 0) {
        *shape_out = shape;
        return PITH_OK;
    }
    for (;;) {
        int64_t size = 0;
        int n_digits = 0;
        for (; isdigit((unsigned char)*at) && n_digits < 18; at++, n_digits++) {
            size = size * 10 + (*at - '0');
        }
        CLI_CHECK(n_digits > 0 && (*at == 'x' || *at == ',' || *at == '\0'), PITH_STATUS_ARG,
                  "--shape takes NAME=1x3x224x224 or NAME:1,3,224,224, not '%s'", word);
        CLI_CHECK(shape.rank < PITH_MAX_RANK, PITH_STATUS_LIMIT, "--shape %s has more than %d dimensions", word,
                  PITH_MAX_RANK);
        shape.dims[shape.rank++] = size;
        if (*at++ == '\0') {
            break;
        }
    }
    *shape_out = shape;
    return PITH_OK;
}

static pith_status apply_words(const cli_net *net, const cli_words *words, cli_shapes *shapes)
{
    char name[512];
    pith_shape shape;
    int index = 0;
    for (int i = 0; i < words->n; i++) {
        CLI_TRY(cli_parse_shape(words->items[i], name, sizeof name, &shape));
        if (name[0]) {
            CLI_TRY(cli_net_find_input(net, name, &index));
        } else {
            CLI_CHECK(shapes->n == 1, PITH_STATUS_ARG, "--shape %s needs a name, since '%s' has %d inputs",
                      words->items[i], net->path, shapes->n);
        }
        shapes->items[index] = shape;
    }
    return PITH_OK;
}

/* Sizes that are tried in turn for an open dimension: of pictures, and of texts and sounds. */
static const int64_t side_guesses[] = { 224, 256, 64, 32, 1, 512, 640, 28 };
static const int64_t other_guesses[] = { 32, 16, 64, 8, 1, 512, 1024, 16000 };

/* What a dimension of this name is in an input where it is known; -1 if nowhere. */
static int64_t symbol_size(const cli_net *net, const cli_shapes *shapes, const char *symbol)
{
    for (int i = 0; i < shapes->n && symbol; i++) {
        const pith_value_info *input = pith_model_input(net->model, i);
        for (int d = 0; d < input->shape.rank && d < shapes->items[i].rank; d++) {
            if (input->symbols[d] && strcmp(input->symbols[d], symbol) == 0 && shapes->items[i].dims[d] >= 0) {
                return shapes->items[i].dims[d];
            }
        }
    }
    return -1;
}

/* Fills what is open; true if anything was. */
static bool fill_open(const cli_net *net, cli_shapes *shapes, int index, int attempt)
{
    pith_shape *shape = &shapes->items[index];
    const pith_value_info *input = pith_model_input(net->model, index);
    bool is_open = false;
    bool has_channels_last = shape->rank == 4 && shape->dims[3] >= 1 && shape->dims[3] <= 4 && shape->dims[1] < 0;
    for (int d = 0; d < shape->rank; d++) {
        if (shape->dims[d] >= 0) {
            continue;
        }
        is_open = true;
        bool is_channel = shape->rank == 4 && d == 1 && !has_channels_last;
        int64_t known = symbol_size(net, shapes, input->symbols[d]);
        int64_t side = shape->rank == 4 ? side_guesses[attempt] : other_guesses[attempt];
        shape->dims[d] = known >= 0 ? known : d == 0 ? 1 : is_channel ? 3 : side;
    }
    return is_open;
}

static bool fill_all(const cli_net *net, cli_shapes *shapes, int attempt)
{
    bool is_open = false;
    for (int i = 0; i < shapes->n; i++) {
        shapes->is_assumed[i] = fill_open(net, shapes, i, attempt);
        is_open = is_open || shapes->is_assumed[i];
    }
    return is_open;
}

/* "SYMBOL=SIZE" for every open dimension of that name. */
static pith_status apply_dim(const cli_net *net, const char *word, cli_shapes *shapes)
{
    const char *equals = strrchr(word, '=');
    int64_t size = -1;
    int n_found = 0;
    CLI_CHECK(equals && cli_parse_s64(equals + 1, &size) && size >= 0, PITH_STATUS_ARG,
              "--dim takes SYMBOL=SIZE, not '%s'", word);
    for (int i = 0; i < shapes->n; i++) {
        const pith_value_info *input = pith_model_input(net->model, i);
        for (int d = 0; d < input->shape.rank && d < shapes->items[i].rank; d++) {
            const char *symbol = input->symbols[d];
            if (symbol && strlen(symbol) == (size_t)(equals - word) && strncmp(symbol, word, strlen(symbol)) == 0) {
                shapes->items[i].dims[d] = size;
                n_found++;
            }
        }
    }
    CLI_CHECK(n_found > 0, PITH_STATUS_ARG, "'%s' has no input with a dimension called '%.*s' ('pith info' lists them)",
              net->path, (int)(equals - word), word);
    return PITH_OK;
}

pith_status cli_net_given_shapes(const cli_net *net, const cli_words *words, const cli_words *dims,
                                 cli_shapes *shapes_out)
{
    cli_shapes shapes = { .n = pith_model_n_inputs(net->model) };
    for (int i = 0; i < shapes.n; i++) {
        shapes.items[i] = pith_model_input(net->model, i)->shape;
    }
    *shapes_out = shapes;
    for (int i = 0; dims && i < dims->n; i++) {
        CLI_TRY(apply_dim(net, dims->items[i], &shapes));
    }
    CLI_TRY(apply_words(net, words, &shapes));
    *shapes_out = shapes;
    return PITH_OK;
}

pith_status cli_net_choose_shapes(cli_net *net, const cli_words *words, const cli_words *dims, cli_shapes *shapes_out)
{
    cli_shapes open;
    CLI_TRY(cli_net_given_shapes(net, words, dims, &open));
    *shapes_out = open;
    cli_shapes first = open;
    bool is_open = fill_all(net, &first, 0);
    *shapes_out = first;
    if (!is_open || pith_model_n_unsupported(net->model) > 0) {
        return PITH_OK;
    }
    for (int attempt = 0; attempt < CLI_COUNT(side_guesses); attempt++) {
        pith_cost_report report;
        cli_shapes filled = open;
        fill_all(net, &filled, attempt);
        if (pith_model_cost(net->model, filled.items, 1, &report) == PITH_OK) {
            pith_ctx_clear_error(net->ctx);
            *shapes_out = filled;
            return PITH_OK;
        }
        if (attempt + 1 < CLI_COUNT(side_guesses)) {
            pith_ctx_clear_error(net->ctx);
        }
    }
    cli_fail(PITH_STATUS_SHAPE, "no size that was tried fits the open dimensions; give --shape (the last failure: %s)",
             pith_ctx_error(net->ctx));
    pith_ctx_clear_error(net->ctx);
    cli_add_place("'%s'", net->path);
    return PITH_STATUS_SHAPE;
}

void cli_net_shapes_text(const cli_net *net, const cli_shapes *shapes, char *text, size_t n_bytes)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < shapes->n && at < n_bytes; i++) {
        char shape[CLI_SHAPE_BYTES];
        at += (size_t)snprintf(text + at, n_bytes - at, "%s%s=%s", i ? ", " : "", pith_model_input(net->model, i)->name,
                               cli_shape_text(&shapes->items[i], shape));
    }
}

void cli_net_tell_assumed(const cli_net *net, const cli_shapes *shapes)
{
    for (int i = 0; i < shapes->n; i++) {
        char given[CLI_SHAPE_BYTES];
        char assumed[CLI_SHAPE_BYTES];
        if (shapes->is_assumed[i]) {
            const pith_value_info *input = pith_model_input(net->model, i);
            cli_warn("input '%s' is %s in the model; %s is assumed (--shape %s=... says otherwise)", input->name,
                     cli_shape_text(&input->shape, given), cli_shape_text(&shapes->items[i], assumed), input->name);
        }
    }
}

/* Rows of the smallest constant table that `value` looks up, `most` if it has fewer. */
static int64_t count_rows(const pith_view *view, int value, int64_t most, int depth)
{
    static const char *const same[] = { "cast", "identity", "reshape", "unsqueeze", "squeeze", "transpose", "flatten" };
    for (int i = 0; i < view->n_nodes; i++) {
        const pith_view_node *node = &view->nodes[i];
        if (node->n_inputs > 1 && node->inputs[1] == value && strcmp(node->op, "gather") == 0) {
            const pith_view_value *table = &view->values[node->inputs[0]];
            const bool is_rows = table->is_constant && table->shape.rank > 0 && !strstr(node->attrs, "axis=");
            most = is_rows && table->shape.dims[0] < most ? table->shape.dims[0] : most;
        }
        for (int k = 0; k < CLI_COUNT(same) && node->n_inputs > 0 && node->inputs[0] == value && depth > 0; k++) {
            if (strcmp(node->op, same[k]) == 0) {
                most = count_rows(view, node->outputs[0], most, depth - 1);
            }
        }
    }
    return most;
}

int64_t cli_net_count_integers(const cli_net *net, int input)
{
    const pith_value_info *info = pith_model_input(net->model, input);
    const pith_view *view = NULL;
    if ((info->dtype != PITH_DTYPE_S64 && info->dtype != PITH_DTYPE_S32) || info->shape.rank == 0) {
        return 2;
    }
    if (pith_model_view(net->model, NULL, 1, &view) != PITH_OK) {
        pith_ctx_clear_error(net->ctx);
        return 2;
    }
    const int64_t n = count_rows(view, view->graphs[0].inputs[input], INT64_MAX, 4);
    return n == INT64_MAX ? 2 : n;
}

pith_status cli_net_random_inputs(const cli_net *net, const cli_shapes *shapes, uint64_t seed, cli_tensors *list)
{
    for (int i = 0; i < shapes->n; i++) {
        const pith_value_info *input = pith_model_input(net->model, i);
        cli_tensor tensor;
        char type[PITH_TYPE_TEXT_BYTES];
        CLI_CHECK(input->dtype != PITH_DTYPE_OBJECT, PITH_STATUS_ARG,
                  "input '%s' is a %s, which can't be generated; give it with --input %s=FILE (.json or .pb)",
                  input->name, pith_type_text(input->type, type), input->name);
        CLI_TRY_AT(cli_tensor_make(input->dtype, &shapes->items[i], &tensor), "input '%s'", input->name);
        cli_tensor_random(&tensor.view, seed + (uint64_t)i, cli_net_count_integers(net, i));
        pith_status status = cli_tensor_set_name(&tensor, input->name, strlen(input->name));
        if (status == PITH_OK) {
            status = cli_tensors_add(list, &tensor);
        }
        cli_tensor_free(&tensor);
        CLI_TRY(status);
    }
    return PITH_OK;
}
