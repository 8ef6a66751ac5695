/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of ISAs and kernels, generated from file names by cmake/collect.cmake. */
#include <string.h>

#include "kernels/kernel.h"

#define PITH_ISA(isa, rank) bool pithi_isa_probe_##isa(void);
#include "pith_isas.inc"
#undef PITH_ISA
#define PITH_KERNEL(family, isa) extern const pith_kernel_set pithi_kernel_##family##__##isa;
#include "pith_kernels.inc"
#undef PITH_KERNEL

typedef struct isa_entry {
    const char *name;
    bool (*probe)(void);
} isa_entry;

typedef struct kernel_entry {
    const char *family, *isa;
    const pith_kernel_set *set;
} kernel_entry;

static const isa_entry isas[] = { /* the generator sorts by rank */
#define PITH_ISA(isa, rank) { #isa, pithi_isa_probe_##isa },
#include "pith_isas.inc"
#undef PITH_ISA
};

static const kernel_entry kernels[] = {
#define PITH_KERNEL(family, isa) { #family, #isa, &pithi_kernel_##family##__##isa },
#include "pith_kernels.inc"
#undef PITH_KERNEL
};

#define N_ISAS ((int)(sizeof isas / sizeof isas[0]))
#define N_KERNELS (sizeof kernels / sizeof kernels[0])

int pithi_isa_count(void) { return N_ISAS; }
const char *pithi_isa_name(int isa) { return isas[isa].name; }
bool pithi_isa_is_available(int isa) { return isas[isa].probe(); }

int pithi_isa_find(const char *name)
{
    for (int isa = 0; isa < N_ISAS; isa++) {
        if (strcmp(isas[isa].name, name) == 0) {
            return isa;
        }
    }
    return -1;
}

const pith_kernel_set *pithi_kernel_of_isa(const char *family, int isa)
{
    for (size_t i = 0; i < N_KERNELS; i++) {
        if (strcmp(kernels[i].family, family) == 0 && strcmp(kernels[i].isa, isas[isa].name) == 0) {
            return kernels[i].set;
        }
    }
    return NULL;
}

const pith_kernel_set *pithi_kernel_find(const char *family, int isa_limit)
{
    int isa = isa_limit >= 0 && isa_limit < N_ISAS ? isa_limit : N_ISAS - 1;
    for (; isa >= 0; isa--) {
        const pith_kernel_set *set = isas[isa].probe() ? pithi_kernel_of_isa(family, isa) : NULL;
        if (set) {
            return set;
        }
    }
    return NULL;
}
