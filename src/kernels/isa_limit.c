/* SPDX-License-Identifier: Apache-2.0 */
/* The context's cap on instruction sets: from the environment, or set by the caller. */
#include <stdio.h>
#include <stdlib.h>

#include "base/ctx.h"
#include "kernels/gemm_f16.h"

int pithi_isa_limit(pith_ctx *ctx)
{
    if (ctx->isa_limit == PITHI_ISA_LIMIT_UNSET) {
        const char *name = getenv("PITH_ISA_MAX");
        int isa = name ? pithi_isa_find(name) : PITHI_ISA_LIMIT_NONE;
        ctx->isa_limit = isa >= 0 ? isa : PITHI_ISA_LIMIT_NONE;
    }
    return ctx->isa_limit;
}

pith_status pith_ctx_set_isa_limit(pith_ctx *ctx, const char *isa)
{
    int found = isa ? pithi_isa_find(isa) : PITHI_ISA_LIMIT_NONE;
    char names[200] = "";
    for (int i = 0; found < 0 && isa && i < pithi_isa_count(); i++) {
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", pithi_isa_name(i));
    }
    PITH_CHECK(ctx, !isa || found >= 0, PITH_STATUS_ARG, "unknown instruction set '%s'; this build has %s", isa, names);
    ctx->isa_limit = found;
    return PITH_OK;
}

int pithi_isa_best(int limit)
{
    int isa = limit >= 0 ? limit : pithi_isa_count() - 1;
    while (isa > 0 && !pithi_isa_is_available(isa)) {
        isa--;
    }
    return isa;
}

const char *pith_ctx_isa(const pith_ctx *ctx)
{
    return pithi_isa_name(pithi_isa_best(pithi_isa_limit((pith_ctx *)(uintptr_t)ctx)));
}

int pith_ctx_has_float16(const pith_ctx *ctx)
{
    return pithi_gemm_f16(pithi_isa_limit((pith_ctx *)(uintptr_t)ctx)) != NULL;
}
