"""A saved figure: four files that agree, the same bytes each time, its scale on its face."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from common import files
from common.report import figures

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CHECKOUT = Path(__file__).resolve().parents[3]
SVG = "papers/toy/figures/bars.svg"
DATA = "simulated data · 4 subjects × 3 seeds"


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """An empty repository, inside a job, and matplotlib as it was afterwards."""
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.setenv("ARTIFACTS_JOB", "toy")
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with matplotlib.rc_context():
        yield tmp_path
    plt.close("all")


@pytest.fixture
def table():
    return pd.DataFrame({"x": [0.1, 0.2, 1 / 3], "y": [1.0, 4.0, 9.0]})


def draw(table):
    fig, ax = plt.subplots()
    ax.plot(table["x"], table["y"], color=figures.color("truth"), label="DANCE")
    ax.set(xlabel="Time (s)", ylabel="Score")
    ax.legend()
    return fig


def save(table, fig=None, **options):
    values = {"svg": SVG, "scale": "embedded", "data": DATA}
    fig = draw(table) if fig is None else fig
    figures.save(fig, table, **(values | options))
    return fig


def hashes(root):
    found = {path.name: path.read_bytes() for path in (root / SVG).parent.iterdir()}
    return {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}


def words(root):
    return " ".join(re.findall(r">([^<>]+)</text>", (root / SVG).read_text(encoding="utf-8")))


# Looks of methods

LOOKS = {
    "dance": {"label": "DANCE", "color": "blue", "marker": "o"},
    "dense": {"label": "Dense head", "color": "orange", "marker": "s"},
}


def test_a_methods_style_is_what_plot_takes():
    figures.use_style(LOOKS)
    assert figures.style("dance") == {"color": "#0072B2", "marker": "o", "label": "DANCE"}
    assert (figures.color("truth"), figures.marker("truth")) == ("#000000", "*")
    assert figures.in_order(["dense", "nobody", "dance", "truth"]) == ["truth", "dance", "dense"]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("dnace", "no look for method 'dnace'; known are truth, expert, published, dance, dense."),
        ("dnace", "Did you mean 'dance'?"),
        ("zzz", "A new method is added to `methods` in the paper's paper.yaml"),
    ],
)
def test_an_unknown_method_names_the_nearest_one(method, message):
    figures.use_style(LOOKS)
    with pytest.raises(ValueError, match=re.escape(message)):
        figures.color(method)


def test_methods_of_another_paper_are_forgotten():
    figures.use_style(LOOKS)
    figures.use_style({"mine": LOOKS["dance"]})
    with pytest.raises(ValueError, match="no look for method 'dense'"):
        figures.color("dense")


def test_a_colour_outside_the_palette_is_refused():
    with pytest.raises(ValueError, match="the colour of a must be one of black, orange"):
        figures.use_style({"a": {"label": "A", "color": "pink", "marker": "o"}})


def test_by_hand_the_looks_are_those_of_the_paper_beside_the_notebook(tmp_path, monkeypatch):
    monkeypatch.delenv("ARTIFACTS_JOB", raising=False)
    (tmp_path / "paper.yaml").write_text(json.dumps({"methods": LOOKS}))
    monkeypatch.chdir(tmp_path)
    figures.use_style({})
    assert figures.label("dense") == "Dense head"
    monkeypatch.setenv("ARTIFACTS_JOB", "1")  # a job gets them as a parameter
    figures.use_style({})
    with pytest.raises(ValueError, match="no look for method 'dense'"):
        figures.label("dense")


# Style


def test_style_does_not_depend_on_what_was_set_before():
    figures.use_style()
    expected = matplotlib.rcParams.copy()
    matplotlib.rcParams.update({"lines.linewidth": 9, "axes.facecolor": "red", "font.size": 30})
    figures.use_style()
    assert matplotlib.rcParams == expected


def test_save_leaves_global_settings_alone(table):
    fig = draw(table)
    before = matplotlib.rcParams.copy()
    save(table, fig)
    assert matplotlib.rcParams == before


# Files


def test_a_job_gets_three_files_and_the_runner_writes_the_fourth(repository, table):
    save(table)
    assert set(hashes(repository)) == {"bars.svg", "bars.png", "bars.csv"}


def test_csv_holds_the_numbers_exactly(table):
    save(table)
    read = files.read_csv("papers/toy/figures/bars.csv")
    pd.testing.assert_frame_equal(read, table, check_exact=True)


def test_a_named_index_is_written(table):
    save(table.set_index("x"), draw(table))
    assert list(files.read_csv("papers/toy/figures/bars.csv").columns) == ["x", "y"]


def test_same_figure_same_bytes(repository, table):
    figures.use_style()
    rng = np.random.default_rng(0)
    picture = rng.random((4, 4))

    def build():
        fig, (left, right) = plt.subplots(1, 2)
        left.imshow(picture)
        left.fill_between(table["x"], table["y"], hatch="/", clip_on=True)
        right.plot(table["x"], table["y"], marker="o", label="$x^2$")
        right.legend()
        return fig

    save(table, build())
    first = hashes(repository)
    plt.rcParams.update({"lines.linewidth": 3.0, "savefig.dpi": 40, "svg.hashsalt": None})
    figures.use_style()
    save(table, build())
    assert hashes(repository) == first


def test_saving_twice_changes_nothing(repository, table):
    fig = save(table)
    first = hashes(repository)
    save(table, fig)
    assert hashes(repository) == first
    assert len(fig.texts) == 1


def test_nothing_in_the_files_tells_time_or_machine(repository, table):
    save(table)
    assert "<dc:date>" not in (repository / SVG).read_text(encoding="utf-8")
    assert not Image.open(repository / "papers/toy/figures/bars.png").info.keys() - {"dpi"}


def test_png_has_150_dots_an_inch(repository, table):
    width, _ = save(table).get_size_inches()
    image = Image.open(repository / "papers/toy/figures/bars.png")
    # Agg rounds to whole pixels.
    assert image.width == pytest.approx(150 * width, abs=1)


def test_a_failing_save_leaves_the_old_files(repository, table, monkeypatch):
    save(table)
    first = hashes(repository)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files, "write_csv", fail)
    with pytest.raises(OSError, match="disk full"):
        save(table * 2)
    assert hashes(repository) == first


# Stamp


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("smoke", "smoke scale: too small to mean anything · "),
        ("embedded", "embedded scale · "),
        ("paper", "paper scale · "),
        ("recorded", "recorded run of the paper scale · "),
    ],
)
def test_the_picture_names_scale_and_data(repository, table, scale, expected):
    save(table, scale=scale)
    assert expected + DATA in words(repository)


def test_a_dollar_in_the_data_is_no_formula(repository, table):
    save(table, data="5$ data at 3$")
    assert "5$ data at 3$" in words(repository)


@pytest.mark.parametrize("layout", ["constrained", "tight", "none"])
def test_the_stamp_lies_below_everything_and_on_the_page(table, layout):
    figures.use_style()
    fig, ax = plt.subplots(figsize=(2.5, 2), layout=layout)
    ax.plot(table["x"], table["y"], label="a")
    ax.set_xlabel("Time (s)")
    fig.supxlabel("all of it")
    fig.legend(loc="lower center" if layout != "constrained" else "outside lower center")
    save(table, fig, data="simulated data with a rather long description · 400 subjects × 30 seeds")
    (stamp,) = [text for text in fig.texts if text.get_gid() == "stamp"]
    box = stamp.get_window_extent(fig.canvas.get_renderer())
    assert box.y1 <= fig.bbox.y0
    assert fig.bbox.x0 <= box.x0 <= box.x1 <= fig.bbox.x1
    assert "\n" in stamp.get_text()


def test_the_whole_stamp_is_on_the_png(repository, table):
    figures.use_style()
    fig, ax = plt.subplots(figsize=(2.5, 2))
    ax.set_axis_off()
    save(table, fig)
    pixels = np.asarray(Image.open(repository / "papers/toy/figures/bars.png").convert("L"))
    rows = np.flatnonzero((pixels < 200).any(axis=1))
    assert len(rows)
    assert rows.max() < len(pixels) - 2  # white below the text
    assert rows.min() >= 300 - 1  # the figure's own 2 inches are empty
    assert not (pixels[:, :2] < 200).any()


def test_an_svg_holds_text(repository, table):
    save(table)
    assert "Time (s)" in words(repository)


# By hand


def test_by_hand_the_provenance_says_so(repository, table, monkeypatch):
    monkeypatch.delenv("ARTIFACTS_JOB")
    save(table)
    content = json.loads((repository / "papers/toy/figures/bars.json").read_text(encoding="utf-8"))
    assert content["interactive"] is True
    assert content["notebook"] == "unknown notebook, run by hand"
    assert content["fingerprint"] == ""
    assert content["scale"] == "embedded"
    assert content["packages"]["numpy"] == np.__version__
    assert "commit" in content
    assert content["outputs"] == {
        f"papers/toy/figures/{name}": digest
        for name, digest in hashes(repository).items()
        if not name.endswith(".json")
    }
    assert len(content["outputs"]) == 3


def test_by_hand_the_open_notebook_is_named(repository, table, monkeypatch):
    notebook = repository / "papers/toy/figure-bars.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text("{}")
    monkeypatch.delenv("ARTIFACTS_JOB")
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    save(table)
    content = json.loads((repository / "papers/toy/figures/bars.json").read_text(encoding="utf-8"))
    assert content["notebook"] == "papers/toy/figure-bars.ipynb"
    assert content["fingerprint"] == ""


def test_verify_does_not_accept_a_figure_made_by_hand(table, monkeypatch):
    from common.workflow.notebooks import provenance

    monkeypatch.delenv("ARTIFACTS_JOB")
    save(table)
    problems, n_files = provenance.verify()
    assert n_files == 3
    assert list(map(str, problems)) == [
        f"made by hand: {SVG}: a notebook that was run by hand wrote it, not the workflow. "
        f"Repair: snakemake -j2 --force {SVG}"
    ]


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"svg": "papers/toy/figures/bars.png"}, "ends in .svg, got 'papers/toy/figures/bars.png'"),
        ({"svg": "bars"}, "svg must name a file that ends in .svg, got 'bars'"),
        (
            {"scale": "embeded"},
            "scale must be one of smoke, embedded, paper, recorded, got 'embeded'",
        ),
        ({"data": " "}, "data must say what bars.svg was made from"),
    ],
)
def test_bad_options_write_nothing(repository, table, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        save(table, **options)
    assert not list(repository.iterdir())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"x": []}), r"the table of bars.svg is empty (shape (0, 1))"),
        (pd.Series([1.0]), "table must be a DataFrame of the numbers drawn, got Series"),
        (None, "table must be a DataFrame of the numbers drawn, got NoneType"),
    ],
)
def test_a_figure_without_numbers_is_refused(repository, table, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        save(table, fig=plt.figure())
    assert not list(repository.iterdir())


def test_a_notebook_draws_a_figure_to_show_it_and_no_more():
    code = """
import matplotlib.figure
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
draw, drawn = matplotlib.figure.Figure.draw, []
matplotlib.figure.Figure.draw = lambda *given: (drawn.append(1), draw(*given))
shell.run_cell("import matplotlib.pyplot as plt; from common.report import figures")
shell.run_cell("figures.use_style()")
shell.run_cell("fig, ax = plt.subplots(); ax.plot([1, 2])")
print("drawn", len(drawn))
"""
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, env=environment, capture_output=True, text=True
    )
    # Once to find where everything is, once to make the picture.
    assert done.stdout.endswith("drawn 2\n"), done.stdout + done.stderr
