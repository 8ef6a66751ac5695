# SPDX-License-Identifier: Apache-2.0
"""Tables, JSON and a plot from the stored results of compare.py."""
import json
import math

ENGINES = ["pith", "onnxruntime", "openvino", "ncnn", "mnn", "litert", "opencv"]
AGREES = 1e-3  # an engine whose outputs are further away than this computes something else


def peers_of(row):
    """Times of the peers that ran and agree."""
    return {name: result["ms"] for name, result in row["engines"].items()
            if name != "pith" and "ms" in result and result.get("difference", 0) < AGREES}


def ratio(row):
    """Best peer over pith; None where one of them is missing."""
    peers, ours = peers_of(row), row["engines"]["pith"].get("ms")
    return min(peers.values()) / ours if peers and ours else None


def mean(values):
    values = [value for value in values if value]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def number(value):
    return "-" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def line(row):
    cells = [f"{name} {number(result.get('ms'))}" for name, result in row["engines"].items() if "ms" in result]
    found = ratio(row)
    return f"{row['network']:44} {row['threads']} thread(s)  {'  '.join(cells)}  best peer / pith {found:.2f}" if found else \
        f"{row['network']:44} {row['threads']} thread(s)  {'  '.join(cells)}"


def load(out):
    rows = [json.loads(path.read_text()) for path in sorted((out / "results").glob("*.json"))]
    return sorted(rows, key=lambda row: (row["threads"], row["network"]))


def markdown(header, lines):
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header)] + ["| " + " | ".join(cells) + " |" for cells in lines]) + "\n"


def times_table(rows, peak):
    lines = []
    for row in rows:
        peers, results = peers_of(row), row["engines"]
        best = min(peers, key=peers.get) if peers else None
        cells = []
        for name in ENGINES:
            text = number(results.get(name, {}).get("ms"))
            wrong = results.get(name, {}).get("difference", 0) >= AGREES
            cells.append(f"**{text}**" if name == best else f"({text})" if wrong and text != "-" else text)
        found = ratio(row)
        lines.append([row["network"], f"{row['macs'] / 1e6:.1f}" if row.get("macs") else "-", *cells, f"{found:.2f}" if found else "-",
                      share_of(row, peak)])
    return markdown(["network", "MMAC", *(f"{name} ms" for name in ENGINES), "best peer / pith", "of peak"], lines)


def start_of(result):
    return result["load_ms"] + result["first_ms"]


def start_line(row):
    cells = [f"{name} {start_of(result):.1f} ms {result['peak_mb']:.1f} MB" for name, result in row["engines"].items() if "peak_mb" in result]
    return f"{row['network']:32} {row['threads']} thread(s)  " + "  ".join(cells)


def share_of(row, peak):
    """Direct multiply-adds over time as a share of the peak of so many cores."""
    ours = row["engines"]["pith"].get("ms") if row else None
    if not ours or not row.get("macs"):
        return "-"
    return f"{100 * 2e-6 * row['macs'] / ours / (peak * row['threads']):.0f} %"


def brief(ms):
    return f"{ms:.0f}" if ms >= 10 else f"{ms:.1f}" if ms >= 1 else f"{ms:.2f}"


def overview_table(rows, peak):
    """One line per network: pith, its best peer and how they compare, for each number of threads; memory and start with the fewest."""
    counts = sorted({row["threads"] for row in rows})
    header, lines = ["network"], []
    for threads in counts:
        header += [f"pith, {threads} T", "best peer", "peer / pith", "of peak"]
    header += ["MB: pith, least peer", "start ms: pith, least peer"]
    for name in sorted({row["network"] for row in rows}):
        found = {row["threads"]: row for row in rows if row["network"] == name}
        cells = [name]
        for threads in counts:
            row = found.get(threads)
            peers = peers_of(row) if row else {}
            ours = row["engines"]["pith"].get("ms") if row else None
            best = min(peers, key=peers.get) if peers else None
            value = ratio(row) if row else None
            cells += [number(ours), f"{best} {number(peers[best])}" if best else "-", f"{value:.2f}" if value else "-", share_of(row, peak)]
        row = found[min(found)]
        others = [row["engines"][peer] for peer in peers_of(row)]
        mine = row["engines"]["pith"]
        if others and "ms" in mine:
            cells += [f"{mine['peak_mb']:.0f}, {min(result['peak_mb'] for result in others):.0f}",
                      f"{brief(start_of(mine))}, {brief(min(map(start_of, others)))}"]
        else:
            cells += ["-", "-"]
        lines.append(cells)
    return markdown(header, lines)


def start_table(rows):
    def cell(result):
        if "ms" not in result:
            return "-"
        return f"{result['peak_mb']:.0f} / {start_of(result):.0f}"
    return markdown(["network", *ENGINES], [[row["network"], *(cell(row["engines"].get(name, {})) for name in ENGINES)] for row in rows])


def library_table(rows):
    lines = []
    for name in ENGINES:
        found = [row["engines"][name] for row in rows if "ms" in row["engines"].get(name, {})]
        if found:
            size, imports = max(result["library_mb"] for result in found), sorted(result["import_ms"] for result in found)
            lines.append([name, f"{size:.1f}", f"{imports[len(imports) // 2]:.0f}"])
    return markdown(["engine", "MB of shared libraries in the process", "ms to import"], lines)


def missing(rows):
    lines = []
    for row in rows:
        for name, result in row["engines"].items():
            if "ms" not in result:
                lines.append(f"- {row['network']}, {name}: {' '.join(result.get('error', 'no result').split())}")
            elif result.get("difference", 0) >= AGREES:
                lines.append(f"- {row['network']}, {name}: outputs differ by {result['difference']:.2g} of the largest value")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def summary(rows):
    against = {name: mean([row["engines"][name]["ms"] / row["engines"]["pith"]["ms"] for row in rows
                           if name in peers_of(row) and row["engines"]["pith"].get("ms")]) for name in ENGINES[1:]}
    ratios = {row["network"]: ratio(row) for row in rows if ratio(row)}
    behind = [f"{name} ({value:.2f})" for name, value in sorted(ratios.items(), key=lambda item: item[1]) if value < 1]
    words = f"Geometric mean of best peer / pith over {len(ratios)} networks: {mean(ratios.values()):.2f}. "
    words += "Against each alone: " + ", ".join(f"{name} {value:.2f}" for name, value in against.items() if value == value) + ". "
    return words + ("pith is behind on: " + ", ".join(behind) + "." if behind else "pith is behind on none.") + "\n"


def write(out, peak):
    rows = load(out)
    text = ["# pith and its peers\n", "Medians in milliseconds; the best peer in bold; brackets: outputs don't agree, so not counted. "
            f"Peak: {peak:.1f} GFLOP/s float32 per core, measured; MACs are counted directly, so Winograd can pass 100 %.\n"]
    for threads in sorted({row["threads"] for row in rows}):
        chosen = [row for row in rows if row["threads"] == threads]
        text += [f"## {threads} thread(s)\n", summary(chosen), times_table(chosen, peak)]
    text.insert(2, "## Overview\n\n" + overview_table(rows, peak))
    chosen = [row for row in rows if row["threads"] == rows[-1]["threads"]] if rows else []
    text += ["## Memory and start\n", "Peak resident MB above the bare interpreter / milliseconds of load and first run, "
             f"{chosen[0]['threads'] if chosen else 0} thread(s).\n", start_table(chosen), library_table(chosen),
             "## What is missing\n", missing(rows)]
    (out / "table.md").write_text("\n".join(text))
    (out / "results.json").write_text(json.dumps({"peak_gflops": peak, "rows": rows}, indent=1))
    (out / "plot.svg").write_text(plot([row for row in rows if row["threads"] == rows[0]["threads"]]))


COLOURS = {"onnxruntime": "#3b6fb6", "openvino": "#7a52a8", "ncnn": "#d9822b", "mnn": "#b5403a", "litert": "#6b7785", "opencv": "#a39a3d"}


def plot(rows):
    """Each peer's time over pith's, one line per network, on a logarithmic axis; right of the thick line pith is faster."""
    rows = [row for row in rows if peers_of(row) and row["engines"]["pith"].get("ms")]
    rows.sort(key=lambda row: -ratio(row))
    left, top, step, width = 300, 70, 20, 640
    height = top + step * len(rows) + 40
    low, high = math.log(0.5), math.log(8)

    def at(value):
        return left + width * (min(max(math.log(value), low), high) - low) / (high - low)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 40}" height="{height}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="20" y="26" font-size="16">Time of each peer over the time of pith, {rows[0]["threads"] if rows else 0} thread(s)</text>']
    for i, name in enumerate(ENGINES[1:]):
        parts.append(f'<circle cx="{26 + 110 * i}" cy="46" r="5" fill="{COLOURS[name]}"/><text x="{36 + 110 * i}" y="50">{name}</text>')
    for tick in (0.5, 1, 1.5, 2, 3, 4, 6, 8):
        stroke = 'stroke="#222" stroke-width="2"' if tick == 1 else 'stroke="#ddd"'
        parts.append(f'<line x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{top - 8}" y2="{height - 34}" {stroke}/>'
                     f'<text x="{at(tick):.1f}" y="{height - 16}" text-anchor="middle">{"8 +" if tick == 8 else f"{tick:g}"}</text>')
    for i, row in enumerate(rows):
        y, ours = top + step * i + 6, row["engines"]["pith"]["ms"]
        parts.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{row["network"]}</text>'
                     f'<line x1="{left}" x2="{left + width}" y1="{y}" y2="{y}" stroke="#eee"/>')
        parts += [f'<circle cx="{at(ms / ours):.1f}" cy="{y}" r="5" fill="{COLOURS[name]}" fill-opacity="0.85"/>'
                  for name, ms in peers_of(row).items()]
    return "\n".join(parts + ["</svg>"]) + "\n"
