"""House style, one look per method, and `save`: a figure, its numbers, and where they come from.

A notebook calls `use_style` once, before it draws, with the methods of its paper. Importing this
module changes nothing: global settings that change on import surprise whoever imports for another
reason.
"""

import contextlib
import os
import textwrap
from pathlib import Path

import matplotlib
import matplotlib.style
import yaml
from cycler import cycler
from matplotlib.transforms import Bbox

from common import files, validation
from common.report.palette import OKABE_ITO, SHARED
from common.workflow.notebooks import provenance

__all__ = ["SCALES", "color", "in_order", "label", "marker", "save", "style", "use_style"]

_looks = {name: dict(look) for name, look in SHARED.items()}

SCALES = {
    "smoke": "smoke scale: too small to mean anything",
    "embedded": "embedded scale",
    "paper": "paper scale",
    "recorded": "recorded run of the paper scale",
}
"""What a figure says of the scale that made it."""

# Text stays text in an SVG: searchable, readable aloud, small. Its place is computed from DejaVu
# Sans, which matplotlib brings along, so the bytes do not depend on installed fonts; a viewer
# without it takes a narrower font, which does not collide. The PNG fixes the pixels.
STYLE = {
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(
        color=[
            OKABE_ITO[name]
            for name in ("blue", "orange", "bluish green", "reddish purple", "vermillion")
        ]
        + [OKABE_ITO["sky blue"], OKABE_ITO["black"]]
    ),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "errorbar.capsize": 2.0,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.wspace": 0.05,
    "figure.figsize": (6.4, 4.0),
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9.0,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "image.cmap": "viridis",
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
    "svg.fonttype": "none",
    "svg.hashsalt": "paper-artifacts",
}

PNG_DPI = 150
_STAMP_SIZE = 6.0  # points
_STAMP_COLOR = "#666666"


def use_style(styles=None):
    """Apply the house style to everything drawn from here on.

    It starts from matplotlib's defaults, so a user's own matplotlibrc changes no figure.

    Parameters
    ----------
    styles : dict of str to dict, optional
        Looks of the paper's methods, as ``methods`` in its ``paper.yaml``: ``label``, ``color`` (a
        name of `common.report.palette.OKABE_ITO`) and ``marker``. `color`, `style` and the like
        know these and the shared ones, and no other. In a notebook that is run by hand, where
        nobody passes them, they are read from the ``paper.yaml`` beside it.

    Raises
    ------
    ValueError
        If a colour is not in the palette.
    """
    if not styles and not os.environ.get("ARTIFACTS_JOB") and Path("paper.yaml").is_file():
        styles = yaml.safe_load(Path("paper.yaml").read_text(encoding="utf-8")).get("methods")
    looks = {name: dict(look) for name, look in (SHARED | (styles or {})).items()}
    for name, look in looks.items():
        validation.choice(look["color"], OKABE_ITO, f"the colour of {name}")
    _looks.clear()
    _looks.update(looks)
    _draw_no_more_than_shown()
    _reset_style()


def _draw_no_more_than_shown():
    """Keep pyplot from drawing every figure after a cell of a notebook.

    The backend of a notebook draws it once more to show it, so the first picture is never seen.
    """
    inline = "module://matplotlib_inline.backend_inline"
    if matplotlib.get_backend(auto_select=False) in (inline, "inline"):
        import matplotlib.pyplot as plt

        plt.switch_backend(inline)  # pyplot would install its hook with the first figure
        plt.uninstall_repl_displayhook()


def _reset_style():
    matplotlib.style.use("default")
    matplotlib.rcParams.update(STYLE)


def color(method):
    """Colour of a method.

    Parameters
    ----------
    method : str
        A name of ``methods`` in ``paper.yaml``, as given to `use_style`, or a shared one.

    Returns
    -------
    color : str
        As ``"#RRGGBB"``.

    Raises
    ------
    ValueError
        If the method has no look, with the nearest name that has one.
    """
    return OKABE_ITO[_look(method)["color"]]


def marker(method):
    """Marker of a method, a second cue beside its colour; see `color`."""
    return _look(method)["marker"]


def label(method):
    """Name of a method as a figure shows it; see `color`."""
    return _look(method)["label"]


def style(method):
    """Colour, marker and label of a method, as keywords of matplotlib's ``plot``.

    Parameters
    ----------
    method : str
        As in `color`.

    Returns
    -------
    style : dict
        With the keys ``color``, ``marker`` and ``label``.

    Raises
    ------
    ValueError
        As `color`.
    """
    return {"color": color(method), "marker": marker(method), "label": label(method)}


def in_order(methods):
    """Those methods that have a look, each once, in the order of ``paper.yaml``.

    Parameters
    ----------
    methods : iterable of str
        For example a column of a table.

    Returns
    -------
    methods : list of str
    """
    there = set(methods)
    return [name for name in _looks if name in there]


def _look(method):
    if method not in _looks:
        raise ValueError(
            f"no look for method {method!r}; known are {', '.join(_looks)}."
            f"{validation.nearest(method, _looks)} A new method is added to `methods` in the "
            "paper's paper.yaml, and figures.use_style(styles) makes it known."
        )
    return _looks[method]


def save(fig, table, *, svg, scale, data):
    """Write a figure as SVG and PNG, the numbers drawn as CSV, and where they come from.

    A line below the figure names the scale and the data. ``<name>.json`` is written by the
    notebook runner when the notebook ends; in a notebook run by hand it is written here and says
    so, with ``"interactive": true``. The files are renamed into place when all are complete, the
    SVG last, and the same figure gives the same bytes.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    table : pandas.DataFrame
        Exactly the numbers drawn. A named index is written as leading columns.
    svg : str
        ``papers/<paper>/figures/<name>.svg``, relative to the repository root.
    scale : {"smoke", "embedded", "paper", "recorded"}
    data : str
        What was measured or simulated, for example ``"simulated data · 4 subjects × 3 seeds"``.

    Raises
    ------
    ValueError
        If the name does not end in ``.svg``, the table is empty or no table, the scale is
        unknown, or ``data`` says nothing.
    """
    _check(table, svg=svg, scale=scale, data=data)
    svg = Path(svg)
    with matplotlib.rc_context():
        _reset_style()
        # Saving takes a figure's layout away and gives it back; with this setting on, a figure
        # that has none would come back with one.
        matplotlib.rcParams["figure.constrained_layout.use"] = False
        area = _stamp(fig, f"{SCALES[scale]} · {data.strip()}")
        with contextlib.ExitStack() as stack:  # nothing is renamed before all is drawn
            vector = stack.enter_context(files.atomic(svg))
            pixels = stack.enter_context(files.atomic(svg.with_suffix(".png")))
            fig.savefig(vector, bbox_inches=area, metadata={"Date": None, "Creator": None})
            engine = fig.get_layout_engine()
            fig.set_layout_engine("none")  # the layout is computed once: both show the same
            fig.savefig(pixels, bbox_inches=area, metadata={"Software": None}, dpi=PNG_DPI)
            fig.set_layout_engine(engine)
            files.write_csv(svg.with_suffix(".csv"), table)
    if not os.environ.get("ARTIFACTS_JOB"):
        _record_by_hand(svg, scale=scale)


def _check(table, *, svg, scale, data):
    import pandas as pd

    if Path(svg).suffix != ".svg":
        raise ValueError(
            f"svg must name a file that ends in .svg, got {str(svg)!r}; "
            "the .png, .csv and .json are written beside it."
        )
    if not isinstance(table, pd.DataFrame):
        raise ValueError(
            f"table must be a DataFrame of the numbers drawn, got {type(table).__name__}."
        )
    if table.empty:
        raise ValueError(
            f"the table of {Path(svg).name} is empty (shape {table.shape}); "
            "it holds the numbers that the figure draws."
        )
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}.")
    if not data.strip():
        raise ValueError(f"data must say what {Path(svg).name} was made from, got {data!r}.")


def _stamp(fig, text):
    """Write a line below the figure's bottom edge, once.

    The strip is added to the page, so it meets no label and leaves the layout alone.

    Returns
    -------
    area : matplotlib.transforms.Bbox
        The figure with the strip, in inches.
    """
    width, height = fig.get_size_inches()
    # DejaVu Sans takes about 0.6 em a character.
    lines = textwrap.wrap(text, width=max(20, int(width * 72 / (0.6 * _STAMP_SIZE))))
    for old in [artist for artist in fig.texts if artist.get_gid() == "stamp"]:
        old.remove()
    fig.text(
        0.99,
        0.0,
        "\n".join(lines),
        ha="right",
        va="top",
        size=_STAMP_SIZE,
        color=_STAMP_COLOR,
        gid="stamp",
        parse_math=False,
    )
    strip = (1.4 * len(lines) + 0.4) * _STAMP_SIZE / 72
    return Bbox.from_extents(0, -strip, width, height)


def _record_by_hand(svg, *, scale):
    """Provenance of a figure that no job made.

    Which cells ran, in which order and with which parameters, nobody knows: the fingerprint stays
    empty and the inputs unnamed, so that ``snakemake verify`` does not take it for a built one.
    """
    content = provenance.record(
        notebook=f"{_open_notebook() or 'unknown notebook, run by hand'}@",
        rule=None,
        parameters={},
        inputs=[],
        outputs=[files.relative(svg)],
        scale=scale,
        device=None,
        threads=None,
    )
    files.write_json(svg.with_suffix(".json"), content | {"interactive": True})


def _open_notebook():
    """The notebook that JupyterLab runs here, if it tells and the repository holds it."""
    path = Path(os.environ.get("JPY_SESSION_NAME", ""))
    inside = path.suffix == ".ipynb" and path.is_file() and path.is_relative_to(files.ROOT)
    return files.relative(path) if inside else None
