"""The toy paper's library: a test copies it to ``common/toy.py``. Light to import."""

import json

from common import files

BASE = 10


def read_numbers(path):
    """Numbers of a one-column table, without its heading."""
    return [int(line) for line in files.require(path).read_text().split()[1:]]


def read(path):
    """JSON that another step wrote."""
    return json.loads(files.require(path).read_text())


def write(path, value):
    """Write JSON."""
    files.write_json(path, value)


def score(values, *, method, seed, factor):
    """Score of a method; only the notebook that computes scores uses it."""
    return factor * {"sum": sum, "max": max}[method](values) + seed


def draw(svg, heights):
    """Draw bars as the smallest possible SVG, its numbers, and the picture that is its preview."""
    bars = "".join(f"<rect x='{i}' width='1' height='{h}'/>" for i, h in enumerate(heights))
    files.write_text(svg, f"<svg xmlns='http://www.w3.org/2000/svg'>{bars}</svg>\n")
    table = "".join(f"{i},{float(h)}\n" for i, h in enumerate(heights))
    files.write_text(files.resolve(svg).with_suffix(".csv"), f"bar,score\n{table}")
    files.write_text(files.resolve(svg).with_suffix(".png"), f"not really a picture {heights}\n")


def write_claims(path, rows):
    """One claim a row, with the columns that `common.report.claims.write` writes."""
    header = "paper,scale,statement,source,evidence,published,ours,low,high,unit,rule,outcome,"
    header += "reason\n"
    text = ""
    for row in rows:
        outcome = "reproduced" if row["score"] > 0 else "contradicted"
        statement = f"The {row['method']} is above 0 (seed {row['seed']})."
        text += (
            f"toy,embedded,{statement},text,stand-in data,,{row['score']},,,,above 0,{outcome},\n"
        )
    files.write_text(path, header + text)
