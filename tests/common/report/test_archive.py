"""An archive holds what it should, describes it truly, and is refused if something is missing."""

import csv
import io
import json
import os
import shutil
import subprocess
import zipfile
from importlib.util import find_spec
from pathlib import Path

import matplotlib.figure
import pandas as pd
import pytest
import yaml

from common import files
from common.report import archive, claims, figures
from common.workflow import environment, papers
from common.workflow.notebooks import provenance
from common.workflow.notebooks.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[3]
CHECKERS = ROOT / ".venv-checkers/bin"
SVG, CLAIMS = "papers/toy/figures/signal.svg", "results/toy/embedded/claims.csv"
RAW, CLEAN = "data/raw/numbers.csv", "data/derived/toy/embedded/clean.csv"

PAPER = {
    "title": "A toy: of one figure",
    "authors": ["Nobody, Ada", "Someone"],
    "year": 2025,
    "arxiv": "2501.00001",
    "summary": "A line.",
    "preview": "signal",
    "figures": {"signal": {"title": "A rising signal", "caption": "Volts.", "original": 3}},
    "scales": {"embedded": {}, "paper": {}},
}
ENTRY = {
    "title": "Numbers",
    "source": {"url": "https://example.org/numbers.csv"},
    "sha256": "0" * 64,
    "size": 4,
    "licence": "CC0 (of the page)",
    "citation": "A. Nobody, https://example.org",
    "contents": "Four numbers.",
}


def write(name, text):
    path = files.resolve(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def git(*arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    subprocess.run(command, cwd=files.ROOT, check=True, capture_output=True)


def commit():
    git("add", "-A")
    git("commit", "-qm", "all")


def ran(notebook, place, inputs, outputs, **parameters):
    """Leave what a run of a notebook leaves beside its outputs."""
    code = fingerprint(files.resolve(notebook), root=files.ROOT)
    made = provenance.record(
        notebook=f"{notebook}@{code}",
        rule=f"toy_{Path(notebook).stem}",
        parameters=dict(parameters),
        inputs=inputs,
        outputs=outputs,
        scale="embedded",
        device="cpu",
        threads=1,
    )
    files.write_json(f"{place}.json", made)
    write(f"{place}.ipynb", json.dumps({"cells": [], "executed": True}))


def make_repository():
    """A clone with a paper that is built, and one that is not."""
    write("README.md", "# Artifacts\n\n<!-- papers -->\n<!-- end of papers -->\n")
    shutil.copy(ROOT / "pyproject.toml", files.ROOT)
    write("CITATION.cff", "authors:\n  - name: us\nreferences:\n")
    write("codemeta.json", "{}")
    for name in ("Snakefile", "LICENSE", "requirements.lock", ".gitignore"):
        shutil.copy(ROOT / name, files.ROOT)
    write("config.yaml", "scale: embedded\n")
    write("data/registry.yaml", yaml.safe_dump({"numbers": ENTRY, "unused": ENTRY}))
    write("common/code.py", "X = 1\n")
    for name in ("toy", "other"):
        write(f"papers/{name}/paper.yaml", yaml.safe_dump(PAPER | {"title": f"{name}: a paper"}))
        write(f"tests/worlds/{name}.py", "")
        for notebook in ("1-prepare", "figure-signal", "claims"):
            write(f"papers/{name}/{notebook}.ipynb", json.dumps({"cells": []}))
    commit()
    build()


def build():
    write(RAW, "1\n2\n")
    write(CLEAN, "1\n2\n")
    notebooks = "results/toy/embedded/notebooks"
    ran("papers/toy/1-prepare.ipynb", f"{notebooks}/derived/clean", [RAW], [CLEAN], step=0.5)
    write("results/toy/embedded/benchmarks/derived/clean.tsv", "s\n1.0\n")
    with matplotlib.rc_context(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTIFACTS_JOB", "1")
        figures.use_style({})
        fig = matplotlib.figure.Figure()
        fig.subplots().plot([1, 2])
        table = pd.DataFrame({"x": [1, 2]})
        figures.save(fig, table, svg=SVG, scale="embedded", data="simulated")
    ran("papers/toy/figure-signal.ipynb", SVG.removesuffix(".svg"), [CLEAN], [SVG], svg=SVG)
    judged = [
        claims.Claim(
            statement=statement, source="Table 1", evidence=claims.PAPER, ours=ours, rule=rule
        )
        for statement, ours, rule in (
            ("It rises, by much.", (105734.25, 0.78125, 1234567.0), claims.greater(0)),
            ("Nobody can say.", None, claims.not_testable("more data")),
        )
    ]
    claims.write(CLAIMS, judged, paper="toy", scale="embedded")
    ran("papers/toy/claims.ipynb", f"{notebooks}/claims", [CLEAN], [CLAIMS], claims_csv=CLAIMS)
    write("results/toy/embedded/unrelated.csv", "x\n")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    root = tmp_path_factory.mktemp("archive") / "clone"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "ROOT", root)
        git("init", "-q")
        make_repository()
    return root


@pytest.fixture
def root(pristine, tmp_path, monkeypatch):
    """A copy of the built clone. Snakemake, which is asked last, has nothing to run."""
    shutil.copytree(pristine, tmp_path / "clone")
    monkeypatch.setattr(files, "ROOT", tmp_path / "clone")
    monkeypatch.setattr(archive, "_waiting", lambda *_: [])
    return tmp_path / "clone"


@pytest.fixture
def unpacked(root, tmp_path):
    if find_spec("rocrate") is None:
        pytest.skip("rocrate is not installed: make archive")
    with zipfile.ZipFile(root / archive.write("toy")[0]) as opened:
        opened.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def names_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_is_in_an_archive(unpacked):
    notebooks = "results/toy/embedded/notebooks"
    built = {SVG, CLAIMS, "results/toy/embedded/benchmarks/derived/clean.tsv"}
    built |= {SVG.replace("svg", suffix) for suffix in ("png", "csv", "json", "ipynb")}
    built |= {f"{notebooks}/{name}" for name in ("claims.json", "claims.ipynb")}
    built |= {f"{notebooks}/derived/{name}" for name in ("clean.json", "clean.ipynb")}
    root = {"README.md", "CITATION.cff", "codemeta.json", "Snakefile", "LICENSE", ".gitignore"}
    root |= {"requirements.lock", "pyproject.toml", "config.yaml", "data/registry.yaml"}
    root |= {"ARCHIVE.md", "codecheck.yml", "repro.yaml", "ro-crate-metadata.json"}
    code = {"common/code.py", "tests/worlds/toy.py", "papers/toy/paper.yaml"}
    code |= {f"papers/toy/{name}.ipynb" for name in ("1-prepare", "figure-signal", "claims")}
    assert names_in(unpacked) == built | root | code
    for name in built:
        assert (unpacked / name).read_bytes() == files.resolve(name).read_bytes()


def test_the_lists_of_papers_are_those_of_the_archive(unpacked):
    assert "toy: a paper" in (unpacked / "README.md").read_text("utf-8")
    for name in ("README.md", "CITATION.cff", "codemeta.json"):
        text = (unpacked / name).read_text("utf-8")
        assert "toy: a paper" in text and "other: a paper" not in text


def test_data_sets_come_with_licence_citation_and_hash(unpacked):
    text = (unpacked / "ARCHIVE.md").read_text("utf-8")
    for told in (ENTRY["licence"], ENTRY["citation"], ENTRY["sha256"], "(`numbers`)"):
        assert told in text
    assert "(`unused`)" not in text
    assert "2 files are not here" in text
    assert (
        "\n    snakemake -j2 --forceall papers/toy/figures  # computes everything again\n" in text
    )


def test_the_same_tree_gives_the_same_bytes(root, unpacked):
    before = (root / "archive/toy.zip").read_bytes()
    for path in root.rglob("*"):
        os.utime(path, (1e9, 1e9))
    (root / "archive/toy.zip").unlink()
    assert (root / archive.write("toy")[0]).read_bytes() == before
    with zipfile.ZipFile(root / "archive/toy.zip") as opened:
        assert {each.date_time for each in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_verify_in_the_unpacked_folder_misses_nothing(unpacked, monkeypatch, capsys):
    monkeypatch.setattr(files, "ROOT", unpacked)
    assert provenance.main([]) == 0
    # Outputs, of which a figure is three files, and the two inputs that are there.
    assert capsys.readouterr().err.splitlines() == [
        "4 files agree with their provenance.",
        "2 more are not in this archive, only their sha256.",
    ]
    (unpacked / CLAIMS).unlink()
    assert provenance.main([]) == 1
    assert f"missing: {CLAIMS}: it was built and is gone" in capsys.readouterr().err


def test_versions_that_are_not_the_locks_are_told(root):
    if find_spec("rocrate") is None:
        pytest.skip("rocrate is not installed: make archive")
    path, versions = archive.write("toy")
    with zipfile.ZipFile(root / path) as opened:
        assert ("Some steps ran with" in opened.read("ARCHIVE.md").decode()) == bool(versions)
    made = files.read_json(SVG.replace("svg", "json"))
    pinned = environment.pins(files.resolve("requirements.lock"))["numpy"]
    for version, told in (("1.2.3", True), (f"{pinned}+local", False)):
        packages = made["packages"] | {"numpy": version, "alphacsc": "0.4.1"}
        files.write_json(SVG.replace("svg", "json"), made | {"packages": packages})
        path, versions = archive.write("toy")
        assert ("numpy 1.2.3" in versions) == told
        with zipfile.ZipFile(root / path) as opened:
            assert ("numpy 1.2.3" in opened.read("ARCHIVE.md").decode()) == told


def entities(folder):
    described = files.read_json(folder / "ro-crate-metadata.json")
    assert described["@context"] == "https://w3id.org/ro/crate/1.2/context"
    return {each["@id"]: each for each in described["@graph"]}


def listed(value):
    return [each["@id"] for each in (value if isinstance(value, list) else [value])]


def test_the_crate_is_true_of_its_files(unpacked):
    found = entities(unpacked)
    described = {name: each for name, each in found.items() if "File" in each["@type"]}
    for name, each in described.items():
        assert each["sha256"] == files.sha256(unpacked / name)
        assert each["contentSize"] == str((unpacked / name).stat().st_size)
    inside = {name for name in names_in(unpacked) if not name.startswith(("common/", "tests/"))}
    assert set(described) == inside - {"ro-crate-metadata.json"}
    assert found["./"]["license"] == {"@id": "https://spdx.org/licenses/BSD-3-Clause"}
    assert found["https://doi.org/10.48550/arXiv.2501.00001"]["name"] == "toy: a paper"
    assert found["#data/numbers"]["license"] == ENTRY["licence"]
    for each in found.values():  # nothing is referred to that is not described
        for value in each.values():
            refers = value if isinstance(value, list) else [value]
            told = [one["@id"] for one in refers if isinstance(one, dict)]
            assert [
                one for one in told if one not in found and "w3id.org/ro/crate" not in one
            ] == []


def test_the_crate_says_what_each_run_read_and_wrote(unpacked):
    found = entities(unpacked)
    run = found["#job/results/toy/embedded/notebooks/derived/clean.json"]
    assert run["instrument"] == {"@id": "papers/toy/1-prepare.ipynb"}
    step = found[next(one for one in listed(run["object"]) if one.startswith("#value/"))]
    assert (step["name"], step["value"]) == ("step", "0.5")
    assert f"#left-out/{RAW}" in listed(run["object"])
    assert found[f"#left-out/{RAW}"]["sha256"] == files.sha256(RAW)
    assert found[f"#left-out/{RAW}"]["isPartOf"] == {"@id": "#data/numbers"}
    assert f"#left-out/{CLEAN}" in listed(run["result"])
    drawn = found[f"#job/{SVG.replace('svg', 'json')}"]
    assert {SVG, SVG.replace("svg", "csv")} <= set(listed(drawn["result"]))
    assert listed(found["#run"]["result"]) == [SVG, CLAIMS]
    actions = [name for name in found if name.startswith("#job/")]
    controlled = [found[name]["object"]["@id"] for name in listed(found["#organized"]["object"])]
    assert sorted(controlled) == sorted(actions) and len(actions) == 3


def test_codecheck_lists_figures_their_numbers_and_the_claims(unpacked):
    text = (unpacked / "codecheck.yml").read_text("utf-8")
    assert text.startswith("---\n")
    found = yaml.safe_load(text)
    assert found["version"] == "https://codecheck.org.uk/spec/config/2.0/"
    assert found["paper"] == {
        "title": "toy: a paper",
        "authors": [{"name": "Ada Nobody"}, {"name": "Someone"}],
        "reference": "https://doi.org/10.48550/arXiv.2501.00001",
    }
    assert [each["file"] for each in found["manifest"]] == [SVG, SVG.replace("svg", "csv"), CLAIMS]
    assert found["manifest"][0]["comment"] == "Figure 3 of the paper: A rising signal"
    assert all((unpacked / each["file"]).is_file() for each in found["manifest"])


def test_reproduction_states_the_numbers_with_four_digits(unpacked):
    found = yaml.safe_load((unpacked / "repro.yaml").read_text("utf-8"))
    for each in found["artifacts"]:
        assert each["digest"]["value"] == files.sha256(unpacked / each["path"])
    first, second = found["claims"]
    assert first["text"] == "It rises, by much." and first["where"] == "Table 1"
    reported = {each["column"]: each["reported"] for each in first["evidence"]}
    assert reported == {"ours": "1.057E+5", "low": "0.7812", "high": "1.235E+6"}
    assert second["evidence"] == []


@pytest.mark.parametrize(
    ("text", "rounded"),
    [
        ("2.0", "2.0"),
        ("0.12345", "0.1234"),
        ("-1e-7", "-1E-7"),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("n/a", None),
    ],
)
def test_numbers_as_they_are_stated(text, rounded):
    assert archive._rounded(text) == rounded


def test_an_archive_of_all_papers_has_the_scoreboard(root, monkeypatch):
    if find_spec("rocrate") is None:
        pytest.skip("rocrate is not installed: make archive")
    shutil.rmtree(root / "papers/other")
    write("notebooks/scoreboard.ipynb", json.dumps({"cells": []}))
    commit()
    with pytest.raises(
        papers.PaperError, match=r"^results/scoreboard\.csv is not built at the emb"
    ):
        archive.write()
    write("results/scoreboard.csv", "x\n")
    board = "results/scoreboard"
    ran("notebooks/scoreboard.ipynb", board, [CLAIMS], [f"{board}.csv"])
    with zipfile.ZipFile(root / archive.write()[0]) as opened:
        names = opened.namelist()
    assert {f"{board}.csv", f"{board}.json", f"{board}.ipynb", SVG} <= set(names)
    assert "codecheck.yml" not in names  # it is about one paper


# What cannot be archived is one message with what to do, and nothing is written.


def refused(root, paper="toy"):
    with pytest.raises(papers.PaperError) as raised:
        archive.write(paper)
    assert not (root / "archive").exists()
    return str(raised.value)


def test_a_paper_that_is_none(root):
    assert (
        refused(root, "toi") == "there is no paper 'toi'; did you mean 'toy'? (known: other, toy)"
    )


def test_a_paper_that_is_not_built(root):
    assert refused(root, "other") == (
        "papers/other/figures/signal.svg is not built at the embedded scale, nor are 1 more. "
        "Build it: snakemake -j2 papers/other/figures --config scale=embedded"
    )


def test_a_paper_that_shows_another_scale(root):
    write("config.yaml", "scale: smoke\n")
    commit()
    assert "papers/toy/figures/signal.svg is not built at the smoke scale" in refused(root)
    assert refused(root).endswith("snakemake -j2 papers/toy/figures --config scale=smoke")


def test_what_is_not_up_to_date(root):
    write(SVG.replace("svg", "csv"), "x\n7\n")
    message = refused(root)
    assert message.startswith("what is built is not up to date, so nothing is archived:\ncorrupt: ")
    assert f"Repair: snakemake -j2 --force {SVG}" in message


def test_data_that_are_not_there_are_left_out_all_the_same(root, unpacked):
    before = (root / "archive/toy.zip").read_bytes()
    shutil.rmtree(root / "data/raw")
    shutil.rmtree(root / "data/derived")
    archive.write("toy")
    assert (root / "archive/toy.zip").read_bytes() == before
    (root / CLAIMS).unlink()
    with pytest.raises(papers.PaperError, match=rf"^{CLAIMS} is not built at the embedded scale"):
        archive.write("toy")
    assert (root / "archive/toy.zip").read_bytes() == before


def test_what_was_made_by_hand(root):
    made = files.read_json(SVG.replace("svg", "json"))
    files.write_json(SVG.replace("svg", "json"), made | {"interactive": True})
    assert f"made by hand: {SVG}" in refused(root)


def test_code_that_is_not_committed(root):
    write("common/code.py", "X = 2\n")
    write("common/new.py", "Y = 1\n")
    assert refused(root) == (
        "an archive holds the code of one commit, and these files differ from it: common/code.py, "
        "common/new.py. Commit them, or put them aside: git stash -u"
    )


def test_a_folder_without_git(root):
    shutil.rmtree(root / ".git")
    subprocess.run(["git", "init", "-q"], cwd=root.parent, check=True)  # another one around it
    assert "and this folder is no git clone, or has no commit. Archive in a clone" in refused(root)


def test_the_command_prints_one_line(root, monkeypatch, capsys):
    monkeypatch.setattr(archive, "find_spec", lambda name: True)
    assert archive.main(["toi"]) == 1
    assert capsys.readouterr().err.startswith("there is no paper 'toi'; did you mean 'toy'?")
    monkeypatch.setattr(archive, "find_spec", lambda name: None)
    assert archive.main(["toy"]) == 1
    assert capsys.readouterr().err == (
        "rocrate is not installed. Install it, and archive: make archive\n"
    )


# Other people's programs.


def program(name):
    """A program of `.venv-checkers`."""
    if not (CHECKERS / name).exists():
        pytest.skip(f"{name} is not installed: make checkers")
    return str(CHECKERS / name)


def test_claims_cli_finds_the_numbers(unpacked):
    verify = [program("claims"), "verify", "repro.yaml", "--policy", "publication"]
    hidden = {"PYTHONPATH", "PYTHONHOME"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}

    def verified():
        done = subprocess.run(verify, cwd=unpacked, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    status, output = verified()
    assert status == 0 and "3 verified" in output, output
    # Another number in the table, with its own hash, is found.
    rows = list(csv.reader(io.StringIO((unpacked / CLAIMS).read_text("utf-8"))))
    rows[1][rows[0].index("low")] = "0.9"
    with (unpacked / CLAIMS).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    stated = (unpacked / "repro.yaml").read_text("utf-8")
    stated = stated.replace(files.sha256(files.resolve(CLAIMS)), files.sha256(unpacked / CLAIMS))
    (unpacked / "repro.yaml").write_text(stated, encoding="utf-8")
    status, output = verified()
    assert status == 1 and "MISS" in output and "2 verified" in output, output


def test_roc_validator_has_nothing_against_the_crate(unpacked):
    program("rocrate-validator")
    import rocrate

    script = Path(__file__).parent / "reference/validate_crate.py"
    terms = Path(rocrate.__file__).parent / "data/ro-crate.jsonld"
    hidden = {"PYTHONPATH", "PYTHONHOME"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}

    def issues(*profiles):
        command = [CHECKERS / "python", script, unpacked, terms, *profiles]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert issues() == []
    # It has something against one that lacks what a profile asks for.
    described = files.read_json(unpacked / "ro-crate-metadata.json")
    for each in described["@graph"]:
        if each["@id"] == "./":
            del each["license"]
    (unpacked / "ro-crate-metadata.json").write_text(json.dumps(described), encoding="utf-8")
    assert any("license" in line for line in issues("workflow-ro-crate"))
