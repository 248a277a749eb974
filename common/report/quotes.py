"""Numbers in a paper's README, filled from tables so that they cannot go stale.

A number stands between two comments, which a reader of the rendered page does not see::

    The gain is <!-- number gain -->4.6 %<!-- /number -->.

One more comment, usually at the end of the page, says what each number is::

    <!-- numbers
    gain: [reference/summary.csv, "fraction == 1", "{gain:.1%}"]
    -->

The first item names a table below the paper's folder, the second a `pandas.DataFrame.query` that
selects its rows. The third is a format string that may use the columns of the one row selected,
``{gain:.1%}``, the mean, median, least or largest value of several rows, ``{gain.median:.1%}``, and
how many rows there are, ``{count}``. Columns can be computed before the query:
``"error = abs(found - true); error < 1"``.

``python -m common.report.quotes`` fills the numbers; ``--check`` says which are stale.
"""

import argparse
import re
import sys

import yaml

from common import files
from common.workflow import console, papers

__all__ = ["QuoteError", "fill", "stale"]

_QUOTE = re.compile(r"(<!-- number (?P<name>\S+) -->)(?P<text>.*?)(<!-- /number -->)", re.DOTALL)
_MARK = re.compile(r"<!-- /?number\b")
_DEFINITIONS = re.compile(r"<!-- numbers\n(.*?)-->", re.DOTALL)


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
        If a number is not closed or not defined, or is defined and not used; its table is missing,
        its query selects no row or several, or its format names an unknown column.
    """
    place = f"papers/{paper}/README.md"
    quotes = list(_QUOTE.finditer(text))
    if len(_MARK.findall(text)) != 2 * len(quotes):
        raise QuoteError(
            f"{place}: a <!-- number NAME --> without its <!-- /number -->, or the other way round"
        )
    definitions = _definitions(text, place)
    names = {quote["name"] for quote in quotes}
    if unknown := sorted(names ^ set(definitions)):
        what = "is used and not defined" if unknown[0] in names else "is defined and not used"
        raise QuoteError(f"{place}: the number {unknown[0]!r} {what}")
    try:
        values = {name: _value(*definitions[name], paper) for name in definitions}
    except QuoteError as error:
        raise QuoteError(f"{place}: {error}") from None
    return _QUOTE.sub(lambda match: f"{match[1]}{values[match['name']]}{match[4]}", text)


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


def _definitions(text, place):
    blocks = _DEFINITIONS.findall(text)
    try:
        found = [yaml.safe_load(block) or {} for block in blocks]
    except yaml.YAMLError as error:
        raise QuoteError(f"{place}: <!-- numbers ... --> is not valid YAML: {error}") from None
    definitions = {name: value for block in found for name, value in block.items()}
    for name, value in definitions.items():
        if not (isinstance(value, list) and len(value) == 3 and all(map(_is_text, value))):
            raise QuoteError(f'{place}: {name} is {value!r}, expected [TABLE, "QUERY", "FORMAT"]')
    return definitions


def _is_text(value):
    return isinstance(value, str)


def _value(name, query, pattern, paper):
    path = f"papers/{paper}/{name}"
    if not files.resolve(path).is_file():
        raise QuoteError(f"there is no table {path}")
    table = files.read_csv(path)
    try:
        *assignments, query = map(str.strip, query.split(";"))
        for assignment in assignments:
            table = table.eval(assignment)
        rows = table.query(query) if query else table
    except Exception as error:  # pandas raises what the query's parser and operators raise
        raise QuoteError(f"cannot select {query!r} of {path}: {error}") from None
    if rows.empty and pattern != "{count}":
        raise QuoteError(f"{query!r} selects no row of {path}")
    values = {str(name): _Column(rows[name]) for name in rows} | {"count": len(rows)}
    try:
        text = pattern.format(**values)
    except _SeveralRowsError:
        raise QuoteError(f"{query!r} selects {len(rows)} rows of {path}, one is needed") from None
    except (AttributeError, KeyError, ValueError) as error:
        raise QuoteError(
            f"{pattern!r} does not fit {path}, whose columns are {', '.join(table)}: {error}"
        ) from None
    return re.sub(r"(?<=\d)%", " %", re.sub(r"-(?=\d)", "−", text))


class _SeveralRowsError(Exception):
    """A value was asked for where several rows have one."""


class _Column:
    """A column in a format string: its one value, or a summary of several."""

    def __init__(self, values):
        self._values = values
        if values.dtype.kind in "bfiu" and len(values):
            self.mean, self.median = values.mean(), values.median()
            self.min, self.max = values.min(), values.max()

    def __format__(self, spec):
        if len(self._values) != 1:
            raise _SeveralRowsError
        return format(self._values.iloc[0], spec)


def main(arguments=None):
    """Command line: fill the READMEs, or with ``--check`` name what is stale (exit status 1)."""
    console.accept_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m common.report.quotes")
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
