/* SPDX-License-Identifier: Apache-2.0 */
/* perf_event_open(2) and RAPL. Top-down sources: on Intel the slots events that the kernel lists in sysfs (Intel
 * Optimization Reference Manual, B.1), on AMD Zen 4 and 5 the events of "Guidance for Pipeline Utilization Analysis" in
 * the Processor Programming References. */
#include "platform/counters.h"

#include <math.h>
#include <stdio.h>

#if defined(__linux__)
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define PMU_FOLDER "/sys/bus/event_source/devices/cpu"

typedef struct event {
    const char *name, *file; /* file: in the PMU's events folder, NULL: config is given */
    uint32_t type;
    uint64_t config;
} event;

#define CACHE_MISS(cache) ((cache) | (PERF_COUNT_HW_CACHE_OP_READ << 8) | (PERF_COUNT_HW_CACHE_RESULT_MISS << 16))

static const event general[] = {
    { "cycles", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
    { "instructions", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
    { "branch_misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES },
    { "l1d_read_misses", NULL, PERF_TYPE_HW_CACHE, CACHE_MISS(PERF_COUNT_HW_CACHE_L1D) },
    { "last_level_misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
};
static const event intel_slots[] = {
    { "slots", "slots", PERF_TYPE_RAW, 0 },
    { "slots_retiring", "topdown-retiring", PERF_TYPE_RAW, 0 },
    { "slots_bad_speculation", "topdown-bad-spec", PERF_TYPE_RAW, 0 },
    { "slots_frontend", "topdown-fe-bound", PERF_TYPE_RAW, 0 },
    { "slots_backend", "topdown-be-bound", PERF_TYPE_RAW, 0 },
    { "slots_memory", "topdown-mem-bound", PERF_TYPE_RAW, 0 },
};
/* Bits 8 to 11 of an event number lie in bits 32 to 35 of the config. */
#define ZEN(event, mask) (((event) & 0xffu) | (uint64_t)(mask) << 8 | (uint64_t)((event) >> 8) << 32)
static const event amd_slots[] = {
    { "cycles_not_halted", NULL, PERF_TYPE_RAW, ZEN(0x76u, 0) },
    { "ops_retired", NULL, PERF_TYPE_RAW, ZEN(0xc1u, 0) },
    { "ops_dispatched", NULL, PERF_TYPE_RAW, ZEN(0xaau, 0x07) },
    { "slots_frontend", NULL, PERF_TYPE_RAW, ZEN(0x1a0u, 0x01) },
    { "slots_backend", NULL, PERF_TYPE_RAW, ZEN(0x1a0u, 0x1e) },
    { "no_retire_load", NULL, PERF_TYPE_RAW, ZEN(0xd6u, 0xa2) },
};
#define N_BASIC 5 /* what the breakdown needs; the sixth event splits the backend */

static bool read_config(const char *name, uint64_t *config_out)
{
    char path[160], text[128] = "";
    unsigned number = 0, mask = 0;
    snprintf(path, sizeof path, PMU_FOLDER "/events/%s", name);
    FILE *file = fopen(path, "r");
    if (!file) {
        return false;
    }
    bool is_read = fgets(text, sizeof text, file) != NULL && sscanf(text, "event=%x,umask=%x", &number, &mask) >= 1;
    fclose(file);
    *config_out = number | (uint64_t)mask << 8;
    return is_read;
}

static int open_event(const event *e, int leader)
{
    struct perf_event_attr attr = { .size = sizeof attr, .type = e->type, .exclude_kernel = 1, .exclude_hv = 1,
                                    .read_format = PERF_FORMAT_GROUP };
    uint64_t config = e->config;
    if (e->file && !read_config(e->file, &config)) {
        errno = ENOENT;
        return -1;
    }
    attr.config = config;
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
}

/* Opens what there is of a set as one group. Returns how many; errno of the first that failed in *error_out. */
static int open_set(pithi_counters *c, int set, const event *events, int n_events, int *error_out)
{
    int leader = -1;
    c->first[set] = c->n_counters;
    *error_out = 0;
    for (int i = 0; i < n_events; i++) {
        int descriptor = open_event(&events[i], leader);
        if (descriptor < 0) {
            *error_out = *error_out ? *error_out : errno;
            continue;
        }
        leader = leader < 0 ? descriptor : leader;
        c->descriptors[c->n_counters] = descriptor;
        c->names[c->n_counters++] = events[i].name;
    }
    c->count[set] = c->n_counters - c->first[set];
    return c->count[set];
}

static int paranoia(void)
{
    int level = 0;
    FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "r");
    if (file) {
        level = fscanf(file, "%d", &level) == 1 ? level : 0;
        fclose(file);
    }
    return level;
}

static void explain(pithi_counters *c, int error)
{
    if (error == EACCES || error == EPERM) {
        snprintf(c->note, sizeof c->note, "not permitted (kernel.perf_event_paranoid is %d; 2 or less is needed, or a "
                 "container forbids perf_event_open)", paranoia());
    } else if (error == ENOENT || error == EOPNOTSUPP || error == ENODEV) {
        snprintf(c->note, sizeof c->note, "this machine shows no hardware counters (usual in virtual machines)");
    } else {
        snprintf(c->note, sizeof c->note, "perf_event_open failed: %s", strerror(error));
    }
}

/* Slots per cycle of AMD Zen 4 and 5, else 0. */
static int zen_width(void)
{
#if defined(__x86_64__)
    unsigned a = 0, b = 0, x = 0, d = 0;
    if (!__get_cpuid(0, &a, &b, &x, &d) || b != signature_AMD_ebx || !__get_cpuid(1, &a, &b, &x, &d)) {
        return 0;
    }
    unsigned family = ((a >> 8) & 15u) + ((a >> 20) & 255u), model = ((a >> 4) & 15u) | ((a >> 12) & 0xf0u);
    bool is_zen4 = family == 0x19 && ((model >= 0x10 && model < 0x20) || (model >= 0x60 && model < 0xb0));
    return family == 0x1a ? 8 : is_zen4 ? 6 : 0;
#else
    return 0;
#endif
}

static void open_topdown(pithi_counters *c)
{
    uint64_t unused;
    int error = 0, n = 0;
    c->is_intel = read_config("slots", &unused);
    c->width = c->is_intel ? 0 : zen_width();
    if (c->is_intel) {
        n = open_set(c, 1, intel_slots, PITH_COUNT(intel_slots), &error);
    } else if (c->width) {
        n = open_set(c, 1, amd_slots, PITH_COUNT(amd_slots), &error);
    }
    if (n < N_BASIC) {
        while (c->n_counters > c->first[1] && n > 0) {
            close(c->descriptors[--c->n_counters]);
        }
        c->count[1] = 0;
        snprintf(c->note, sizeof c->note, "no top-down breakdown: %s",
                 c->is_intel || c->width ? "its events can't be opened" : "pith doesn't know this CPU's events");
    }
}

void pithi_counters_open(pithi_counters *counters)
{
    int error = 0;
    memset(counters, 0, sizeof *counters);
    if (open_set(counters, 0, general, PITH_COUNT(general), &error) == 0) {
        explain(counters, error);
        return;
    }
    counters->first[1] = counters->n_counters;
    open_topdown(counters);
}

void pithi_counters_close(pithi_counters *counters)
{
    while (counters->n_counters > 0) {
        close(counters->descriptors[--counters->n_counters]);
    }
}

bool pithi_counters_read(const pithi_counters *counters, int set, double *values)
{
    uint64_t raw[1 + PITHI_COUNTERS_MAX];
    int first = counters->first[set], count = counters->count[set];
    ssize_t wanted = (ssize_t)((1 + (size_t)count) * sizeof raw[0]);
    if (count == 0 || read(counters->descriptors[first], raw, sizeof raw) < wanted) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        values[first + i] = (double)raw[1 + i];
    }
    return true;
}

/* Sum of intel-rapl:<n>/energy_uj; the counters wrap after some kJ, which a short profile meets once in hours. */
double pithi_energy_joules_below(const char *root)
{
    double joules = NAN;
    for (int package = 0; package < 16; package++) {
        char path[512];
        unsigned long long microjoules = 0;
        const int length =
            snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:%d/energy_uj", root, package);
        FILE *file = length < (int)sizeof path ? fopen(path, "r") : NULL;
        if (!file) {
            break;
        }
        if (fscanf(file, "%llu", &microjoules) == 1) {
            joules = (isnan(joules) ? 0.0 : joules) + (double)microjoules * 1e-6;
        }
        fclose(file);
    }
    return joules;
}
#else
void pithi_counters_open(pithi_counters *counters)
{
    *counters = (pithi_counters){ .note = "hardware counters are read on Linux only" };
}
void pithi_counters_close(pithi_counters *counters) { (void)counters; }
bool pithi_counters_read(const pithi_counters *counters, int set, double *values)
{
    (void)counters;
    (void)set;
    (void)values;
    return false;
}
double pithi_energy_joules_below(const char *root)
{
    (void)root;
    return NAN;
}
#endif

double pithi_energy_joules(void) { return pithi_energy_joules_below(""); }

/* Of the backend's slots, the share in which the oldest instruction waited for a load counts as memory (Zen), or what
 * the hardware says (Intel). */
void pithi_counters_topdown(const pithi_counters *counters, const double *values, double topdown[PITHI_TOPDOWN_COUNT])
{
    const double *v = values + counters->first[1];
    int count = counters->count[1];
    double slots = count == 0 ? 0.0 : counters->is_intel ? v[0] : v[0] * counters->width;
    for (int i = 0; i < PITHI_TOPDOWN_COUNT; i++) {
        topdown[i] = NAN;
    }
    if (!(slots > 0.0)) {
        return;
    }
    double bad = counters->is_intel ? v[2] : fmax(v[2] - v[1], 0.0);
    double waiting = counters->is_intel ? v[5] : fmin(v[5] * counters->width, v[4]);
    topdown[0] = v[3] / slots;
    topdown[1] = bad / slots;
    topdown[2] = count > N_BASIC ? waiting / slots : NAN;
    topdown[3] = count > N_BASIC ? fmax(v[4] - waiting, 0.0) / slots : v[4] / slots;
    topdown[4] = v[1] / slots;
}
