"""The site shows what is built and says what is not; in a browser it works from disk and served."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import matplotlib.figure
import pytest
import yaml

from common import files
from common.report import claims, figures, site
from common.report.agreement import SAME, Agreement
from common.workflow import papers
from common.workflow.notebooks import provenance
from common.workflow.notebooks.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[3]
SIGNAL = "papers/toy/figures/signal.svg"
PIXEL = (  # a png
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6"
    "kgAAAABJRU5ErkJggg=="
)

PAPER = {
    "title": "A toy *paper* of <two> figures at $5 | 10",
    "authors": ["Nobody, Ada"],
    "year": 2025,
    "arxiv": "2501.00001",
    "summary": "A line, & nothing else.",
    "preview": "signal",
    "figures": {
        "signal": {"title": "A rising signal", "caption": "Amplitude < 3 V against time."},
        "absent": {"title": "A missing figure", "caption": "Never drawn."},
    },
    "scales": {"embedded": {"dataset": "by-name"}, "paper": {"dataset": "by-name"}},
}

CLAIMS = [
    claims.Claim(
        statement=statement,
        source="abstract",
        evidence=claims.STAND_IN,
        ours=ours,
        rule=claims.greater(0),
    )
    for statement, ours in {
        "Beta rises.": (3.0, 1.0, 5.0),
        "Alpha rises.": (20.0, -1.0, 41.0),
        "Gamma rises.": (-100.0, -101.0, -99.0),
    }.items()
]


def entry(title):
    return {
        "title": title,
        "source": {"url": "https://example.org/numbers.csv"},
        "sha256": "0" * 64,
        "size": 2_500_000,
        "licence": "CC0",
        "citation": "A. Nobody, https://example.org",
        "contents": "Numbers.",
    }


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def notebook(*texts):
    """An executed notebook that shows a formula and a picture."""
    outputs = [{"output_type": "display_data", "metadata": {}, "data": {"image/png": PIXEL}}]
    code = {"cell_type": "code", "metadata": {}, "source": "x = 1", "execution_count": 1}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# Signal\n\n$$x = y \\tag{1}$$"},
        code | {"outputs": outputs},
    ]
    metadata = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4})


# A library that imports nothing else of this repository.
LIBRARY = [
    *("__init__.py", "cells.py", "failures.py", "files.py"),
    *("report/__init__.py", "report/palette.py"),
]


def make_repository(root):
    """A repository with one paper: one figure and the claims are built, the other figure is not."""
    import pandas as pd

    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "docs", root / "docs", ignore=ignored)
    for part in LIBRARY:
        (root / "common/report").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "common" / part, root / "common" / part)
    write(root, "README.md", "# Artifacts\n\nWhat [this](docs/x.md) is.\n\n## More\n")
    write(root, "config.yaml", "scale: embedded\n")
    write(root, "papers/toy/paper.yaml", yaml.safe_dump(PAPER))
    write(root, "papers/toy/README.md", "# Toy\n\nIt took <!-- number a -->7<!-- /number --> s.\n")
    write(root, "papers/toy/figure-signal.ipynb", notebook())
    entries = {name: entry(name) for name in ("by-name", "by-reading", "unused")}
    write(root, "data/registry.yaml", yaml.safe_dump(entries))
    write(root, "data/raw/by-reading.csv", "x\n1\n")
    benchmark = "s\tmax_rss\n{}\t{}\n"
    jobs = (("a", 2.0, "NA"), ("b", 3.5, 100.0), ("c/d", 1.0, 200.0), ("e", 0.5, 50.0))
    for name, seconds, peak in jobs:
        path = f"results/toy/embedded/benchmarks/fits/{name}.tsv"
        write(root, path, benchmark.format(seconds, peak))

    with matplotlib.rc_context():
        figures.use_style({})
        fig = matplotlib.figure.Figure()
        fig.subplots().plot([1, 2])
        table = pd.DataFrame({"x": [1, 2]})
        figures.save(fig, table, svg=SIGNAL, scale="embedded", data="simulated · n = 2")
    shutil.copy(root / SIGNAL.replace("svg", "png"), root / "papers/toy/preview.png")
    write(root, SIGNAL.replace("svg", "ipynb"), notebook())
    made = provenance.record(
        notebook="papers/toy/figure-signal.ipynb@"
        + fingerprint(root / "papers/toy/figure-signal.ipynb", root=root),
        rule="toy_figure_signal",
        parameters={"label": "µV"},
        inputs=["data/raw/by-reading.csv"],
        outputs=[SIGNAL],
        scale="embedded",
        device="cpu",
        threads=1,
    )
    files.write_json(SIGNAL.replace("svg", "json"), made)
    claims.write("results/toy/embedded/claims.csv", CLAIMS, paper="toy", scale="embedded")
    write(root, "results/toy/embedded/notebooks/claims.ipynb", notebook())


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    root = tmp_path_factory.mktemp("site") / "repository"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "ROOT", root)
        patch.setenv("ARTIFACTS_JOB", "1")
        make_repository(root)
    return root


@pytest.fixture
def root(repository, tmp_path, monkeypatch):
    """A copy that a test may change."""
    copy = tmp_path / "repository"
    shutil.copytree(repository, copy)
    monkeypatch.setattr(files, "ROOT", copy)
    return copy


def page(root, name="papers/toy/index.md"):
    site.build()
    return (root / ".site/pages" / name).read_text("utf-8")


def test_a_built_figure_comes_with_everything_about_it(root):
    text = page(root)
    assert 'alt="A rising signal. Amplitude &lt; 3 V against time."' in text
    assert "embedded scale · simulated · n = 2" in text
    assert f"snakemake -j2 --force {SIGNAL} --config scale=embedded" in text
    assert 'href="notebooks/signal.html"' in text
    assert "&#34;label&#34;: &#34;µV&#34;" in text
    for suffix in ("svg", "png", "csv", "json"):
        assert f'href="figures/signal.{suffix}"' in text
        path = SIGNAL.replace("svg", suffix)
        assert (root / "site" / path).read_bytes() == (root / path).read_bytes()
        assert suffix == "json" or files.sha256(path) in text
    assert "Not up to date" not in text


def test_a_figure_that_is_not_built_says_its_command(root):
    text = page(root)
    assert "Build it: <code>snakemake -j2 papers/toy/figures/absent.svg</code>" in text
    assert "figures/absent.svg&#34;" not in text and 'src="figures/absent.svg"' not in text


def test_a_figure_that_is_out_of_date_says_so(root):
    (root / SIGNAL.replace("svg", "csv")).write_text("x\n7\n")
    assert f"corrupt: {SIGNAL.replace('svg', 'csv')}: its sha256 is" in page(root)
    (root / SIGNAL.replace("svg", "json")).unlink()
    expected = f"{SIGNAL} has no provenance beside it. Build it again: snakemake -j2 --force"
    assert expected in page(root)


def test_texts_of_a_paper_mean_what_they_say(root):
    text = page(root)
    assert text.startswith("# A toy \\*paper\\* of \\<two\\> figures at \\$5 \\| 10\n")
    assert "A line, &amp; nothing else." in text
    assert "It took 7 s." in page(root, "papers/toy/about.md")
    assert "\nWhat this is.\n" in page(root, "index.md")


def test_claims_stand_with_rule_and_reason(root):
    text = page(root)
    for claim in CLAIMS:
        row = next(line for line in text.splitlines() if f">{claim.statement}</td>" in line)
        for shown in (claim.outcome, claim.rule.words, claim.reason.replace("'", "&#39;")):
            assert f">{shown}<" in row
    _, _, after = text.partition("## What does not reproduce")
    assert "Alpha rises." in after and "Gamma rises." in after and "Beta rises." not in after


def test_claims_that_are_not_built_say_their_command(root):
    (root / "results/toy/embedded/claims.csv").unlink()
    assert "snakemake -j2 results/toy/embedded/claims.csv --config scale=embedded" in page(root)
    assert "claims not built" in page(root, "index.md")
    assert "not built: <code>snakemake -j2 papers/toy/figures</code>" in page(root, "scoreboard.md")


def test_the_scoreboard_counts_by_evidence_and_outcome(root):
    text = page(root, "scoreboard.md")
    row = next(line for line in text.splitlines() if f'"row">{claims.STAND_IN}<' in line)
    counts = [int(part.partition("<")[0]) for part in row.split('class="number">')[1:]]
    expected = {claims.REPRODUCED: 1, claims.INCONCLUSIVE: 1, claims.CONTRADICTED: 1}
    assert counts == [*(expected.get(outcome, 0) for outcome in claims.OUTCOMES), 3]


def test_time_and_memory_by_step(root):
    row = {"jobs": 3, "total": 6.0, "longest": 3.5, "peak": 100 * 2**20 / 1e6}
    deeper = {"jobs": 1, "total": 1.0, "longest": 1.0, "peak": 200 * 2**20 / 1e6}
    expected = [{"step": "fits"} | row, {"step": "fits/c"} | deeper]
    assert site.steps("toy", "embedded") == expected
    assert site.steps("toy", "paper") == []


def test_what_is_not_compared_says_why(root, monkeypatch):
    monkeypatch.setattr(site.reference, "agreement", lambda *_: Agreement(SAME))
    figures, changed, problem = site.agreement("toy")
    assert changed == [] and "papers/toy/reference/claims.csv" in problem
    assert figures.pop("signal") == "same bytes"  # though another figure is not built
    assert list(figures) == ["absent"]
    reason = "not compared: papers/toy/figures/absent.svg is not built; the reference has scale"
    assert figures["absent"].startswith(reason)
    assert f"<td>{reason}" in page(root) and "The claims are not compared: " in page(root)


def test_data_sets_name_their_users(root):
    users = {name: found for name, (_, found) in site.datasets().items()}
    assert users == {"by-name": ["toy"], "by-reading": ["toy"], "unused": []}
    text = page(root, "data.md")
    assert "CC0" in text and ">2.5</td>" in text


def test_the_library_is_the_public_part(root):
    for name in ("claims", "site"):
        shutil.copy(ROOT / f"common/report/{name}.py", root / "common/report")
    shutil.copytree(ROOT / "common/registry", root / "common/registry")
    families = site.library()
    summary, names = families["common.report"]["common.report.site"]
    assert summary.startswith("A static site of what is built")
    assert names["build"] == "function" and names.keys() == set(site.__all__)
    assert families["common.report"]["common.report.claims"][1]["EVIDENCE"] == "data"
    assert "common.files" in families["common"]
    listed = {module for modules in families.values() for module in modules}
    assert not [name for name in listed if any(part[0] == "_" for part in name.split("."))]
    assert "common.registry" in listed
    # A family's page leads to those of its modules, which lead no further.
    family, module = (
        page(root, f"library/{name}.rst") for name in ("common.report", "common.files")
    )
    _, _, links = family.partition("toctree::")
    assert "\n   common.report.claims\n" in links and "\n   common.report\n" not in links
    assert "toctree" not in module


def test_a_second_build_writes_nothing_and_what_is_gone_is_removed(root):
    def state():
        folders = (root / ".site/pages", root / "site")
        return {path: path.stat().st_mtime_ns for each in folders for path in files.walk(each)}

    site.build()
    write(root, "site/papers/toy/index.html", "rendered")
    write(root, "site/search.html", "rendered")
    before = state()
    site.build()
    assert state() == before
    for suffix in ("svg", "png", "csv", "json", "ipynb"):
        (root / SIGNAL.replace("svg", suffix)).unlink()
    write(root, "site/papers/toy/notebooks/signal.html", "rendered")
    site.build()
    left = {path.name for path in state()}
    assert "signal.svg" not in left and "signal.html" not in left and "signal.ipynb" not in left
    assert {"search.html", "index.html", "claims.csv"} <= left


def test_what_cannot_be_made_is_one_line(root, monkeypatch, capsys):
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    assert site.main([]) == 1
    assert capsys.readouterr().err == (
        "Sphinx is not installed. Install it, and make the site: make site\n"
    )
    monkeypatch.setattr(site, "find_spec", lambda name: True)
    done = subprocess.CompletedProcess([], 2)
    monkeypatch.setattr(site.subprocess, "run", lambda *_, **__: done)
    assert site.main(["--jobs", "1"]) == 1
    assert "Sphinx could not make the site: " in capsys.readouterr().err
    write(root, "papers/toy/paper.yaml", yaml.safe_dump(PAPER | {"yaer": 1}))
    assert site.main([]) == 1
    line = capsys.readouterr().err
    assert line.startswith("papers/toy/paper.yaml: unknown key yaer; did you mean 'year'?")
    assert papers.names() == ["toy"]


# In a browser. Sphinx makes the site once for all of these.


# As `python -m common.report.site`, in a repository that does not hold that module.
MAKE = """
import runpy, sys
from pathlib import Path
from common import files
files.ROOT = Path.cwd()
runpy.run_module("common.report.site", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def made(repository, tmp_path_factory):
    if find_spec("sphinx") is None:
        pytest.skip("Sphinx is not installed: make site")
    root = tmp_path_factory.mktemp("made") / "repository"
    shutil.copytree(repository, root)
    script = root.parent / "make.py"
    script.write_text(MAKE, "utf-8")
    # Sphinx puts the repository's own library first.
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), "--jobs", "1"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "site/index.html: written" in done.stderr
    assert "WARNING" not in done.stderr and "ERROR" not in done.stderr, done.stderr
    return root / "site"


@pytest.fixture(scope="module", params=["disk", "server"])
def address(request, made):
    """Where the site is: in a folder, or below a path of a web server."""
    if request.param == "disk":
        yield f"{made.as_uri()}/"
        return
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=made.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/site/"
        server.shutdown()


@pytest.fixture
def tab(browser):
    """A tab, and what it complained about.

    A page that is left gives up what it still waits for, such as the search its summaries of the
    pages it found: a request that is aborted so is no complaint.
    """

    def failed(request):
        if request.failure != "net::ERR_ABORTED":
            opened.complaints.append(f"{request.url}: {request.failure}")

    context = browser.new_context(viewport={"width": 1500, "height": 900})
    context.set_default_timeout(120_000)  # of a machine that is busy
    opened = context.new_page()
    opened.complaints = []
    opened.on("console", lambda m: m.type == "error" and opened.complaints.append(m.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("requestfailed", failed)
    yield opened
    context.close()


def test_every_page_opens_without_an_error_and_every_link_leads_somewhere(tab, address, made):
    asked, waiting, seen, anchors = [], {address + "index.html"}, set(), {}
    tab.on("request", lambda request: asked.append(request.url))
    wanted = set()
    while waiting:
        url = waiting.pop()
        seen.add(url)
        tab.goto(url)
        anchors[url] = set(tab.evaluate("[...document.querySelectorAll('[id]')].map(x => x.id)"))
        links = tab.evaluate("[...document.querySelectorAll('a[href]')].map(x => x.href)")
        sources = tab.evaluate("[...document.images].map(x => x.src)")
        assert all(tab.evaluate("[...document.images].map(x => x.alt)")), url
        for link in [*links, *sources]:
            target, _, anchor = link.partition("#")
            if not target.startswith(address):
                continue
            wanted.add((url, target, anchor))
            if target.endswith(".html"):
                waiting |= {target} - seen
    assert tab.complaints == []
    assert [url for url in asked if not url.startswith(address)] == []  # nothing from a network
    broken = [
        (url, target, anchor)
        for url, target, anchor in wanted
        if not (made / target.removeprefix(address).partition("?")[0]).is_file()
        or (anchor and target in anchors and anchor not in anchors[target])
    ]
    assert broken == []
    names = {url.removeprefix(address) for url in seen}
    assert {
        "data.html",
        "library/common.report.palette.html",
        "papers/toy/about.html",
        "papers/toy/index.html",
        "papers/toy/notebooks/signal.html",
        "scoreboard.html",
        "_modules/common/files.html",
    } <= names


@pytest.mark.parametrize("width", [400, 1500])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_seen_on_a_phone_and_on_a_screen(tab, made, width, scheme):
    # From disk. What a page loads from a server is the same: the test of every page asks for it.
    address = f"{made.as_uri()}/"
    tab.set_viewport_size({"width": width, "height": 900})
    tab.emulate_media(color_scheme=scheme)
    for name in ("index.html", "scoreboard.html", "data.html", "papers/toy/index.html"):
        tab.goto(address + name)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
    picture = tab.locator(".artifact-figure img")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box["width"] >= 0.6 * min(width, 1000) and box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert picture.evaluate("x => x.complete && x.naturalWidth > 0")
    # Drawn for white paper, which it keeps in the dark.
    assert picture.evaluate("x => getComputedStyle(x).backgroundColor") == "rgb(255, 255, 255)"
    dark = tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert dark == (scheme == "dark")
    assert min(tab.evaluate(CONTRASTS)) >= 4.5


# Of the badges, as WCAG 2 defines it.
CONTRASTS = """[...document.querySelectorAll(".outcome")].map(badge => {
  const look = getComputedStyle(badge);
  const [text, back] = [look.color, look.backgroundColor].map(color => {
    const [r, g, b] = color.match(/[0-9.]+/g).map(Number).map(x => x / 255)
      .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  });
  return Math.max(text, back) / Math.min(text, back);
})"""


def test_the_search_finds_a_figure(tab, address):
    tab.goto(address + "index.html")
    field = tab.locator(".start-search input")
    field.fill("rising signal")
    field.press("Enter")
    found = tab.locator("#search-results li a", has_text="A rising signal").first
    found.click()
    tab.locator(".artifact-figure img").wait_for()
    assert "/papers/toy/index.html" in tab.url
    assert tab.complaints == []


def test_a_table_is_sorted_by_click_and_by_key(tab, address):
    tab.goto(address + "papers/toy/index.html")
    table = tab.locator("[aria-label='Claims of this paper'] table")

    def column(n):
        return table.locator(f"tbody tr td:nth-child({n})").all_inner_texts()

    claim, ours = table.locator("th", has_text="Claim"), table.locator("th", has_text="Ours")
    claim.locator("button").click()
    assert column(1) == ["Alpha rises.", "Beta rises.", "Gamma rises."]
    assert claim.get_attribute("aria-sort") == "ascending"
    ours.locator("button").focus()
    tab.keyboard.press("Enter")
    assert list(map(float, column(6))) == [-100, 3, 20]  # as numbers, not as text
    tab.keyboard.press("Enter")
    assert list(map(float, column(6))) == [20, 3, -100]
    assert ours.get_attribute("aria-sort") == "descending"
    assert claim.get_attribute("aria-sort") is None


def test_provenance_is_one_click_away(tab, address):
    tab.goto(address + "papers/toy/index.html")
    hashes = tab.locator("details.artifact td", has_text="data/raw/by-reading.csv")
    assert not hashes.is_visible()
    tab.locator("summary", has_text="Provenance of signal").click()
    assert hashes.is_visible()
    assert tab.locator("a", has_text="Numbers (csv)").get_attribute("href") == "figures/signal.csv"


def test_an_executed_notebook_is_shown_with_its_formula(tab, address):
    tab.goto(address + "papers/toy/notebooks/signal.html")
    tab.locator("mjx-container svg").first.wait_for(state="attached")
    picture = tab.locator(".cell_output img")
    expected = "A rising signal. Amplitude < 3 V against time."
    assert picture.get_attribute("alt") == expected
    assert tab.complaints == []
