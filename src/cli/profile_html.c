/* SPDX-License-Identifier: Apache-2.0 */
/* pith profile --html: profile_report.html with the JSON of the profile in its place. */
#include "html.h"
#include "profile.h"

/* The file's bytes, made by cmake/cli.cmake; a terminating 0 is added. */
static const unsigned char page[] = {
#include "profile_report.inc"
    , 0
};

static void write_json(const void *view, FILE *file) { cli_profile_write_json(view, file); }

pith_status cli_profile_write_html(const cli_profile_view *view, FILE *file)
{
    return cli_html_write(page, write_json, view, file);
}
