"""results.py RECORDS HEAD FOLDER: what the benchmarks recorded, as FOLDER/RESULTS.md and FOLDER/results.svg.

RECORDS: a folder of files with lines of bench_common.record(), one for each benchmark.  HEAD: a file with machine, versions and commands;
FOLDER/REASONS.md, written by hand, goes behind the table.  The ratio is the median of the
peer's seconds by that of segmpi's; the picture has one bar for each."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

PLOT = """set terminal svg size 1000,{height} font "Helvetica,13" background "white"
set output "{out}"
set datafile separator "\\t"
set logscale x 2
set xlabel "times as fast as the peer"
set ytics nomirror
set xtics nomirror 4
set border 3
set grid xtics lc rgb "#dddddd"
set yrange [-0.7:{last}]
set style fill solid
unset key
set arrow from 1,graph 0 to 1,graph 1 nohead lc rgb "#888888"
plot "-" using ($2):0:(1):($2):($0-0.35):($0+0.35):ytic(1) with boxxyerror lc rgb "#4477aa", "-" using (($2 > 1 ? $2 : 1)*1.04):0:(sprintf("%.3g", $2)) with labels left font ",11"
{rows}
e
{rows}
e
"""


def seconds_text(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g}, {len(values)})"


def rows_of(records):
    """[work, segmpi, peer, seconds, ratio, bar] for each peer of each record"""
    for record in records:
        ours = record["seconds"]["segmpi"]
        for peer, values in record["seconds"].items():
            if not peer.startswith("segmpi"):
                yield (record["work"], seconds_text(ours), peer, seconds_text(values),
                       statistics.median(values) / statistics.median(ours), record["bars"].get(peer))


def verdict(ratio, bar):
    return "" if bar is None else f"{bar}: {'reached' if ratio >= bar else 'missed'}"


def table(rows):
    yield "| work | segmpi, seconds: median (range, runs) | peer | seconds | ratio | asked for |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for work, ours, peer, theirs, ratio, bar in rows:
        yield f"| {work} | {ours} | {peer} | {theirs} | {ratio:.3g} | {verdict(ratio, bar)} |"


def further(records):
    """Variants of segmpi itself, and remarks."""
    for record in records:
        variants = [f"{name} {seconds_text(values)} s" for name, values in record["seconds"].items()
                    if name.startswith("segmpi,") or name.startswith("segmpi ")]
        remarks = "; ".join([*variants, *([record["notes"]] if record["notes"] else [])])
        if remarks:
            yield f"- {record['work']}: {remarks}."


def draw(rows, out):
    shown = [f"{peer}: {work}\t{ratio:.4g}" for work, _, peer, _, ratio, _ in reversed(rows)]
    script = PLOT.format(height=90 + 24 * len(shown), out=out, last=len(shown) - 0.3, rows="\n".join(shown))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def commits(names, records):
    """Which commit each benchmark ran on, in few words."""
    found = {}
    for name, record in zip(names, records):
        found.setdefault(record["commit"], []).append(name)
    if len(found) == 1:
        return f"- segmpi: commit {next(iter(found))}"
    return "- segmpi: " + "; ".join(f"commit {commit}: {', '.join(dict.fromkeys(of))}" for commit, of in found.items())


def main():
    names, records = [], []
    for path in sorted(Path(sys.argv[1]).iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            names.append(path.name)
            records.append(json.loads(line))
    head, folder = Path(sys.argv[2]).read_text(encoding="utf-8"), Path(sys.argv[3])
    rows = list(rows_of(records))
    lines = ["# Benchmarks", "", head.rstrip(), "", commits(names, records), "", "![Ratios of seconds](results.svg)", "", *table(rows), "", *further(records), ""]
    lines.append((folder / "REASONS.md").read_text(encoding="utf-8"))
    (folder / "RESULTS.md").write_text("\n".join(lines), encoding="utf-8")
    draw(rows, folder / "results.svg")


if __name__ == "__main__":
    main()
