/* SPDX-License-Identifier: Apache-2.0 */
/* Level 1: everything that depends on the operating system or on the bare CPU. */
#ifndef PITH_PLATFORM_H
#define PITH_PLATFORM_H

#include "base/base.h"

/* ---- files -------------------------------------------------------------------------------- */

/* A whole file, mapped read-only, or copied where the context wants that. Zero-initialised means "nothing". */
typedef struct pithi_file {
    const unsigned char *data;
    size_t n_bytes;
    pith_ctx *owner; /* of a copy; NULL: mapped */
} pithi_file;

/* Maps a regular file; an empty file gives data = NULL, n_bytes = 0. */
pith_status pithi_file_map(pith_ctx *ctx, const char *path, pithi_file *file);
/* The same for `name` inside `folder`; refuses a file that links lead out of the folder. */
pith_status pithi_file_map_below(pith_ctx *ctx, const char *folder, const char *name, pithi_file *file);
void pithi_file_unmap(pithi_file *file);
/* Changes when a file is replaced or written to: a hash of its real path, size and times; 0 if it can't be found. */
uint64_t pithi_file_identity(const char *path);
/* The same of the library's own file (or the program's that holds it); 0 if the system doesn't tell. */
uint64_t pithi_library_identity(void);
/* True if something that can be opened is there. */
bool pithi_file_exists(const char *path);
/* Writes a file whole or not at all: to "<path>.part" first, which then takes its name. */
pith_status pithi_file_write(pith_ctx *ctx, const char *path, const void *data, size_t n_bytes);
/* Gives the pages that lie wholly in this part of a mapping back to the system; a later read fetches them again. The
 * same of memory that was allocated: a later read may find anything. Parts below 32 KiB are left alone. */
void pithi_file_forget(const void *data, size_t n_bytes);

/* ---- time and machine --------------------------------------------------------------------- */

uint64_t pithi_clock_ns(void); /* monotonic */
/* Cores worth a thread, at least 1: physical ones of the process's CPU set, without kinds that the others would wait
 * for, but no more than its control group's share of CPU time. */
typedef struct pithi_cores {
    int n;
    int n_near; /* most of them that share a level-3 cache, or a node of memory; n: all, or not known */
} pithi_cores;
#define PITHI_LEAST_FAR 5 /* fewer cores count as near each other: looking costs time */
pithi_cores pithi_cores_find(void);
/* The same with the files of /proc and /sys below `root` and a given CPU set (a bit per CPU, n_words of them). */
pithi_cores pithi_cores_below(const char *root, const uint64_t *usable, int n_words);
int pithi_cpu_count(void); /* threads that sessions use unless told otherwise: pithi_cores_find().n */
uint64_t pithi_peak_rss_bytes(void);

/* ---- threads ------------------------------------------------------------------------------ */

typedef struct pithi_thread pithi_thread;
size_t pithi_thread_bytes(void); /* what starting one allocates */
pith_status pithi_thread_start(pith_ctx *ctx, void (*main)(void *user), void *user, pithi_thread **thread_out);
void pithi_thread_join(pith_ctx *ctx, pithi_thread *thread);
void pithi_thread_pause(void); /* CPU hint inside a spin loop */
void pithi_thread_yield(void); /* lets another thread have this core */
int pithi_thread_cpu(void);    /* that the calling thread runs on; -1: unknown */
/* Moves the calling thread to another CPU of its set if it runs on this one and may; its set stays as it was. */
void pithi_thread_leave_cpu(int cpu);

/* Sleep while *word == expected; wake-ups may be spurious. */
void pithi_futex_wait(_Atomic uint32_t *word, uint32_t expected);
void pithi_futex_wake_all(_Atomic uint32_t *word);

/* ---- floating point ----------------------------------------------------------------------- */

/* Makes denormals count as zero on this thread and returns the former state for the second call. */
uint32_t pithi_denormals_off(void);
void pithi_denormals_restore(uint32_t former);

#endif
