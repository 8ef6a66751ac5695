/* SPDX-License-Identifier: Apache-2.0 */
/* pith info --operators: the operators of this build. */
#include "operators.h"

#include "json.h"

/* ---- words -------------------------------------------------------------------------------- */

static bool is_member(const pith_dtype *dtypes, int n, uint32_t mask)
{
    for (int i = 0; i < n; i++) {
        if (!(mask >> dtypes[i] & 1u)) {
            return false;
        }
    }
    return true;
}

/* Element types in groups, "float int bool". */
static void print_dtypes(uint32_t mask)
{
    static const struct {
        const char *name;
        int n;
        pith_dtype dtypes[8];
    } groups[] = {
        { "float", 4, { PITH_DTYPE_F32, PITH_DTYPE_F16, PITH_DTYPE_BF16, PITH_DTYPE_F64 } },
        { "f8", 4, { PITH_DTYPE_F8E4M3FN, PITH_DTYPE_F8E4M3FNUZ, PITH_DTYPE_F8E5M2, PITH_DTYPE_F8E5M2FNUZ } },
        { "f6", 2, { PITH_DTYPE_F6E2M3, PITH_DTYPE_F6E3M2 } },
        { "int", 8, { PITH_DTYPE_S8, PITH_DTYPE_U8, PITH_DTYPE_S16, PITH_DTYPE_U16, PITH_DTYPE_S32, PITH_DTYPE_U32,
                      PITH_DTYPE_S64, PITH_DTYPE_U64 } },
        { "int4", 2, { PITH_DTYPE_S4, PITH_DTYPE_U4 } },
        { "int2", 2, { PITH_DTYPE_S2, PITH_DTYPE_U2 } },
        { "complex", 2, { PITH_DTYPE_C64, PITH_DTYPE_C128 } },
    };
    for (int i = 0; i < CLI_COUNT(groups); i++) {
        if (is_member(groups[i].dtypes, groups[i].n, mask)) {
            printf(" %s", groups[i].name);
            for (int k = 0; k < groups[i].n; k++) {
                mask &= ~(1u << groups[i].dtypes[k]);
            }
        }
    }
    for (int dtype = PITH_DTYPE_NONE + 1; dtype < PITH_DTYPE_COUNT; dtype++) {
        if (mask >> dtype & 1u) {
            printf(" %s", pith_dtype_name((pith_dtype)dtype));
        }
    }
}

static void print_words(void)
{
    printf("%s%-28s %-48s %s%s\n", cli_colour_on(CLI_STRONG), "operator", "in files, from version", "types of inputs",
           cli_colour_off());
    for (int i = 0; i < pith_operator_count(); i++) {
        const pith_operator op = pith_operator_at(i);
        char names[256] = "";
        for (int k = 0, at = 0; k < op.n_spellings && at < (int)sizeof names; k++) {
            const pith_operator_spelling row = pith_operator_spelling_at(i, k);
            at += snprintf(names + at, sizeof names - (size_t)at, "%s%s%s%s %d", k ? ", " : "", row.domain,
                           row.domain[0] ? "." : "", row.name, row.since);
        }
        printf("%-28s %-48s", op.name, names[0] ? names : "(made by passes)");
        for (int k = 0; k < op.n_inputs; k++) {
            const pith_operator_operand input = pith_operator_input(i, k);
            if (k > 0 && input.dtypes == pith_operator_input(i, k - 1).dtypes) {
                continue;
            }
            printf("%s%s:", k ? ";  " : " ", input.name);
            print_dtypes(input.dtypes);
        }
        printf("%s\n", op.has_fast_path ? "" : "  (reference)");
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void write_operand(cli_json *json, const pith_operator_operand *operand)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "name", operand->name);
    cli_json_bool(json, "optional", operand->is_optional);
    cli_json_bool(json, "variadic", operand->is_variadic);
    cli_json_list(json, "dtypes");
    for (int dtype = PITH_DTYPE_NONE + 1; dtype < PITH_DTYPE_COUNT; dtype++) {
        if (operand->dtypes >> dtype & 1u) {
            cli_json_text(json, NULL, pith_dtype_name((pith_dtype)dtype));
        }
    }
    cli_json_end(json);
    cli_json_end(json);
}

static void write_operator(cli_json *json, int index)
{
    const pith_operator op = pith_operator_at(index);
    cli_json_object(json, NULL);
    cli_json_text(json, "name", op.name);
    cli_json_bool(json, "fast_path", op.has_fast_path);
    cli_json_whole(json, "samples", op.n_samples);
    cli_json_list(json, "spellings");
    for (int k = 0; k < op.n_spellings; k++) {
        const pith_operator_spelling row = pith_operator_spelling_at(index, k);
        cli_json_object(json, NULL);
        cli_json_text(json, "format", row.format);
        cli_json_text(json, "domain", row.domain);
        cli_json_text(json, "name", row.name);
        cli_json_whole(json, "since", row.since);
        cli_json_end(json);
    }
    cli_json_end(json);
    cli_json_list(json, "inputs");
    for (int k = 0; k < op.n_inputs; k++) {
        const pith_operator_operand input = pith_operator_input(index, k);
        write_operand(json, &input);
    }
    cli_json_end(json);
    cli_json_list(json, "outputs");
    for (int k = 0; k < op.n_outputs; k++) {
        const pith_operator_operand output = pith_operator_output(index, k);
        write_operand(json, &output);
    }
    cli_json_end(json);
    cli_json_end(json);
}

void cli_print_operators(bool as_json)
{
    if (!as_json) {
        print_words();
        return;
    }
    cli_json json = { .file = stdout };
    cli_json_list(&json, NULL);
    for (int i = 0; i < pith_operator_count(); i++) {
        write_operator(&json, i);
    }
    cli_json_end(&json);
}
