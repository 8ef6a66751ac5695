/* SPDX-License-Identifier: Apache-2.0 */
/* The error record: the innermost failure writes the message, outer callers put places in front. */
#include <stdio.h>

#include "base/ctx.h"

const char *pith_status_name(pith_status status)
{
    switch (status) {
    case PITH_OK: return "ok";
    case PITH_STATUS_ARG: return "argument";
    case PITH_STATUS_NOMEM: return "out of memory";
    case PITH_STATUS_IO: return "input/output";
    case PITH_STATUS_FORMAT: return "format";
    case PITH_STATUS_UNSUPPORTED: return "unsupported";
    case PITH_STATUS_SHAPE: return "shape";
    case PITH_STATUS_DTYPE: return "dtype";
    case PITH_STATUS_LIMIT: return "limit";
    case PITH_STATUS_STATE: return "state";
    case PITH_STATUS_AUTH: return "authentication";
    case PITH_STATUS_INTERNAL: return "internal";
    }
    return "unknown";
}

/* Names come from files: nothing in a message may steer a terminal or forge a line of a log. */
static void make_printable(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

pith_status pithi_fail(pith_ctx *ctx, pith_status status, const char *format, ...)
{
    if (ctx->error == PITH_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(ctx->message, sizeof ctx->message, format, args);
        va_end(args);
        make_printable(ctx->message);
        ctx->error = status;
    }
    return status;
}

void pithi_add_place(pith_ctx *ctx, const char *format, ...)
{
    char place[256];
    va_list args;
    va_start(args, format);
    vsnprintf(place, sizeof place, format, args);
    va_end(args);
    make_printable(place);
    size_t n_place = strlen(place), n_message = strlen(ctx->message);
    if (n_place + n_message + 3 <= sizeof ctx->message) {
        memmove(ctx->message + n_place + 2, ctx->message, n_message + 1);
        memcpy(ctx->message + n_place, ": ", 2);
    } else { /* the middle goes: the rule stands at the end */
        size_t n_kept = sizeof ctx->message - 1 - n_place - sizeof "... " + 1;
        memmove(ctx->message + n_place + 4, ctx->message + n_message - n_kept, n_kept + 1);
        memcpy(ctx->message + n_place, "... ", 4);
    }
    memcpy(ctx->message, place, n_place);
}

const char *pith_ctx_error(const pith_ctx *ctx)
{
    return ctx->message;
}

void pith_ctx_clear_error(pith_ctx *ctx)
{
    ctx->error = PITH_OK;
    ctx->message[0] = '\0';
}
