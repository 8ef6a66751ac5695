/* SPDX-License-Identifier: Apache-2.0 */
/* Level 2: how kernels are published and found. A family is a contract (<family>.h); an ISA is a
 * folder; <isa>/<family>.c publishes records for it. Names come from file names. */
#ifndef PITH_KERNEL_H
#define PITH_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "pith/status.h"

/* How close a kernel is to the portable kernel of its family. */
typedef enum pith_exactness {
    PITH_EXACT,  /* the same bits: integers, copies, min and max */
    PITH_BOUNDED /* error at most k * eps * sum |a||b|; the family header names k */
} pith_exactness;

/* First member of every record. */
typedef struct pith_kernel {
    const char *name; /* <family>_<tile>__<isa>, for profiles */
    pith_exactness exactness;
} pith_kernel;

/* What one <isa>/<family>.c publishes: an array of records of the family's record type. */
typedef struct pith_kernel_set {
    const void *records;
    int n_records;
} pith_kernel_set;

/* Defines the one exported symbol of a kernel file. */
#define PITH_EXPORT_KERNEL(family, isa, array)                                                     \
    extern const pith_kernel_set pithi_kernel_##family##__##isa;                                   \
    const pith_kernel_set pithi_kernel_##family##__##isa = { (array), (int)(sizeof(array) / sizeof((array)[0])) }

/* Instruction sets of this build, by rising rank; 0 is "portable". */
int pithi_isa_count(void);
const char *pithi_isa_name(int isa);
bool pithi_isa_is_available(int isa);
/* The best one that this CPU has, up to `limit` (negative: no limit). */
int pithi_isa_best(int limit);
int pithi_isa_find(const char *name); /* -1 if this build has none of that name */

/* The set of `family` with the highest rank that is available and not above `isa_limit` (-1: no
 * limit). Every family has a portable set, so the result is never NULL. */
const pith_kernel_set *pithi_kernel_find(const char *family, int isa_limit);

/* The context's cap as an index of the table above, -1 for none; reads PITH_ISA_MAX once. */
int pithi_isa_limit(pith_ctx *ctx);

/* The set of exactly this ISA, or NULL; for tests and benchmarks. */
const pith_kernel_set *pithi_kernel_of_isa(const char *family, int isa);

#endif
