/* SPDX-License-Identifier: Apache-2.0 */
/* What pith quantize says it did: tables or JSON. */
#include "quantize.h"

#define NOISE 1.02 /* times that differ by less are the same */

enum { N_WORST = 5, N_LAYERS = 12, N_NAMED = 8 };

static void print_json_mix(cli_json *json, const pith_quantize_report *report)
{
    cli_json_number(json, "float_ms", report->float_ms);
    cli_json_number(json, "int8_ms", report->int8_ms);
    cli_json_number(json, "ms", report->ms);
    cli_json_text(json, "drop_kind", pith_drop_name(report->drop_kind));
    cli_json_number(json, "drop", report->drop);
    if (report->drop_kind == PITH_DROP_TOP1) {
        cli_json_number(json, "top1_float", report->top1_float / 100.0);
        cli_json_number(json, "top1", report->top1 / 100.0);
    }
    cli_json_whole(json, "verified", report->n_verified);
    cli_json_bool(json, "verified_apart", report->is_verified_apart != 0);
    cli_json_list(json, "layers");
    for (int i = 0; i < report->n_layers; i++) {
        const pith_quantized_layer *layer = &report->layers[i];
        cli_json_object(json, NULL);
        cli_json_text(json, "name", layer->name);
        cli_json_text(json, "op", layer->op);
        cli_json_text(json, "activations", layer->activations);
        cli_json_text(json, "weights", layer->weights);
        cli_json_text(json, "why", layer->why);
        cli_json_number(json, "float_ms", layer->float_ms);
        cli_json_number(json, "int8_ms", layer->int8_ms);
        cli_json_number(json, "sqnr_db", layer->sqnr_db);
        cli_json_end(json);
    }
    cli_json_end(json);
    cli_json_list(json, "float_islands");
    for (int i = 0; i < report->n_islands; i++) {
        const pith_quantized_island *island = &report->islands[i];
        cli_json_object(json, NULL);
        cli_json_text(json, "nodes", island->nodes);
        cli_json_whole(json, "steps", island->n_steps);
        cli_json_whole(json, "borders", island->n_borders);
        cli_json_number(json, "ms", island->ms);
        cli_json_number(json, "border_ms", island->border_ms);
        cli_json_text(json, "why", island->why);
        cli_json_end(json);
    }
    cli_json_end(json);
    cli_json_list(json, "surprises");
    for (int i = 0; i < report->n_surprises; i++) {
        cli_json_text(json, NULL, report->surprises[i]);
    }
    cli_json_end(json);
    cli_json_list(json, "choices");
    for (int i = 0; i < report->n_choices; i++) {
        const pith_quantized_choice *choice = &report->choices[i];
        cli_json_object(json, NULL);
        cli_json_text(json, "name", choice->name);
        cli_json_whole(json, "file_bytes", (int64_t)choice->n_bytes);
        cli_json_whole(json, "arena_bytes", (int64_t)choice->ram_bytes);
        cli_json_number(json, "ms", choice->ms);
        cli_json_number(json, "drop", choice->drop);
        cli_json_number(json, "sqnr_db", choice->sqnr_db);
        cli_json_bool(json, "chosen", choice->is_chosen != 0);
        cli_json_end(json);
    }
    cli_json_end(json);
}

static void json_stages(cli_json *json, const pith_quantize_report *report)
{
    cli_json_list(json, "stages");
    for (int i = 0; i < report->n_stages; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "name", report->stages[i].name);
        cli_json_number(json, "before_db", report->stages[i].before_db);
        cli_json_number(json, "after_db", report->stages[i].after_db);
        cli_json_bool(json, "kept", report->stages[i].is_kept != 0);
        cli_json_end(json);
    }
    cli_json_end(json);
}

static void print_json(const quantize_job *job)
{
    const pith_quantize_report *report = job->report;
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", job->model);
    cli_json_text(&json, "output", job->output);
    cli_json_whole(&json, "samples", job->samples.n);
    cli_json_bool(&json, "generated", job->samples.dataset == NULL);
    cli_json_text(&json, "observer", pith_observer_name(report->observer));
    cli_json_number(&json, "sqnr_db", report->sqnr_db);
    json_stages(&json, report);
    cli_json_number(&json, "cosine", report->cosine);
    cli_json_whole(&json, "equalized_pairs", report->n_equalized);
    cli_json_bool(&json, "bias_corrected", report->is_bias_corrected != 0);
    cli_json_whole(&json, "nodes", report->n_nodes);
    cli_json_whole(&json, "integer_nodes", report->n_integer_nodes);
    cli_json_whole(&json, "mixed_nodes", report->n_mixed_nodes);
    cli_json_list(&json, "float_nodes");
    for (int i = 0; i < report->n_float_nodes; i++) {
        cli_json_text(&json, NULL, report->float_nodes[i]);
    }
    cli_json_end(&json);
    cli_json_whole(&json, "float_weight_bytes", (int64_t)report->float_bytes);
    cli_json_whole(&json, "weight_bytes", (int64_t)report->quantized_bytes);
    cli_json_whole(&json, "file_bytes", (int64_t)job->file_bytes);
    print_json_mix(&json, report);
    cli_json_list(&json, "tensors");
    for (int i = 0; i < report->n_tensors; i++) {
        const pith_quantized_tensor *tensor = &report->tensors[i];
        cli_json_object(&json, NULL);
        cli_json_text(&json, "name", tensor->name);
        cli_json_text(&json, "type", tensor->bits == 16 ? "u16" : "u8");
        cli_json_number(&json, "low", (double)tensor->low);
        cli_json_number(&json, "high", (double)tensor->high);
        cli_json_number(&json, "scale", (double)tensor->scale);
        cli_json_whole(&json, "zero_point", tensor->zero_point);
        cli_json_number(&json, "sqnr_db", tensor->sqnr_db);
        cli_json_number(&json, "clipped", tensor->clipped);
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_end(&json);
}

static void print_tensor(const pith_quantized_tensor *tensor)
{
    printf("  %-40.40s %-4s %10.4g %10.4g %10.4g %5d %8.1f %8.3f %%\n", tensor->name,
           tensor->bits == 16 ? "u16" : "u8", (double)tensor->low, (double)tensor->high,
           (double)tensor->scale, tensor->zero_point, tensor->sqnr_db, 100.0 * tensor->clipped);
}

/* The worst by their own signal-to-noise ratio, or all in order. */
static void print_tensors(const pith_quantize_report *report, bool all)
{
    double above = -1e9;
    if (report->n_tensors == 0) {
        return;
    }
    printf("\n  %-40s %-4s %10s %10s %10s %5s %8s %10s\n", all ? "tensor" : "worst tensors", "type", "low", "high",
           "scale", "zero", "SQNR dB", "clipped");
    for (int row = 0; row < (all ? report->n_tensors : N_WORST); row++) {
        const pith_quantized_tensor *next = all ? &report->tensors[row] : NULL;
        for (int i = 0; !all && i < report->n_tensors; i++) {
            const pith_quantized_tensor *tensor = &report->tensors[i];
            bool is_next = tensor->sqnr_db > above && (!next || tensor->sqnr_db < next->sqnr_db);
            next = is_next ? tensor : next;
        }
        if (!next) {
            return;
        }
        above = next->sqnr_db;
        print_tensor(next);
    }
}

static void print_observers(const pith_quantize_report *report)
{
    printf("  observer  %s", pith_observer_name(report->observer));
    for (int i = 1; i < PITH_OBSERVER_COUNT; i++) {
        if (report->observer_sqnr_db[i] > 0.0) {
            printf("%s%s %.1f dB", i == 1 ? "  (" : ", ", pith_observer_name((pith_observer)i),
                   report->observer_sqnr_db[i]);
        }
    }
    printf("%s\n", report->observer_sqnr_db[1] > 0.0 ? ")" : "");
}

/* Rules of thumb for a classifier's drop in accuracy. */
static const char *verdict(double sqnr_db)
{
    return sqnr_db > 20.0 ? "no visible loss is expected" : sqnr_db > 10.0 ? "some loss is likely" : "visible loss";
}

/* The operator in "name (operator)". */
static const char *operator_of(const char *node) { return strrchr(node, '(') ? strrchr(node, '(') : node; }

/* Names while they are few, else how many there are of each operator. */
static void print_float_nodes(const pith_quantize_report *report)
{
    const char *const *nodes = report->float_nodes;
    const int n = report->n_float_nodes;
    for (int i = 0; i < n; i++) {
        int n_same = 0;
        bool is_first = true;
        for (int k = 0; k < n; k++) {
            bool is_same = strcmp(operator_of(nodes[k]), operator_of(nodes[i])) == 0;
            n_same += is_same;
            is_first = is_first && !(is_same && k < i);
        }
        if (n <= N_NAMED) {
            printf("%s%s", i == 0 ? "  float     " : ", ", nodes[i]);
        } else if (is_first) {
            const char *op = operator_of(nodes[i]) + 1;
            printf("%s%d %.*s", i == 0 ? "  float     " : ", ", n_same, (int)strcspn(op, ")"), op);
        }
    }
    printf("%s", n > 0 ? "\n" : "");
}

static void print_stages(const pith_quantize_report *report)
{
    printf("\n  %-40s %10s %10s %10s\n", "stage", "before dB", "after dB", "gain dB");
    for (int i = 0; i < report->n_stages; i++) {
        const pith_quantize_stage *stage = &report->stages[i];
        printf("  %-40s %10.2f %10.2f %+10.2f%s\n", stage->name, stage->before_db, stage->after_db,
               stage->after_db - stage->before_db, stage->is_kept ? "" : "  not kept");
    }
}

static void print_drop(const pith_quantize_report *report)
{
    const char *which = report->is_verified_apart ? "held-out" : "calibration";
    if (report->drop_kind == PITH_DROP_TOP1) {
        printf("  top-1     %.2f %% -> %.2f %% on %d %s samples\n", report->top1_float, report->top1,
               report->n_verified, which);
    } else if (report->drop_kind == PITH_DROP_AGREEMENT) {
        printf("  agreement %.2f %% on the class, on %d %s samples\n", 100.0 - report->drop, report->n_verified, which);
    } else if (report->drop_kind == PITH_DROP_NOISE) {
        printf("  noise     %.3g %% of the outputs' power on %d %s samples\n", report->drop, report->n_verified, which);
    }
}

/* Float, all int8 and what else was looked at, down to the one that was written. */
static void print_choices(const pith_quantize_report *report)
{
    char size[CLI_HUMAN_BYTES], arena[CLI_HUMAN_BYTES], time[CLI_HUMAN_BYTES];
    printf("\n  %-34s %10s %10s %10s %8s %8s\n", "mixes", "file", "arena", "time", "drop", "SQNR dB");
    for (int i = 0; i < report->n_choices; i++) {
        const pith_quantized_choice *choice = &report->choices[i];
        printf("%c %-34.34s %10s %10s %10s %8.2f %8.1f\n", choice->is_chosen ? '>' : ' ', choice->name,
               cli_human_bytes((double)choice->n_bytes, size), cli_human_bytes((double)choice->ram_bytes, arena),
               choice->ms > 0.0 ? cli_human_ms(choice->ms, time) : "", choice->drop, choice->sqnr_db);
    }
}

/* Of the plan of what was written: what runs in float, and why. */
static void print_islands(const pith_quantize_report *report, bool all)
{
    for (int i = 0; i < report->n_surprises; i++) {
        printf("%s  %s\n", i == 0 ? "\n  what doesn't run as was meant\n" : "", report->surprises[i]);
    }
    const int n = all || report->n_islands < N_LAYERS ? report->n_islands : N_LAYERS;
    if (n > 0) {
        printf("\n  %-46s %6s %9s %8s %9s  %s\n", "runs in float", "steps", "ms", "borders", "their ms", "why");
    }
    for (int i = 0; i < n; i++) {
        const pith_quantized_island *island = &report->islands[i];
        printf("  %-46.46s %6d %9.4f %8d %9.4f  %s\n", island->nodes, island->n_steps, island->ms, island->n_borders,
               island->border_ms, island->why);
    }
    if (n < report->n_islands) {
        printf("  ... and %d more (--all lists them)\n", report->n_islands - n);
    }
}

static void print_layers(const pith_quantize_report *report, bool all)
{
    int n = all || report->n_layers < N_LAYERS ? report->n_layers : N_LAYERS;
    if (n > 0) {
        printf("\n  %-34s %-12s %-11s %-8s %9s %9s  %s\n", "layers that aren't int8", "operator", "activations",
               "weights", "float ms", "int8 ms", "why");
    }
    for (int i = 0; i < n; i++) {
        const pith_quantized_layer *layer = &report->layers[i];
        printf("  %-34.34s %-12.12s %-11s %-8s %9.4f %9.4f  %s\n", layer->name, layer->op, layer->activations,
               layer->weights, layer->float_ms, layer->int8_ms, layer->why);
    }
    if (n < report->n_layers) {
        printf("  ... and %d more (--all lists them)\n", report->n_layers - n);
    }
}

static void print_report(const quantize_job *job)
{
    const pith_quantize_report *report = job->report;
    char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES];
    printf("%s -> %s\n", job->model, job->output);
    const char *kind = job->given->dynamic ? "int8, activations in each run" : job->given->weights;
    if (!kind) {
        print_observers(report);
    }
    printf("  outputs   SQNR %.1f dB, cosine %.5f: %s\n", report->sqnr_db, report->cosine, verdict(report->sqnr_db));
    if (kind) {
        printf("  weights   %s, %s -> %s%s\n", kind, cli_human_bytes((double)report->float_bytes, a),
               cli_human_bytes((double)report->quantized_bytes, b),
               job->given->dynamic ? "" : ", computed with in float32");
        if (report->n_stages > 0) {
            print_stages(report);
        }
        return;
    }
    printf("  layers    %d pairs equalised, biases %s\n", report->n_equalized,
           report->is_bias_corrected ? "corrected" : "left as they are");
    printf("  nodes     %d of %d compute in integers", report->n_integer_nodes, report->n_nodes);
    if (report->n_mixed_nodes > 0) {
        printf(", %d with integer products and float gates", report->n_mixed_nodes);
    }
    printf("\n");
    print_float_nodes(report);
    printf("  weights   %s -> %s\n", cli_human_bytes((double)report->float_bytes, a),
           cli_human_bytes((double)report->quantized_bytes, b));
    if (report->ms > 0.0) {
        printf("  time      %s -> %s, %.2f times as fast\n", cli_human_ms(report->float_ms, a),
               cli_human_ms(report->ms, b), report->float_ms / report->ms);
    }
    print_drop(report);
    print_choices(report);
    print_layers(report, job->given->all);
    print_islands(report, job->given->all);
    print_stages(report);
    print_tensors(report, job->given->all);
}

static void warn(const quantize_job *job)
{
    const pith_quantize_report *report = job->report;
    if (report->n_plain > 0) {
        cli_warn("%d product%s rounded to the nearest, not by --method %s, which has no room for the second moments of "
                 "so many inputs (gptq and awq: 3500 or so, and no transposed convolutions; adaround: 2304)",
                 report->n_plain, report->n_plain == 1 ? " is" : "s are", job->given->method);
    }
    if (job->given->weights || job->given->dynamic) {
        return;
    }
    if (report->ms > 0.0 && report->ms > report->float_ms * NOISE) {
        cli_warn("the result is slower than the float network here: %.3g ms against %.3g ms", report->ms,
                 report->float_ms);
    } else if (report->n_integer_nodes + report->n_mixed_nodes == 0) {
        cli_warn("integers are not faster than float here (%.3g ms against %.3g ms): only the weights became integers; "
                 "--int8 makes the network int8 anyway", report->int8_ms, report->float_ms);
    }
}

void cli_quantize_report(const quantize_job *job)
{
    if (job->given->json) {
        print_json(job);
    } else {
        print_report(job);
    }
    warn(job);
}
