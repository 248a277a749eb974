"""Numbers in a paper's README, filled from tables so that they cannot go stale.

A number stands between two comments, which a reader of the rendered page does not see::

    <!-- number reference/summary.csv "fraction == 1" "{gain:.1%}" -->4.6 %<!-- /number -->

The first names a table below the paper's folder, a `pandas.DataFrame.query` that selects its rows,
and a format string that may use the columns of the one row selected, or ``count``, how many rows
there are.
``python -m common.quotes`` fills them; ``--check`` says which are stale.
"""

import argparse
import re
import shlex
import sys

from common import files, papers

__all__ = ["QuoteError", "fill", "stale"]

_QUOTE = re.compile(r"(<!-- number (?P<call>.*?) -->)(?P<text>.*?)(<!-- /number -->)", re.DOTALL)
_MARK = re.compile(r"<!-- /?number\b")


class QuoteError(ValueError):
    """A quoted number cannot be filled; the message names the file, the line and what is wrong."""


def fill(text, *, paper):
    """Fill the quoted numbers of a text.

    Parameters
    ----------
    text : str
    paper : str
        Folder below ``papers/`` in which tables are looked up.

    Returns
    -------
    text : str

    Raises
    ------
    QuoteError
        If a quote is not closed or has another form, its table is missing, its query selects no
        row or several, or its format names an unknown column.
    """
    if len(_MARK.findall(text)) != 2 * len(_QUOTE.findall(text)):
        raise QuoteError(
            f"papers/{paper}/README.md: a <!-- number ... --> without its <!-- /number -->, "
            "or the other way round"
        )

    def replace(match):
        line = text.count("\n", 0, match.start()) + 1
        try:
            return match[1] + _value(match["call"], paper) + match[4]
        except QuoteError as error:
            raise QuoteError(f"papers/{paper}/README.md, line {line}: {error}") from None

    return _QUOTE.sub(replace, text)


def stale(paper):
    """Quoted numbers of a README that are not those of its tables.

    Parameters
    ----------
    paper : str

    Returns
    -------
    changes : list of str
        ``old → new``, in the order of the text.

    Raises
    ------
    QuoteError
        As `fill`.
    """
    text = files.resolve(f"papers/{paper}/README.md").read_text(encoding="utf-8")
    now, then = (_QUOTE.finditer(one) for one in (fill(text, paper=paper), text))
    pairs = [(old["text"], new["text"]) for old, new in zip(then, now, strict=True)]
    return [f"{old} → {new}" for old, new in pairs if old != new]


def _value(call, paper):
    parts = shlex.split(call)
    if len(parts) != 3:
        raise QuoteError(f'expected TABLE "QUERY" "FORMAT", found {call}')
    name, query, pattern = parts
    path = f"papers/{paper}/{name}"
    if not files.resolve(path).is_file():
        raise QuoteError(f"there is no table {path}")
    table = files.read_csv(path)
    try:
        rows = table.query(query) if query else table
    except Exception as error:  # pandas raises what the query's parser and operators raise
        raise QuoteError(f"cannot select {query!r} of {path}: {error}") from None
    values = {"count": len(rows)}
    if re.search(r"\{(?!count\b)", pattern):
        if len(rows) != 1:
            raise QuoteError(f"{query!r} selects {len(rows)} rows of {path}, one is needed")
        values |= rows.iloc[0].to_dict()
    try:
        text = pattern.format(**values)
    except (KeyError, ValueError) as error:
        raise QuoteError(
            f"{pattern!r} does not fit {path}, whose columns are {', '.join(table)}: {error}"
        ) from None
    return re.sub(r"-(?=\d)", "−", text).replace("%", " %")


def main(arguments=None):
    """Command line: fill the READMEs, or with ``--check`` name what is stale (exit status 1)."""
    parser = argparse.ArgumentParser(prog="python -m common.quotes")
    parser.add_argument("papers", nargs="*", help="folders below papers/; none: all")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    n_stale = 0
    try:
        for paper in options.papers or papers.names():
            for change in stale(paper):
                n_stale += 1
                print(f"papers/{paper}/README.md: {change}", file=sys.stderr)
            if not options.check:
                readme = f"papers/{paper}/README.md"
                text = files.resolve(readme).read_text(encoding="utf-8")
                files.write_text(readme, fill(text, paper=paper))
    except QuoteError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if options.check and n_stale else 0


if __name__ == "__main__":
    sys.exit(main())
