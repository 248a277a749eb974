"""How a table becomes the text of a csv file, and how what pandas loses of it is found again.

Text that looks like something else (``NA``, ``01``, ``True``) stands in quotation marks, which
pandas does not honour when it reads. `common.files` writes and reads with these.
"""

import csv
import io
import re

import numpy as np

__all__ = ["defect", "restore", "to_text"]

# Words that pandas reads as missing, as a truth value or as a number.
_WORDS = {
    *("", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "1.#ind", "1.#qnan", "<na>", "n/a"),
    *("na", "null", "none", "nan", "-nan", "true", "false"),
}
_SPECIAL = re.compile('[",\n\r]')
_MARK = "\x1a"  # before text that was in quotation marks, while pandas reads the others
_FIELD = re.compile(r'(?<![^,\n\r])"([^"]*(?:""[^"]*)*)"')


def to_text(table, *, name):
    """Text of a csv file that reads back to the same table.

    Parameters
    ----------
    table : pandas.DataFrame
    name : str
        Of the file, for messages.

    Returns
    -------
    text : str

    Raises
    ------
    ValueError
        If a column would not read back as it is, see `common.files.write_csv`.
    """
    named = any(name is not None for name in table.index.names)
    columns = [(column, table.iloc[:, i]) for i, column in enumerate(table.columns)]
    if named:
        index = table.index
        columns[:0] = [(index.names[i], index.get_level_values(i)) for i in range(index.nlevels)]
    ways = [_way(column, values, name, alone=len(columns) == 1) for column, values in columns]
    if table.columns.nlevels > 1 or not any(ways):
        return table.to_csv(index=named, lineterminator="\n")
    cells = [_cells(values, way) for (_, values), way in zip(columns, ways, strict=True)]
    if len(cells) == 1:  # an empty line is none
        cells = [[cell or '""' for cell in cells[0]]]
    rows = [
        [
            "" if column is None else _quoted(str(column), always=way == "all", like_text=True)
            for (column, _), way in zip(columns, ways, strict=True)
        ]
    ]
    rows += zip(*cells, strict=True)
    return "".join(",".join(row) + "\n" for row in rows)


def defect(text):
    """What is wrong with a table's text: every line must have as many fields as the first one.

    Parameters
    ----------
    text : str

    Returns
    -------
    defect : tuple of str or None
        What is wrong and, where it is known, what to do about it. None if nothing is.
    """
    first = text.partition("\n")[0]
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if "," not in first and mark in first:
            return (
                f"is separated by {name} ({first.strip()[:60]!r}), not by commas",
                "Save it with commas, and numbers with a decimal point",
            )
    lines = list(_lines(text))
    if text.count('"') % 2:
        return (f"has a quotation mark that does not end, from line {lines[-1][0]} on",)
    for line, n_fields, expected in lines:
        if n_fields != expected:
            return (
                f"has {n_fields} fields in line {line}, but {expected} names in its first line: "
                "that line is cut short, or has a comma too many or too few",
            )
    return None


def restore(table, text, options):
    """Give columns back the text and the whole numbers that pandas took for something else.

    Parameters
    ----------
    table : pandas.DataFrame
        As pandas has read it; changed in place.
    text : str
        What pandas has read.
    options : dict
        With which it has.

    Returns
    -------
    table : pandas.DataFrame
        The same object.
    """
    _keep_text(table, text, options)
    _keep_whole_numbers(table, text, options)
    return table


def _looks_otherwise(text):
    """Whether text without quotation marks would be read as something else."""
    bare = text.strip()
    if bare.casefold() in _WORDS or text.startswith(_MARK):
        return True
    try:
        float(bare)
    except ValueError:
        return False
    return True


def _way(column, values, file, *, alone):
    """How a column is written: "" as pandas does, "ambiguous" or "all" text in quotation marks."""
    import pandas as pd

    column = f"column {column!r} of {file}"
    if values.dtype.kind in "mMc" or isinstance(values.dtype, pd.PeriodDtype):
        raise ValueError(
            f"{column} is of type {values.dtype}, which a csv file does not keep. Write it as text "
            "or numbers, for example table.astype({...: str})."
        )
    if not (values.dtype == object or pd.api.types.is_string_dtype(values.dtype.type)
            or isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype)):  # fmt: skip
        return ""
    different = filter(_there, np.asarray(values, dtype=object))
    different = list({(type(value), str(value)): value for value in different}.values())
    texts = [str(value) for value in different if not _is_number(value)]
    if alone and "" in texts:
        raise ValueError(f"{column} holds empty text, which a table of one column cannot keep.")
    if texts and len(texts) < len(different):
        return "all"
    return "ambiguous" if any(_looks_otherwise(text) or "\r" in text for text in texts) else ""


def _there(value):
    missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    return not (missing or (isinstance(value, float) and value != value))


def _is_number(value):
    return isinstance(value, bool | int | float | np.number | np.bool_)


def _cells(values, way):
    import pandas as pd

    if way:
        return [_cell(value, always=way == "all") for value in values]
    # As pandas writes them; the zeros keep it from marking what is missing in a single column.
    pair = pd.DataFrame({"values": pd.Series(values).reset_index(drop=True)}).assign(zeros=0)
    text = pair.to_csv(index=False, header=False, lineterminator="\n")
    found, start = [], 0
    while start < len(text):
        quoted = text[start] == '"'
        stop = _FIELD.match(text, start).end() if quoted else text.index(",", start)
        found.append(text[start:stop])
        start = stop + len(",0\n")
    return found


def _cell(value, *, always):
    if not _there(value):
        return ""
    if _is_number(value):
        return repr(value.item() if isinstance(value, np.generic) else value)
    return _quoted(str(value), always=always)


def _quoted(text, *, always=False, like_text=False):
    if always or _SPECIAL.search(text) or (_looks_otherwise(text) and not like_text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _lines(text):
    """Number of the line, of its fields and of the first one's, for each that is not empty."""
    if '"' not in text:
        lines = text.split("\n")
        n_fields = lines[0].count(",") + 1
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line.count(",") + 1, n_fields
        return
    reader, number, n_fields = csv.reader(io.StringIO(text, newline="")), 1, None
    for row in reader:
        n_fields = n_fields or len(row)
        if row:
            yield number, len(row), n_fields
        number = reader.line_num + 1


def _keep_text(table, text, options):
    """Give columns back the text that was in quotation marks, where pandas took it for more."""
    import pandas as pd

    head = re.match(r'(?:[^"\n]|"[^"]*")*\n', text)
    body = text[head.end() :] if head else ""
    fields = _FIELD.findall(body) if '"' in body else []
    if not fields or not ('"' in head[0] or any(map(_looks_otherwise, fields))):
        return
    n_names = head[0].count(",") + 1
    everything = head[0].count('"') == 2 * n_names
    if everything and len(fields) == sum(n for _, n, _ in _lines(text)) - n_names:
        return  # whether it looks like text or not
    names_quoted = {name.replace('""', '"') for name in _FIELD.findall(head[0])}
    marked = head[0] + _FIELD.sub(lambda field: f'"{_MARK}{field[1]}"', body)
    raw = pd.read_csv(
        io.StringIO(marked, newline=""), **options | {"dtype": str, "keep_default_na": False}
    )
    asked = options.get("dtype") or {}
    for name in raw.columns:
        free = isinstance(asked, dict) and name not in asked
        kind = asked.get(name, str) if isinstance(asked, dict) else asked
        cells = raw[name].tolist()
        quoted = [cell.startswith(_MARK) for cell in cells]
        cells = [cell.removeprefix(_MARK) for cell in cells]
        if raw.shape[1] == 1:  # what is missing in a single column is written as empty text
            quoted = [q and cell != "" for q, cell in zip(quoted, cells, strict=True)]
        if kind not in (str, object, "str") or not any(quoted):
            continue
        missing = table[name].isna() & ~np.array(quoted)
        triples = list(zip(cells, quoted, missing, strict=True))
        others = [cell for cell, q, m in triples if not (q or m)]
        mixed = name in names_quoted and free and others and all(map(_looks_otherwise, others))
        found = [
            np.nan if m else _number(cell) if mixed and not q else cell for cell, q, m in triples
        ]
        table[name] = pd.Series(found, index=table.index, dtype=object if mixed else None)


def _number(text):
    if text in ("True", "False"):
        return text == "True"
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _keep_whole_numbers(table, text, options):
    """Whole numbers that a float would round, where pandas made them floats for a missing one."""
    import pandas as pd

    for name in table.columns:
        values = table[name]
        if options.get("dtype") or values.dtype != float:
            continue
        if not values.isna().any() or not (values.abs() >= 2**53).any():
            continue
        raw = pd.read_csv(io.StringIO(text, newline=""), **{**options, "dtype": str})[name]
        if raw.dropna().str.fullmatch(r"[+-]?\d+").all():
            table[name] = pd.array([None if pd.isna(v) else int(v) for v in raw], dtype="Int64")
