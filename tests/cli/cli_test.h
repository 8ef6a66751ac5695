/* SPDX-License-Identifier: Apache-2.0 */
/* Checks for code of the tool, which has its own error record. */
#ifndef PITH_TESTS_CLI_TEST_H
#define PITH_TESTS_CLI_TEST_H

#include "cli/cli.h"
#include "support/test.h"

/* Fails with the tool's message unless the status is PITH_OK. */
#define CLI_TEST_OK(test, expression)                                                              \
    do {                                                                                           \
        pith_status cli_status_ = (expression);                                                    \
        TEST_CHECK_MESSAGE((test), cli_status_ == PITH_OK, "%s: %s", #expression, cli_error());    \
        cli_clear_error();                                                                         \
    } while (0)

/* Fails unless the status is `wanted` and the tool's message contains `part`. */
#define CLI_TEST_STATUS(test, expression, wanted, part)                                            \
    do {                                                                                           \
        pith_status cli_status_ = (expression);                                                    \
        TEST_CHECK_MESSAGE((test), cli_status_ == (wanted), "%s gives '%s', not '%s'", #expression, \
                           pith_status_name(cli_status_), pith_status_name(wanted));               \
        TEST_CHECK_MESSAGE((test), strstr(cli_error(), (part)) != NULL, "message \"%s\" lacks \"%s\"", \
                           cli_error(), (part));                                                   \
        cli_clear_error();                                                                         \
    } while (0)

#endif
