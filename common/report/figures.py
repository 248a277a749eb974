"""House style, one colour per method, and `save`: a figure, its numbers, and where they come from.

A notebook calls `use_style` once, before it draws. Importing this module changes nothing: global
settings that change on import surprise whoever imports for another reason.
"""

import contextlib
import difflib
import os
import textwrap
from pathlib import Path

import matplotlib
import matplotlib.style
from cycler import cycler
from matplotlib.transforms import Bbox

from common import files
from common.workflow.notebooks import provenance

__all__ = [
    "COLORS", "LABELS", "MARKERS", "OKABE_ITO", "SCALES", "color", "save", "style", "use_style",
]  # fmt: skip

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "bluish green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "reddish purple": "#CC79A7",
}
"""The palette of Okabe and Ito, readable by colour-blind readers."""

COLORS = {
    "truth": OKABE_ITO["black"],
    "expert": OKABE_ITO["black"],
    "published": "#999999",
    # dance
    "dance": OKABE_ITO["blue"],
    "dance-released": OKABE_ITO["sky blue"],
    "dense": OKABE_ITO["orange"],
    "sliding": OKABE_ITO["bluish green"],
    "onset-informed": OKABE_ITO["reddish purple"],
    # spd-sliced-wasserstein
    "spdsw": OKABE_ITO["blue"],
    "logsw": OKABE_ITO["sky blue"],
    "hspdsw": OKABE_ITO["bluish green"],
    "sw": OKABE_ITO["yellow"],
    "lew": OKABE_ITO["vermillion"],
    "les": OKABE_ITO["orange"],
    "aiw": OKABE_ITO["reddish purple"],
    "no-alignment": OKABE_ITO["black"],
    "tangent-space": OKABE_ITO["bluish green"],
    "mean-age": OKABE_ITO["black"],
    # hawkes-meg
    "fadin": OKABE_ITO["blue"],
    "likelihood": OKABE_ITO["orange"],
    "em": OKABE_ITO["bluish green"],
    "least-squares": OKABE_ITO["reddish purple"],
    "autodiff": OKABE_ITO["black"],
    "tick-basis-kernels": OKABE_ITO["vermillion"],
    "tick-em": OKABE_ITO["sky blue"],
    "dripp": OKABE_ITO["vermillion"],
    # eeg-augmentation: colours and markers differ within a family
    "identity": OKABE_ITO["black"],
    "ft-surrogate": OKABE_ITO["blue"],
    "frequency-shift": OKABE_ITO["orange"],
    "bandstop-filter": OKABE_ITO["bluish green"],
    "gaussian-noise": OKABE_ITO["blue"],
    "smooth-time-mask": OKABE_ITO["orange"],
    "time-reverse": OKABE_ITO["bluish green"],
    "sign-flip": OKABE_ITO["reddish purple"],
    "channels-dropout": OKABE_ITO["blue"],
    "channels-shuffle": OKABE_ITO["orange"],
    "channels-symmetry": OKABE_ITO["bluish green"],
    "sensors-x-rotation": OKABE_ITO["blue"],
    "sensors-y-rotation": OKABE_ITO["orange"],
    "sensors-z-rotation": OKABE_ITO["bluish green"],
    # skada-bench
    "reference": OKABE_ITO["black"],
    "reweighting": OKABE_ITO["blue"],
    "mapping": OKABE_ITO["vermillion"],
    "subspace": OKABE_ITO["bluish green"],
    "other": OKABE_ITO["reddish purple"],
    "train-src": OKABE_ITO["black"],
    "train-tgt": OKABE_ITO["sky blue"],
    "source-domain": OKABE_ITO["blue"],
    "target-domain": OKABE_ITO["orange"],
    "simulated-data": OKABE_ITO["sky blue"],
    "recorded-data": OKABE_ITO["vermillion"],
    # kymatio-scattering
    "scattering": OKABE_ITO["blue"],
    "kymatio": OKABE_ITO["orange"],
    "pixels": OKABE_ITO["black"],
    "composition": OKABE_ITO["black"],
    "order-0": OKABE_ITO["sky blue"],
    "order-1": OKABE_ITO["orange"],
    "order-2": OKABE_ITO["blue"],
    # moabb
    "raw": OKABE_ITO["orange"],
    "riemannian": OKABE_ITO["blue"],
    "deep": OKABE_ITO["bluish green"],
    "own": OKABE_ITO["reddish purple"],
}
"""Colour of each method, in every figure of every paper. A new method is added here."""

MARKERS = {
    "truth": "*",
    "expert": "*",
    "published": "_",
    "dance": "o",
    "dance-released": "v",
    "dense": "s",
    "sliding": "^",
    "onset-informed": "D",
    "spdsw": "o",
    "logsw": "v",
    "hspdsw": "^",
    "sw": "P",
    "lew": "s",
    "les": "D",
    "aiw": "X",
    "no-alignment": "x",
    "tangent-space": "^",
    "mean-age": "_",
    "fadin": "o",
    "likelihood": "s",
    "em": "^",
    "least-squares": "v",
    "autodiff": "P",
    "tick-basis-kernels": "X",
    "tick-em": "D",
    "dripp": "D",
    "identity": "x",
    "ft-surrogate": "o",
    "frequency-shift": "s",
    "bandstop-filter": "^",
    "gaussian-noise": "s",
    "smooth-time-mask": "^",
    "time-reverse": "v",
    "sign-flip": "D",
    "channels-dropout": "^",
    "channels-shuffle": "v",
    "channels-symmetry": "D",
    "sensors-x-rotation": "v",
    "sensors-y-rotation": "D",
    "sensors-z-rotation": "o",
    "reference": "P",
    "reweighting": "o",
    "mapping": "s",
    "subspace": "^",
    "other": "D",
    "train-src": "x",
    "train-tgt": "*",
    "source-domain": "o",
    "target-domain": "s",
    "simulated-data": "o",
    "recorded-data": "s",
    "scattering": "o",
    "kymatio": "s",
    "pixels": "x",
    "composition": "x",
    "order-0": "D",
    "order-1": "s",
    "order-2": "o",
    "raw": "s",
    "riemannian": "o",
    "deep": "^",
    "own": "D",
}
"""Marker of each method, a second cue beside its colour."""

LABELS = {
    "truth": "Truth",
    "expert": "Expert",
    "published": "Published",
    "dance": "DANCE",
    "dance-released": "DANCE, the paper's decoding",
    "dense": "Dense head alone",
    "sliding": "Sliding-window classifier",
    "onset-informed": "Onset-informed classifier",
    "spdsw": "SPDSW",
    "logsw": "logSW",
    "hspdsw": "HSPDSW",
    "sw": "SW",
    "lew": "LEW",
    "les": "LES",
    "aiw": "AIW",
    "no-alignment": "No alignment",
    "tangent-space": "Tangent space",
    "mean-age": "Mean age",
    "fadin": "FaDIn",
    "likelihood": "Maximum likelihood",
    "em": "EM, histogram kernels",
    "least-squares": "Least squares, histogram kernels",
    "autodiff": "l2 by autograd",
    "tick-basis-kernels": "tick HawkesBasisKernels",
    "tick-em": "tick HawkesEM",
    "dripp": "DriPP",
    "identity": "No augmentation",
    "ft-surrogate": "FT surrogate",
    "frequency-shift": "Frequency shift",
    "bandstop-filter": "Band-stop filter",
    "gaussian-noise": "Gaussian noise",
    "smooth-time-mask": "Smooth time mask",
    "time-reverse": "Time reverse",
    "sign-flip": "Sign flip",
    "channels-dropout": "Channels dropout",
    "channels-shuffle": "Channels shuffle",
    "channels-symmetry": "Channels symmetry",
    "sensors-x-rotation": "Rotation about x",
    "sensors-y-rotation": "Rotation about y",
    "sensors-z-rotation": "Rotation about z",
    "reference": "Reference",
    "reweighting": "Reweighting",
    "mapping": "Mapping",
    "subspace": "Subspace",
    "other": "Other",
    "train-src": "Train Src",
    "train-tgt": "Train Tgt",
    "source-domain": "Source",
    "target-domain": "Target",
    "simulated-data": "Simulated shifts",
    "recorded-data": "Recorded data",
    "scattering": "common.scattering",
    "kymatio": "kymatio 0.3.0",
    "pixels": "Pixels",
    "composition": "Composition",
    "order-0": "Order 0",
    "order-1": "Order 1",
    "order-2": "Order 2",
    "raw": "Raw signal",
    "riemannian": "Riemannian",
    "deep": "Deep learning",
    "own": "Own",
}
"""Name of each method as a figure shows it."""

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


def use_style():
    """Apply the house style to everything drawn from here on.

    It starts from matplotlib's defaults, so a user's own matplotlibrc changes no figure.
    """
    matplotlib.style.use("default")
    matplotlib.rcParams.update(STYLE)


def color(method):
    """Colour of a method.

    Parameters
    ----------
    method : str
        A name in `COLORS`.

    Returns
    -------
    color : str
        As ``"#RRGGBB"``.

    Raises
    ------
    ValueError
        If the method has no colour, with the nearest name that has one.
    """
    if method not in COLORS:
        near = difflib.get_close_matches(str(method), COLORS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(COLORS)}."
        raise ValueError(
            f"no colour for method {method!r}; {hint} A new method is added to COLORS, MARKERS "
            "and LABELS in common/report/figures.py."
        )
    return COLORS[method]


def style(method):
    """Colour, marker and label of a method, as keywords of matplotlib's ``plot``.

    Parameters
    ----------
    method : str
        A name in `COLORS`.

    Returns
    -------
    style : dict
        With the keys ``color``, ``marker`` and ``label``.

    Raises
    ------
    ValueError
        As `color`.
    """
    return {"color": color(method), "marker": MARKERS[method], "label": LABELS[method]}


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
        use_style()
        # Saving takes a figure's layout away and gives it back; with this setting on, a figure
        # that has none would come back with one.
        matplotlib.rcParams["figure.constrained_layout.use"] = False
        area = _stamp(fig, f"{SCALES[scale]} · {data.strip()}")
        with contextlib.ExitStack() as stack:  # nothing is renamed before all is drawn
            vector = stack.enter_context(files.atomic(svg))
            pixels = stack.enter_context(files.atomic(svg.with_suffix(".png")))
            fig.savefig(vector, bbox_inches=area, metadata={"Date": None, "Creator": None})
            fig.savefig(pixels, bbox_inches=area, metadata={"Software": None}, dpi=PNG_DPI)
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
