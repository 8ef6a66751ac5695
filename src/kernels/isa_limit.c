/* SPDX-License-Identifier: Apache-2.0 */
/* The context's cap on instruction sets: from the environment, or set by the caller. */
#include <stdlib.h>

#include "base/ctx.h"
#include "kernels/kernel.h"

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
    PITH_CHECK(
        ctx, !isa || found >= 0, PITH_STATUS_ARG,
        "unknown instruction set '%s'; this build has portable and the folders of src/kernels for this CPU family",
        isa);
    ctx->isa_limit = found;
    return PITH_OK;
}

const char *pith_ctx_isa(const pith_ctx *ctx)
{
    int limit = pithi_isa_limit((pith_ctx *)(uintptr_t)ctx);
    int isa = limit >= 0 ? limit : pithi_isa_count() - 1;
    while (isa > 0 && !pithi_isa_is_available(isa)) {
        isa--;
    }
    return pithi_isa_name(isa);
}
