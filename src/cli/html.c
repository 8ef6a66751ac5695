/* SPDX-License-Identifier: Apache-2.0 */
#include "html.h"

#include <stdlib.h>

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

pith_status cli_html_write(const unsigned char *page, void (*write_json)(const void *subject, FILE *file),
                           const void *subject, FILE *file)
{
    static const char mark[] = "@DATA@";
    const char *at = strstr((const char *)page, mark);
    char *text = NULL;
    size_t n_bytes = 0;
    CLI_CHECK(at, PITH_STATUS_INTERNAL, "the report's template lacks %s", mark);
    FILE *memory = open_memstream(&text, &n_bytes);
    CLI_CHECK(memory, PITH_STATUS_NOMEM, "no memory for the report");
    write_json(subject, memory);
    bool is_written = !ferror(memory);
    is_written = fclose(memory) == 0 && is_written;
    if (is_written) {
        fwrite(page, 1, (size_t)(at - (const char *)page), file);
        write_escaped(text, file);
        fputs(at + strlen(mark), file);
    }
    free(text);
    CLI_CHECK(is_written, PITH_STATUS_NOMEM, "no memory for the report");
    return PITH_OK;
}
