/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PITH_CLI_OPERATORS_H
#define PITH_CLI_OPERATORS_H

#include "cli.h"

/* Lists all operators with versions, element types and whether there is a fast path. */
void cli_print_operators(bool as_json);

#endif
