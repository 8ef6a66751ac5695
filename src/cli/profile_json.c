/* SPDX-License-Identifier: Apache-2.0 */
/* pith profile as JSON (also what the HTML report draws), and as a Chrome trace. */
#include <math.h>

#include "json.h"
#include "profile.h"

static const char *const level_names[PITH_MACHINE_LEVELS] = { "L1", "L2", "L3", "memory" };
static const char *const topdown_names[PITH_PROFILE_TOPDOWN] = { "frontend", "bad_speculation", "backend_memory",
                                                                 "backend_core", "retiring" };

typedef struct field {
    const char *key;
    double value;
} field;

static void write_fields(cli_json *json, const field *fields, int n_fields)
{
    for (int i = 0; i < n_fields; i++) {
        cli_json_number(json, fields[i].key, fields[i].value);
    }
}

static void write_machine(cli_json *json, const cli_profile_view *view)
{
    const pith_machine *m = view->machine;
    const field fields[] = {
        { "cpus", m->n_cpus },
        { "usable_cpus", m->n_usable_cpus },
        { "cores", m->n_cores },
        { "threads_measured", m->n_threads },
        { "hz", m->hz },
        { "f32_flops_per_s", m->f32_flops_per_s },
        { "s8_ops_per_s", m->s8_ops_per_s },
        { "handover_ns", m->handover_ns },
        { "clock_ns", m->clock_ns },
    };
    cli_json_object(json, "machine");
    cli_json_text(json, "cpu", m->cpu);
    cli_json_text(json, "isa", m->isa);
    cli_json_text(json, "source", view->machine_source);
    write_fields(json, fields, CLI_COUNT(fields));
    cli_json_list(json, "levels");
    for (int i = 0; i < PITH_MACHINE_LEVELS; i++) {
        const pith_machine_level *level = &m->levels[i];
        const field rates[] = {
            { "bytes", (double)level->n_bytes },
            { "sharers", level->n_sharers },
            { "read_bytes_per_s", level->read_bytes_per_s },
            { "write_bytes_per_s", level->write_bytes_per_s },
            { "copy_bytes_per_s", level->copy_bytes_per_s },
        };
        cli_json_object(json, NULL);
        cli_json_text(json, "name", level_names[i]);
        write_fields(json, rates, CLI_COUNT(rates));
        cli_json_end(json);
    }
    cli_json_end(json);
    cli_json_end(json);
}

static void write_run(cli_json *json, const cli_profile_view *view)
{
    const pith_profile *p = view->profile;
    const field fields[] = {
        { "threads", p->n_threads },
        { "rounds", p->n_rounds },
        { "plans", p->n_stretches },
        { "median_ms", p->run_median_ns / 1e6 },
        { "min_ms", p->run_min_ns / 1e6 },
        { "steps_ms", p->steps_ns / 1e6 },
        { "ns_between_steps", p->n_steps ? p->outside_ns / p->n_steps : 0.0 },
        { "limit_ms", view->limit_ns / 1e6 },
        { "macs", view->macs },
        { "flops", view->flops },
        { "bytes", view->bytes },
        { "arena_bytes", (double)p->arena_bytes },
        { "arena_lower_bound_bytes", (double)p->arena_lower_bound_bytes },
        { "weight_bytes", (double)p->weight_bytes },
        { "joules_per_run", p->joules_per_run },
    };
    cli_json_object(json, "run");
    write_fields(json, fields, CLI_COUNT(fields));
    cli_json_text(json, "energy_note", p->energy_note);
    cli_json_text(json, "counters_note", p->counters_note);
    cli_json_whole(json, "peak_step", view->peak_step);
    cli_json_end(json);
}

static void write_kinds(cli_json *json, const cli_profile_view *view)
{
    cli_json_list(json, "operators");
    for (int i = 0; i < view->n_kinds; i++) {
        const cli_kind_view *kind = &view->kinds[i];
        const field fields[] = {
            { "steps", kind->n_steps },
            { "ms", kind->ns / 1e6 },
            { "share", kind->ns / fmax(view->ns, 1.0) },
            { "macs", kind->macs },
            { "flops", kind->flops },
            { "bytes", kind->bytes },
            { "limit_ms", kind->limit_ns / 1e6 },
        };
        cli_json_object(json, NULL);
        cli_json_text(json, "kind", kind->kind);
        write_fields(json, fields, CLI_COUNT(fields));
        cli_json_end(json);
    }
    cli_json_end(json);
}

static void write_bytes(cli_json *json, const cli_step_view *step)
{
    cli_json_numbers(json, "read_bytes_by_level", step->read_bytes, PITH_MACHINE_LEVELS);
    cli_json_numbers(json, "write_bytes_by_level", step->write_bytes, PITH_MACHINE_LEVELS);
}

static void write_counters(cli_json *json, const cli_profile_view *view, const pith_profile_step *step)
{
    if (step->counters) {
        cli_json_object(json, "counters");
        for (int i = 0; i < view->profile->n_counters; i++) {
            cli_json_number(json, view->profile->counter_names[i], step->counters[i]);
        }
        cli_json_end(json);
    }
    if (!isnan(step->topdown[0])) {
        cli_json_object(json, "topdown");
        for (int i = 0; i < PITH_PROFILE_TOPDOWN; i++) {
            cli_json_number(json, topdown_names[i], step->topdown[i]);
        }
        cli_json_end(json);
    }
}

static void write_step(cli_json *json, const cli_profile_view *view, const cli_step_view *view_step)
{
    const pith_profile_step *step = view_step->step;
    const field fields[] = {
        { "calls", step->n_calls },
        { "median_ms", step->median_ns / 1e6 },
        { "min_ms", step->min_ns / 1e6 },
        { "share", view_step->share },
        { "macs", (double)step->macs },
        { "flops", view_step->flops },
        { "bytes_read", (double)step->bytes_read },
        { "bytes_written", (double)step->bytes_written },
        { "gflops_per_s", step->median_ns > 0.0 ? view_step->flops / step->median_ns : NAN },
        { "gbytes_per_s", step->median_ns > 0.0 ? view_step->bytes / step->median_ns : NAN },
        { "compute_limit_ms", view_step->compute_ns / 1e6 },
        { "memory_limit_ms", view_step->memory_ns / 1e6 },
        { "limit_share", view_step->roof },
        { "max_parts", step->max_parts },
        { "parts", step->n_parts },
        { "phases", step->n_phases },
        { "balance", view_step->balance },
        { "live_bytes", (double)step->live_bytes },
        { "start_ms", step->start_ns / 1e6 },
        { "stop_ms", step->stop_ns / 1e6 },
        { "plan", step->stretch },
    };
    cli_json_object(json, NULL);
    cli_json_text(json, "name", view_step->label);
    cli_json_text(json, "op", step->op);
    cli_json_text(json, "source_op", step->source_op);
    cli_json_text(json, "kind", view_step->kind);
    cli_json_text(json, "kernel", step->kernel);
    cli_json_text(json, "why", step->why);
    cli_json_text(json, "arithmetic", pith_arithmetic_name(step->arithmetic));
    cli_json_text(json, "why_float", step->why_float);
    cli_json_list(json, "choices");
    for (int i = 0; i < step->n_choices; i++) {
        cli_json_text(json, NULL, step->choices[i]);
    }
    cli_json_end(json);
    cli_json_text(json, "shapes", view_step->shapes);
    cli_json_text(json, "bound", view_step->bound);
    cli_json_bool(json, "is_layout_conversion", view_step->is_conversion);
    write_fields(json, fields, CLI_COUNT(fields));
    write_bytes(json, view_step);
    if (step->busy_ns) {
        cli_json_numbers(json, "busy_ns", step->busy_ns, view->profile->n_threads);
    }
    write_counters(json, view, step);
    cli_json_end(json);
}

static void write_blocks(cli_json *json, const pith_profile *profile)
{
    cli_json_list(json, "blocks");
    for (int i = 0; i < profile->n_blocks; i++) {
        const pith_profile_block *block = &profile->blocks[i];
        cli_json_object(json, NULL);
        cli_json_text(json, "name", block->name);
        cli_json_bool(json, "is_scratch", block->is_scratch);
        cli_json_whole(json, "plan", block->stretch);
        cli_json_whole(json, "bytes", (int64_t)block->n_bytes);
        cli_json_whole(json, "offset", (int64_t)block->offset);
        cli_json_whole(json, "first_step", block->first_step);
        cli_json_whole(json, "last_step", block->last_step);
        cli_json_end(json);
    }
    cli_json_end(json);
}

static void write_islands(cli_json *json, const pith_profile *profile)
{
    cli_json_list(json, "float_islands");
    for (int i = 0; i < profile->n_islands; i++) {
        const pith_float_island *island = &profile->islands[i];
        cli_json_object(json, NULL);
        cli_json_list(json, "steps");
        for (int k = 0; k < island->n_steps; k++) {
            cli_json_whole(json, NULL, island->steps[k]);
        }
        cli_json_end(json);
        cli_json_whole(json, "borders", island->n_borders);
        cli_json_number(json, "ms", island->ns / 1e6);
        cli_json_number(json, "border_ms", island->border_ns / 1e6);
        cli_json_text(json, "why", island->why);
        cli_json_end(json);
    }
    cli_json_end(json);
}

/* [step, thread, start, stop] in ns of one run; with one thread the steps' own times say it all. */
static void write_events(cli_json *json, const pith_profile *profile)
{
    cli_json_list(json, "events");
    for (int i = 0; i < profile->n_events && profile->n_threads > 1; i++) {
        const pith_profile_event *event = &profile->events[i];
        const double values[] = { event->step, event->thread, event->start_ns, event->stop_ns };
        cli_json_numbers(json, NULL, values, CLI_COUNT(values));
    }
    cli_json_end(json);
}

void cli_profile_write_json(const cli_profile_view *view, FILE *file)
{
    cli_json json = { .file = file };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", view->model);
    cli_json_text(&json, "shapes", view->shapes);
    cli_json_text(&json, "version", pith_version());
    write_machine(&json, view);
    write_run(&json, view);
    write_kinds(&json, view);
    cli_json_list(&json, "steps");
    for (int i = 0; i < view->profile->n_steps; i++) {
        write_step(&json, view, &view->steps[i]);
    }
    cli_json_end(&json);
    write_islands(&json, view->profile);
    write_blocks(&json, view->profile);
    write_events(&json, view->profile);
    cli_json_end(&json);
}

/* ---- Chrome trace ------------------------------------------------------------------------- */

static void write_thread_name(cli_json *json, int thread)
{
    char name[32];
    snprintf(name, sizeof name, thread ? "worker %d" : "caller", thread);
    cli_json_object(json, NULL);
    cli_json_text(json, "name", "thread_name");
    cli_json_text(json, "ph", "M");
    cli_json_whole(json, "pid", 1);
    cli_json_whole(json, "tid", thread);
    cli_json_object(json, "args");
    cli_json_text(json, "name", name);
    cli_json_end(json);
    cli_json_end(json);
}

static void write_event(cli_json *json, const cli_profile_view *view, const pith_profile_event *event)
{
    const cli_step_view *step = &view->steps[event->step];
    cli_json_object(json, NULL);
    cli_json_text(json, "name", step->label[0] ? step->label : step->step->op);
    cli_json_text(json, "cat", step->step->op);
    cli_json_text(json, "ph", "X");
    cli_json_number(json, "ts", event->start_ns / 1e3);
    cli_json_number(json, "dur", (event->stop_ns - event->start_ns) / 1e3);
    cli_json_whole(json, "pid", 1);
    cli_json_whole(json, "tid", event->thread);
    cli_json_object(json, "args");
    cli_json_whole(json, "step", event->step);
    cli_json_text(json, "kernel", step->step->kernel);
    cli_json_text(json, "shapes", step->shapes);
    cli_json_text(json, "bound", step->bound);
    cli_json_number(json, "gflops_per_s", step->ns > 0.0 ? step->flops / step->ns : NAN);
    cli_json_number(json, "limit_share", step->roof);
    cli_json_end(json);
    cli_json_end(json);
}

/* The counter track of memory. */
static void write_live(cli_json *json, const pith_profile_step *step)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "name", "arena bytes alive");
    cli_json_text(json, "ph", "C");
    cli_json_number(json, "ts", step->start_ns / 1e3);
    cli_json_whole(json, "pid", 1);
    cli_json_object(json, "args");
    cli_json_whole(json, "bytes", (int64_t)step->live_bytes);
    cli_json_end(json);
    cli_json_end(json);
}

void cli_profile_write_trace(const cli_profile_view *view, FILE *file)
{
    const pith_profile *profile = view->profile;
    cli_json json = { .file = file };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "displayTimeUnit", "ns");
    cli_json_list(&json, "traceEvents");
    for (int i = 0; i < profile->n_threads; i++) {
        write_thread_name(&json, i);
    }
    for (int i = 0; i < profile->n_events; i++) {
        write_event(&json, view, &profile->events[i]);
    }
    for (int i = 0; i < profile->n_steps; i++) {
        write_live(&json, &profile->steps[i]);
    }
    cli_json_end(&json);
    cli_json_end(&json);
}
