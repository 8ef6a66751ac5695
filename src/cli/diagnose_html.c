/* SPDX-License-Identifier: Apache-2.0 */
/* pith diagnose --html: diagnose_report.html with the JSON of the report in its place. */
#include <errno.h>

#include "html.h"

/* The file's bytes, made by cmake/cli.cmake; a terminating 0 is added. */
static const unsigned char page[] = {
#include "diagnose_report.inc"
    , 0
};

static void write_json(const void *diagnosis, FILE *file) { cli_diagnose_write_json(diagnosis, file); }

pith_status cli_diagnose_write_html(const cli_diagnosis *diagnosis, const char *path)
{
    FILE *file = fopen(path, "w");
    CLI_CHECK(file, PITH_STATUS_IO, "can't write '%s': %s", path, strerror(errno));
    pith_status status = cli_html_write(page, write_json, diagnosis, file);
    bool is_written = !ferror(file);
    is_written = fclose(file) == 0 && is_written;
    CLI_TRY(status);
    CLI_CHECK(is_written, PITH_STATUS_IO, "can't write all of '%s': %s", path, strerror(errno));
    return PITH_OK;
}
