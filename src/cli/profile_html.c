/* SPDX-License-Identifier: Apache-2.0 */
/* pith profile --html: profile_report.html with the JSON of the profile in its place. */
#include <stdlib.h>

#include "profile.h"

/* The file's bytes, made by cmake/cli.cmake; a terminating 0 is added. */
static const unsigned char report_bytes[] = {
#include "profile_report.inc"
    , 0
};

/* JSON inside of a script element: "</script>" and "<!--" must not appear in it. */
static void write_escaped(const char *text, FILE *file)
{
    for (; *text; text++) {
        if (*text == '<') {
            fputs("\\u003c", file);
        } else {
            fputc(*text, file);
        }
    }
}

pith_status cli_profile_write_html(const cli_profile_view *view, FILE *file)
{
    static const char mark[] = "@PROFILE@";
    const char *report = (const char *)report_bytes;
    const char *at = strstr(report, mark);
    char *text = NULL;
    size_t n_bytes = 0;
    CLI_CHECK(at, PITH_STATUS_INTERNAL, "the report's template lacks %s", mark);
    FILE *memory = open_memstream(&text, &n_bytes);
    CLI_CHECK(memory, PITH_STATUS_NOMEM, "no memory for the report");
    cli_profile_write_json(view, memory);
    bool is_written = !ferror(memory);
    is_written = fclose(memory) == 0 && is_written;
    if (is_written) {
        fwrite(report, 1, (size_t)(at - report), file);
        write_escaped(text, file);
        fputs(at + strlen(mark), file);
    }
    free(text);
    CLI_CHECK(is_written, PITH_STATUS_NOMEM, "no memory for the report");
    return PITH_OK;
}
