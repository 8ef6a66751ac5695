/* SPDX-License-Identifier: Apache-2.0 */
/* pith run: a model on files, with the results in the words of its task. */
#include "package.h"
#include "run_inputs.h"
#include "run_output.h"
#include "task.h"

enum { N_KEYS = 22 };

typedef struct run_settings {
    cli_words inputs, shapes;
    int64_t n_threads, seed; /* seed -1: not given */
    const char *isa, *sidecar, *draw, *output, *cache;
    bool json, saves_sidecar, exact, float16;
    cli_ceilings ceilings;
    const char *keys[N_KEYS]; /* options named as keys of cli_preprocess */
} run_settings;

#define KEY(index, name, value, help)                                                              \
    { name, 0, CLI_KIND_TEXT, offsetof(run_settings, keys) + (index) * sizeof(const char *), value, help, 0, 0 }

static const cli_option options[] = {
    { "input", 'i', CLI_KIND_WORDS, offsetof(run_settings, inputs), "NAME=FILE", "file for a named input (repeat)", 0,
      0 },
    { "random", 0, CLI_KIND_INT, offsetof(run_settings, seed), "SEED", "generated inputs instead of files", 0, 1e15 },
    CLI_OPTION_SHAPE(run_settings),
    CLI_OPTION_THREADS(run_settings),
    { "isa", 0, CLI_KIND_TEXT, offsetof(run_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    { "cache", 0, CLI_KIND_TEXT, offsetof(run_settings, cache), "DIR", "folder that keeps packed weights", 0, 0 },
    { "exact", 0, CLI_KIND_FLAG, offsetof(run_settings, exact), NULL,
      "plain sums in order: no Winograd (slower)", 0, 0 },
    CLI_OPTION_FLOAT16(run_settings),
    { "draw", 0, CLI_KIND_TEXT, offsetof(run_settings, draw), "FILE", "picture with the results (or a folder)", 0, 0 },
    { "output", 'o', CLI_KIND_TEXT, offsetof(run_settings, output), "FILE",
      "save outputs: .npz, .npy, .png, a folder", 0, 0 },
    CLI_OPTION_JSON(run_settings),
    CLI_OPTION_PREPROCESS(run_settings),
    { "save-preprocess", 0, CLI_KIND_FLAG, offsetof(run_settings, saves_sidecar), NULL,
      "write the settings to that file", 0, 0 },
    CLI_CEILINGS(run_settings),
    KEY(0, "task", "NAME", "classify, ctc, detect, image, segment or tensor"),
    KEY(1, "labels", "FILE", "names of the classes, one per line"),
    KEY(2, "top", "K", "classes to show (5)"),
    KEY(3, "size", "HxW", "size of the input; one side may be auto"),
    KEY(4, "resize", "HOW", "stretch, letterbox or crop"),
    KEY(5, "anchor", "WHERE", "place in a letterbox: center or corner"),
    KEY(6, "pad-value", "P", "pixel around the picture (0)"),
    KEY(7, "width-multiple", "N", "pad the width to a multiple"),
    KEY(8, "color", "C", "rgb, bgr or gray"),
    KEY(9, "mean", "A[,B,C]", "value = (pixel - mean) * scale"),
    KEY(10, "scale", "A[,B,C]", "see mean"),
    KEY(11, "layout", "L", "nchw or nhwc"),
    KEY(12, "dtype", "T", "elements of .raw files: f32, u8, ..."),
    KEY(13, "image-input", "NAME", "which input takes the picture"),
    KEY(14, "decoder", "NAME", "detect: ssd or yolox"),
    KEY(15, "score-threshold", "S", "detect: least score (0.5)"),
    KEY(16, "iou-threshold", "S", "detect: overlap that is suppressed (0.45)"),
    KEY(17, "background", "K", "ssd: class that is no object (0), or -1"),
    KEY(18, "beam", "N", "ctc: width of the search (10)"),
    KEY(19, "blank", "K", "ctc: class of the blank (0)"),
    KEY(20, "ctc-output", "KIND", "ctc: logits, probs, logprobs or auto"),
    KEY(21, "output-scale", "S", "image: pixel = value * S"),
    { 0 },
};

typedef struct run_state {
    const run_settings *given;
    cli_net net;
    cli_preprocess settings;
    const cli_task *task;
    cli_labels labels;
    cli_run_inputs named;   /* from --input */
    cli_drawings drawings;
    cli_json json_writer;
    uint64_t seen[256];     /* hashes of shapes that have run */
    int n_seen;
} run_state;

/* ---- settings ----------------------------------------------------------------------------- */

static pith_status apply_options(const run_settings *given, cli_preprocess *settings)
{
    for (const cli_option *option = options; option->name; option++) {
        if (!cli_preprocess_is_key(option->name)) {
            continue;
        }
        const char *value = *(const char *const *)(const void *)((const char *)given + option->offset);
        if (value) {
            CLI_TRY_AT(cli_preprocess_set(settings, option->name, value), "--%s", option->name);
        }
    }
    return PITH_OK;
}

/* The file's names are relative to its folder, so labels must lie there or be absolute. */
static pith_status save_sidecar(const char *path, const cli_preprocess *settings)
{
    cli_bytes bytes = { 0 };
    cli_preprocess copy = *settings;
    const char *slash = strrchr(path, '/');
    size_t n_folder = slash ? (size_t)(slash - path) + 1 : 0;
    if (cli_preprocess_has(&copy, "labels") && copy.labels[0] != '/' && n_folder) {
        CLI_CHECK(strncmp(copy.labels, path, n_folder) == 0, PITH_STATUS_ARG,
                  "labels '%s' lie elsewhere than '%s'; give an absolute name to save it", copy.labels, path);
        memmove(copy.labels, copy.labels + n_folder, strlen(copy.labels) - n_folder + 1);
    }
    pith_status status = cli_preprocess_write(&copy, &bytes);
    if (status == PITH_OK) {
        status = cli_file_write(path, bytes.data, bytes.n);
    }
    cli_bytes_free(&bytes);
    return status;
}

static pith_status load_settings(run_state *state, const char *model)
{
    static const cli_words none = { 0 };
    const run_settings *given = state->given;
    char *beside = NULL;
    CLI_TRY(cli_preprocess_of_model(model, given->sidecar, &none, &state->settings));
    CLI_TRY(apply_options(given, &state->settings));
    if (!given->saves_sidecar) {
        return PITH_OK;
    }
    CLI_TRY(cli_path_beside(model, ".preprocess", &beside));
    pith_status status = save_sidecar(given->sidecar ? given->sidecar : beside, &state->settings);
    cli_free(beside);
    return status;
}

static pith_status find_task(run_state *state, const char *model)
{
    char all[256];
    state->task = cli_find_task(state->settings.task);
    cli_list_tasks(all, sizeof all);
    CLI_CHECK(state->task, PITH_STATUS_ARG, "unknown task '%s'; known are %s", state->settings.task, all);
    return cli_labels_of_model(model, &state->settings, &state->labels);
}

/* ---- one run ------------------------------------------------------------------------------ */

static bool is_new_shape(run_state *state, const pith_tensor *views, int n_views)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a over the sizes */
    for (int i = 0; i < n_views; i++) {
        for (int d = 0; d < views[i].shape.rank; d++) {
            hash = (hash ^ (uint64_t)views[i].shape.dims[d]) * 1099511628211u;
        }
    }
    for (int i = 0; i < state->n_seen; i++) {
        if (state->seen[i] == hash) {
            return false;
        }
    }
    if (state->n_seen < CLI_COUNT(state->seen)) {
        state->seen[state->n_seen++] = hash;
    }
    return true;
}

static pith_status run_timed(run_state *state, const pith_tensor *views, int n_views, double *ms)
{
    double start = cli_now_ms();
    pith_status status = pith_session_run(state->net.session, views, n_views);
    *ms = cli_now_ms() - start;
    return status == PITH_OK ? PITH_OK : cli_net_fail(&state->net, status);
}

/* The first run with new shapes plans and packs: unless it was long, a second one gives the time. */
static pith_status run_model(run_state *state, const pith_tensor *views, double *ms, double *first_ms)
{
    int n_views = pith_model_n_inputs(state->net.model);
    bool is_new = is_new_shape(state, views, n_views);
    *first_ms = -1.0;
    CLI_TRY(run_timed(state, views, n_views, ms));
    if (is_new && *ms < 2000.0) {
        *first_ms = *ms;
        CLI_TRY(run_timed(state, views, n_views, ms));
    }
    return PITH_OK;
}

static void begin_report(run_state *state, const char *name, double ms, double first_ms)
{
    char text[CLI_HUMAN_BYTES];
    cli_json *json = &state->json_writer;
    if (state->given->json) {
        cli_json_object(json, NULL);
        cli_json_text(json, "input", name);
        cli_json_number(json, "ms", ms);
        cli_json_number(json, "first_run_ms", first_ms >= 0.0 ? first_ms : ms);
        return;
    }
    printf("%s  %s", name, cli_human_ms(ms, text));
    if (first_ms >= 0.0) {
        printf(" (%s with planning)", cli_human_ms(first_ms, text));
    }
    printf("\n");
}

static bool is_folder_name(const char *path)
{
    return path && (cli_is_folder(path) || cli_ends_with(path, "/"));
}

static bool wants_drawing(const run_state *state)
{
    const char *output = state->given->output;
    bool is_picture = output && (cli_image_is_name(output)
                                 || (is_folder_name(output) && strcmp(state->task->name, "image") == 0));
    return state->given->draw || is_picture;
}

/* The drawing into its folder, or kept for the sheet at the end. */
static pith_status keep_drawing(run_state *state, const char *name, cli_image *drawing)
{
    const char *folder = is_folder_name(state->given->draw) ? state->given->draw
                         : is_folder_name(state->given->output) && !state->given->draw ? state->given->output : NULL;
    char *path = NULL;
    if (!folder) {
        return cli_drawings_add(&state->drawings, drawing);
    }
    CLI_TRY(cli_make_folder(folder));
    CLI_TRY(cli_output_path(folder, name, ".png", &path));
    pith_status status = cli_image_save(path, drawing);
    cli_free(path);
    return status;
}

static pith_status save_outputs(const run_state *state, const char *name, const pith_tensor *views)
{
    const char *output = state->given->output;
    char *path = NULL;
    if (!output || cli_image_is_name(output) || strcmp(state->task->name, "image") == 0) {
        if (!output || cli_image_is_name(output) || is_folder_name(output)) {
            return PITH_OK; /* nothing, or a drawing */
        }
    }
    if (!is_folder_name(output)) {
        return cli_save_outputs(&state->net, views, output);
    }
    CLI_TRY(cli_make_folder(output));
    CLI_TRY(cli_output_path(output, name, ".npz", &path));
    pith_status status = cli_save_outputs(&state->net, views, path);
    cli_free(path);
    return status;
}

static pith_status show_result(run_state *state, const char *name, const cli_run_inputs *inputs)
{
    cli_image drawing = { 0 };
    const cli_run_inputs *source = inputs->picture.pixels ? inputs : &state->named;
    cli_result result = {
        .net = &state->net, .settings = &state->settings, .labels = &state->labels, .name = name,
        .picture = source->picture.pixels ? &source->picture : NULL, .placement = source->placement,
        .json = state->given->json ? &state->json_writer : NULL, .drawing = wants_drawing(state) ? &drawing : NULL,
    };
    pith_status status = state->task->show(&result);
    if (status == PITH_OK && result.drawing) {
        status = keep_drawing(state, name, &drawing);
    }
    cli_image_free(&drawing);
    return status;
}

static pith_status run_inputs(run_state *state, const char *name, const cli_run_inputs *inputs)
{
    pith_tensor views[CLI_MAX_INPUTS];
    double ms, first_ms;
    CLI_TRY(cli_collect_views(&state->net, inputs, &state->named, views));
    CLI_TRY(run_model(state, views, &ms, &first_ms));
    begin_report(state, name, ms, first_ms);
    CLI_TRY_AT(show_result(state, name, inputs), "%s", name);
    CLI_TRY(save_outputs(state, name, views));
    if (state->given->json) {
        cli_json_end(&state->json_writer);
    }
    return PITH_OK;
}

static pith_status run_file(run_state *state, const cli_input_reader *reader, const char *path)
{
    cli_run_inputs inputs = { 0 };
    pith_status status = cli_read_file(reader, path, &state->named, &inputs);
    if (status == PITH_OK) {
        status = run_inputs(state, path, &inputs);
    }
    cli_run_inputs_free(&inputs);
    return status;
}

static pith_status run_generated(run_state *state)
{
    const run_settings *given = state->given;
    cli_run_inputs inputs = { 0 };
    cli_shapes shapes;
    uint64_t seed = given->seed >= 0 ? (uint64_t)given->seed : 1;
    CLI_TRY(cli_net_choose_shapes(&state->net, &given->shapes, NULL, &shapes));
    cli_net_tell_assumed(&state->net, &shapes);
    if (given->seed < 0) {
        cli_warn("no input was given: it is generated from seed %llu", (unsigned long long)seed);
    }
    pith_status status = cli_net_random_inputs(&state->net, &shapes, seed, &inputs.tensors);
    if (status == PITH_OK) {
        status = run_inputs(state, "generated", &inputs);
    }
    cli_run_inputs_free(&inputs);
    return status;
}

static pith_status run_all(run_state *state, const cli_words *words)
{
    const run_settings *given = state->given;
    const cli_input_reader reader = { .net = &state->net, .settings = &state->settings, .shapes = &given->shapes };
    for (int i = 0; i < given->inputs.n; i++) {
        CLI_TRY(cli_read_named_input(&reader, given->inputs.items[i], &state->named));
    }
    if (words->n == 1 && given->inputs.n == 0) {
        return run_generated(state);
    }
    if (words->n == 1) {
        const cli_run_inputs none = { 0 };
        return run_inputs(state, given->inputs.items[0], &none);
    }
    for (int i = 1; i < words->n; i++) {
        CLI_TRY(run_file(state, &reader, words->items[i]));
    }
    return PITH_OK;
}

static pith_status check_words(const run_settings *given, const cli_words *words)
{
    const char *output = given->output;
    CLI_CHECK(words->n >= 1, PITH_STATUS_ARG, "a model file is needed");
    CLI_CHECK(given->seed < 0 || (words->n == 1 && given->inputs.n == 0), PITH_STATUS_ARG,
              "--random generates the inputs, so no files can be given");
    CLI_CHECK(!(output && given->draw && cli_image_is_name(output)), PITH_STATUS_ARG,
              "--draw and --output both name a picture");
    CLI_CHECK(!output || words->n <= 2 || is_folder_name(output) || cli_image_is_name(output), PITH_STATUS_ARG,
              "%d files can't be saved as one '%s'; give a folder (ending in '/')", words->n - 1, output);
    return PITH_OK;
}

static pith_status finish(run_state *state)
{
    const char *sheet = state->given->draw ? state->given->draw : state->given->output;
    if (state->drawings.n > 0) {
        CLI_TRY(cli_drawings_save(&state->drawings, sheet));
        if (!state->given->json) {
            printf("drawn to %s\n", sheet);
        }
    }
    return PITH_OK;
}

static pith_status run_run(const void *settings, const cli_words *words, int *exit_code)
{
    run_state state = { .given = settings, .json_writer = { .file = stdout } };
    cli_net_options net_options = { .isa = state.given->isa, .cache = state.given->cache,
                                    .n_threads = (int)state.given->n_threads,
                                    .is_exact = state.given->exact, .float16 = state.given->float16,
                                    .ceilings = &state.given->ceilings };
    pith_status status = PITH_OK;
    (void)exit_code;
    CLI_TRY(check_words(state.given, words));
    CLI_TRY(load_settings(&state, words->items[0]));
    CLI_TRY_GOTO(find_task(&state, words->items[0]), done);
    CLI_TRY_GOTO(cli_net_open(words->items[0], &net_options, &state.net), done);
    CLI_TRY_GOTO(cli_net_start(&state.net, &net_options), done);
    if (state.given->json) {
        cli_json_object(&state.json_writer, NULL);
        cli_json_text(&state.json_writer, "model", words->items[0]);
        cli_json_text(&state.json_writer, "isa", pith_ctx_isa(state.net.ctx));
        cli_json_whole(&state.json_writer, "threads", pith_session_n_threads(state.net.session));
        cli_json_number(&state.json_writer, "load_ms", state.net.load_ms);
        cli_json_list(&state.json_writer, "runs");
    }
    CLI_TRY_GOTO(run_all(&state, words), done);
    if (state.given->json) {
        cli_json_end(&state.json_writer);
        cli_json_end(&state.json_writer);
    }
    CLI_TRY_GOTO(finish(&state), done);
done:
    cli_drawings_free(&state.drawings);
    cli_run_inputs_free(&state.named);
    cli_labels_free(&state.labels);
    cli_net_close(&state.net);
    return status;
}

static const run_settings defaults = { .seed = -1 };

const cli_command cli_command_run = {
    .name = "run", .usage = "MODEL [FILE]... [--input NAME=FILE]... [--task NAME] [--draw FILE] [--json]",
    .summary = "run a model on pictures, arrays or generated data", .options = options,
    .details = "Files: .png .jpg (through the settings of MODEL_STEM.preprocess and the options), .npy, .npz, .pb\n"
               "(ONNX TensorProto), .raw. Several files are several runs. See docs/preprocess.md.",
    .settings_bytes = sizeof(run_settings), .defaults = &defaults, .run = run_run,
};
