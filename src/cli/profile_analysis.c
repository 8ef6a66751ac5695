/* SPDX-License-Identifier: Apache-2.0 */
/* Roofline of every step. Where its bytes come from is found by following one run after another through caches of this
 * machine's sizes: a page is in the smallest level that holds all that was touched since it was touched itself. */
#include <math.h>
#include <stdlib.h>

#include "profile.h"

#define PAGE_BYTES 4096u
#define OVERHEAD_NS 150.0 /* of a step that does nothing, on one thread */

/* ---- where bytes are found ---------------------------------------------------------------- */

typedef struct page {
    uint64_t number; /* plus 1; 0: free */
    int touched;     /* number of the last touch, from 1; 0: never */
} page;

/* Distinct pages touched since a touch are counted by a Fenwick tree over touches that holds 1 at the last touch of
 * every page (Bennett and Kruskal 1975, "LRU stack processing"). */
typedef struct caches {
    page *pages; /* open addressing, a power of two */
    size_t n_pages;
    double sizes[PITH_MACHINE_LEVELS]; /* the last is endless */
    int *tree;
    int n_touches, n_now, n_known;
} caches;

static page *find_page(const caches *c, uint64_t number)
{
    size_t at = (size_t)((number * 0x9e3779b97f4a7c15u) >> 20) & (c->n_pages - 1);
    while (c->pages[at].number && c->pages[at].number != number + 1) {
        at = (at + 1) & (c->n_pages - 1);
    }
    return &c->pages[at];
}

static void tree_add(const caches *c, int at, int change)
{
    for (; at <= c->n_touches; at += at & -at) {
        c->tree[at] += change;
    }
}

static int tree_sum(const caches *c, int at)
{
    int sum = 0;
    for (; at > 0; at -= at & -at) {
        sum += c->tree[at];
    }
    return sum;
}

/* Bytes of other pages touched since this one was. */
static double touch_page(caches *c, uint64_t number)
{
    page *known = find_page(c, number);
    double distance = INFINITY;
    if (known->touched) {
        distance = (double)(c->n_known - tree_sum(c, known->touched)) * PAGE_BYTES;
        tree_add(c, known->touched, -1);
    } else {
        c->n_known++;
    }
    *known = (page){ number + 1, ++c->n_now };
    tree_add(c, c->n_now, 1);
    return distance;
}

static int level_of(const caches *c, double distance)
{
    int level = 0;
    while (level < PITH_MACHINE_LEVELS - 1 && (c->sizes[level] <= 0.0 || distance > c->sizes[level])) {
        level++;
    }
    return level;
}

static void touch(caches *c, const pith_profile_operand *operand, double bytes_by_level[PITH_MACHINE_LEVELS])
{
    uint64_t begin = operand->address, end = begin + operand->n_bytes;
    for (uint64_t at = begin; at < end;) {
        uint64_t next = (at / PAGE_BYTES + 1) * PAGE_BYTES;
        bytes_by_level[level_of(c, touch_page(c, at / PAGE_BYTES))] += (double)((next < end ? next : end) - at);
        at = next;
    }
}

static size_t count_touches(const pith_profile *profile)
{
    size_t n = 0;
    for (int i = 0; i < profile->n_steps; i++) {
        for (int k = 0; k < profile->steps[i].n_operands; k++) {
            n += profile->steps[i].operands[k].n_bytes / PAGE_BYTES + 2;
        }
    }
    return n;
}

static void follow_run(cli_profile_view *view, caches *c)
{
    for (int i = 0; i < view->profile->n_steps; i++) {
        cli_step_view *step = &view->steps[i];
        memset(step->read_bytes, 0, sizeof step->read_bytes);
        memset(step->write_bytes, 0, sizeof step->write_bytes);
        for (int k = 0; k < step->step->n_operands; k++) {
            const pith_profile_operand *operand = &step->step->operands[k];
            touch(c, operand, operand->role == PITH_PROFILE_OUTPUT ? step->write_bytes : step->read_bytes);
        }
    }
}

static pith_status follow_bytes(cli_profile_view *view)
{
    caches c = { .n_pages = 1024 };
    size_t n_touches = count_touches(view->profile);
    pith_status status = PITH_OK;
    CLI_CHECK(n_touches < INT32_MAX / 4, PITH_STATUS_LIMIT, "the model is too large for the cache model");
    c.n_touches = (int)(2 * n_touches);
    while (c.n_pages < 2 * n_touches) {
        c.n_pages *= 2;
    }
    CLI_TRY_GOTO(cli_alloc(c.n_pages, sizeof *c.pages, (void **)&c.pages), done);
    CLI_TRY_GOTO(cli_alloc((size_t)c.n_touches + 1, sizeof *c.tree, (void **)&c.tree), done);
    for (int i = 0; i < PITH_MACHINE_LEVELS - 1; i++) {
        const pith_machine_level *level = &view->machine->levels[i];
        int n_caches = level->n_sharers > 1 ? 1 : view->profile->n_threads;
        c.sizes[i] = (double)level->n_bytes * n_caches;
    }
    follow_run(view, &c); /* the first run only warms up */
    follow_run(view, &c);
done:
    cli_free(c.pages);
    cli_free(c.tree);
    return status;
}

/* ---- limits ------------------------------------------------------------------------------- */

static double at_rate(double amount, double per_s) { return per_s > 0.0 ? amount / per_s * 1e9 : 0.0; }

/* Least time for the bytes of one level: reading, writing and both together have rates of their own. */
static double level_ns(const pith_machine_level *level, double read_bytes, double write_bytes)
{
    double longest = at_rate(read_bytes, level->read_bytes_per_s);
    longest = fmax(longest, at_rate(write_bytes, level->write_bytes_per_s));
    double both = read_bytes > 0.0 && write_bytes > 0.0 ? at_rate(2.0 * fmin(read_bytes, write_bytes),
                                                                  level->copy_bytes_per_s) : 0.0;
    return fmax(longest, both);
}

static bool is_8bit(const pith_profile_step *step)
{
    pith_dtype dtype = step->n_operands ? step->operands[0].dtype : PITH_DTYPE_NONE;
    return dtype == PITH_DTYPE_S8 || dtype == PITH_DTYPE_U8;
}

/* Elementary operations are counted at half the rate of multiply-adds, which are two each; of narrow elements more fit
 * into a vector. */
static double compute_ns(const pith_machine *machine, const pith_profile_step *step)
{
    double rate = is_8bit(step) ? machine->s8_ops_per_s : machine->f32_flops_per_s;
    size_t width = step->n_operands ? pith_dtype_bytes(step->operands[0].dtype) : 4;
    double others = machine->f32_flops_per_s / 2.0 * 4.0 / (width ? (double)width : 4.0);
    return at_rate(2.0 * (double)step->macs, rate) + at_rate((double)step->flops, others);
}

static const char *bound_of(const cli_profile_view *view, const cli_step_view *step, int worst_level)
{
    static const char *const levels[PITH_MACHINE_LEVELS] = { "L1", "L2", "L3", "memory" };
    double limit = fmax(step->compute_ns, step->memory_ns);
    double overhead = OVERHEAD_NS + view->machine->handover_ns * step->step->n_phases;
    if (step->ns < 4.0 * overhead && limit < step->ns / 2.0) {
        return "overhead";
    }
    if (!step->step->kernel && limit < step->ns / 4.0) {
        return "reference";
    }
    return step->compute_ns >= step->memory_ns ? "compute" : levels[worst_level];
}

static void find_limits(const cli_profile_view *view, cli_step_view *step)
{
    int worst = 0;
    double worst_ns = -1.0;
    step->compute_ns = compute_ns(view->machine, step->step);
    step->memory_ns = 0.0;
    for (int i = 0; i < PITH_MACHINE_LEVELS; i++) {
        double ns = level_ns(&view->machine->levels[i], step->read_bytes[i], step->write_bytes[i]);
        step->memory_ns += ns;
        if (ns > worst_ns) {
            worst_ns = ns;
            worst = i;
        }
    }
    double limit = fmax(step->compute_ns, step->memory_ns);
    step->roof = step->ns > 0.0 ? limit / step->ns : NAN;
    step->bound = bound_of(view, step, worst);
}

/* ---- words -------------------------------------------------------------------------------- */

/* "conv gemm_f32" from conv and gemm_f32__x86_avx512. */
static void name_kind(cli_step_view *step)
{
    const char *kernel = step->step->kernel ? step->step->kernel : "reference";
    const char *isa = strstr(kernel, "__");
    int n = isa ? (int)(isa - kernel) : (int)strlen(kernel);
    snprintf(step->kind, sizeof step->kind, "%s%s%.*s", step->step->op, n ? " " : "", n, kernel);
}

static void name_shapes(cli_step_view *step)
{
    size_t at = 0;
    bool is_after_arrow = false;
    for (int i = 0; i < step->step->n_operands && at < sizeof step->shapes; i++) {
        const pith_profile_operand *operand = &step->step->operands[i];
        char shape[CLI_SHAPE_BYTES];
        bool is_output = operand->role == PITH_PROFILE_OUTPUT;
        const char *separator = is_output && !is_after_arrow ? " -> " : at ? ", " : "";
        is_after_arrow = is_after_arrow || is_output;
        int n = snprintf(step->shapes + at, sizeof step->shapes - at, "%s%s", separator,
                         cli_shape_text(&operand->shape, shape));
        at += n > 0 ? (size_t)n : 0;
    }
}

static double balance_of(const pith_profile_step *step, int n_threads)
{
    double sum = 0.0, longest = 0.0;
    for (int i = 0; i < n_threads && step->busy_ns; i++) {
        sum += step->busy_ns[i];
        longest = fmax(longest, step->busy_ns[i]);
    }
    return longest > 0.0 ? sum / n_threads / longest : NAN;
}

static const char *label_of(const pith_profile_step *step)
{
    for (int i = 0; i < step->n_operands && !step->name[0]; i++) {
        if (step->operands[i].role == PITH_PROFILE_OUTPUT) {
            return step->operands[i].name;
        }
    }
    return step->name;
}

static void view_step(cli_profile_view *view, int index)
{
    cli_step_view *step = &view->steps[index];
    const pith_profile_step *from = &view->profile->steps[index];
    *step = (cli_step_view){ .step = from, .label = label_of(from), .ns = from->median_ns,
                             .flops = (2.0 * (double)from->macs + (double)from->flops) * from->n_calls,
                             .bytes = (double)(from->bytes_read + from->bytes_written) * from->n_calls,
                             .balance = balance_of(from, view->profile->n_threads) };
    step->is_conversion = cli_is_conversion(from->op, from->name);
    name_kind(step);
    name_shapes(step);
    view->ns += step->ns;
    view->flops += step->flops;
    view->macs += (double)from->macs * from->n_calls;
    view->bytes += step->bytes;
    if (view->peak_step < 0 || from->live_bytes > view->profile->steps[view->peak_step].live_bytes) {
        view->peak_step = index;
    }
}

static int by_time(const void *a, const void *b)
{
    double x = ((const cli_kind_view *)a)->ns, y = ((const cli_kind_view *)b)->ns;
    return (x < y) - (x > y);
}

static void sum_kinds(cli_profile_view *view)
{
    for (int i = 0; i < view->profile->n_steps; i++) {
        const cli_step_view *step = &view->steps[i];
        int k = 0;
        while (k < view->n_kinds && strcmp(view->kinds[k].kind, step->kind) != 0) {
            k++;
        }
        if (k == view->n_kinds) {
            view->kinds[view->n_kinds++].kind = step->kind;
        }
        cli_kind_view *kind = &view->kinds[k];
        kind->n_steps++;
        kind->ns += step->ns;
        kind->flops += step->flops;
        kind->macs += (double)step->step->macs * step->step->n_calls;
        kind->bytes += step->bytes;
        kind->limit_ns += fmax(step->compute_ns, step->memory_ns);
    }
    qsort(view->kinds, (size_t)view->n_kinds, sizeof *view->kinds, by_time);
}

pith_status cli_profile_analyse(cli_profile_view *view)
{
    size_t n = (size_t)view->profile->n_steps;
    view->peak_step = -1;
    CLI_TRY(cli_alloc(n, sizeof *view->steps, (void **)&view->steps));
    CLI_TRY(cli_alloc(n, sizeof *view->kinds, (void **)&view->kinds));
    for (int i = 0; i < view->profile->n_steps; i++) {
        view_step(view, i);
    }
    CLI_TRY(follow_bytes(view));
    for (int i = 0; i < view->profile->n_steps; i++) {
        cli_step_view *step = &view->steps[i];
        step->share = view->ns > 0.0 ? step->ns / view->ns : 0.0;
        find_limits(view, step);
        double calls = fmax(step->step->n_calls, 1.0); /* of a loop's body, each call has its bytes and products */
        step->compute_ns *= calls;
        step->memory_ns *= calls;
        step->roof *= calls;
        view->limit_ns += fmax(step->compute_ns, step->memory_ns);
    }
    sum_kinds(view);
    return PITH_OK;
}

void cli_profile_free(cli_profile_view *view)
{
    cli_free(view->steps);
    cli_free(view->kinds);
    view->steps = NULL;
    view->kinds = NULL;
}
