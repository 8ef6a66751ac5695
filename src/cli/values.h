/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, sequences, optionals and maps: shown, written as JSON or protobuf, read from both. */
#ifndef PITH_CLI_VALUES_H
#define PITH_CLI_VALUES_H

#include "file.h"
#include "json.h"
#include "net.h"

/* False for strings and objects. */
bool cli_value_is_numbers(const pith_tensor *value);
/* Lines of "  name  type  items", further in by `indent`; long lists are cut. */
void cli_value_print(const char *name, const pith_tensor *value, int indent);
/* Everything: tensors as { dtype, shape, values }, sequences as lists, an empty optional as null, maps as
 * { keys, values }. */
void cli_value_write_json(cli_json *json, const char *key, const pith_tensor *value);

/* Reads what the input takes from JSON or protobuf. */
pith_status cli_value_parse(const cli_net *net, const cli_bytes *bytes, bool is_json, const pith_value_info *input,
                            cli_tensor *tensor_out);
/* The same from a .json or .pb file. */
pith_status cli_value_load(const cli_net *net, const char *path, const pith_value_info *input, cli_tensor *tensor_out);
/* All outputs as one JSON object, or the only one as protobuf. */
pith_status cli_values_save(const cli_net *net, const char *path);

#endif
