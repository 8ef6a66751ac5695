/* SPDX-License-Identifier: Apache-2.0 */
/* Reports as one HTML file: a page with data as JSON in it. */
#ifndef PITH_CLI_HTML_H
#define PITH_CLI_HTML_H

#include "diagnose.h"

/* The page with @DATA@ replaced by what `write_json` writes. */
pith_status cli_html_write(const unsigned char *page, void (*write_json)(const void *subject, FILE *file),
                           const void *subject, FILE *file);
pith_status cli_diagnose_write_html(const cli_diagnosis *diagnosis, const char *path);

#endif
