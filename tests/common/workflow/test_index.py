"""Lists of papers follow from the papers."""

import json
import shutil
import tomllib

import pytest
import yaml

from common import files
from common.workflow import index, papers

FIGURE = papers.Figure(title='Scores | "all"', caption="C")


def paper(year, **changes):
    known = {
        "title": 'A "title": with marks',
        "authors": ["Curie, Marie", "Noether"],
        "year": year,
        "summary": "S",
        "figures": {"one": FIGURE},
        "scales": {"embedded": {}, "paper": {}},
    }
    return papers.Paper.model_validate(known | changes)


LISTED = {
    "b": paper(2020, arxiv="2001.00001", preview="one"),
    "a": paper(2020, doi="10.0/1"),
    "new": paper(2025, arxiv="2501.00001", doi="10.0/2"),
}


def test_readme_lists_the_newest_first_and_keeps_its_text():
    before = "# Title\n\n<!-- papers -->\nold\n<!-- end of papers -->\n\nMore.\n"
    after = index.readme(before, LISTED)
    rows = [line for line in after.splitlines() if line.startswith("| [")]
    assert ["papers/new/" in rows[0], "papers/a/" in rows[1], "papers/b/" in rows[2]] == [True] * 3
    assert "(2025, arXiv:2501.00001)" in rows[0] and "(2020, doi:10.0/1)" in rows[1]
    assert 'alt="Scores \\| &quot;all&quot;"' in rows[2]
    assert after.startswith("# Title\n") and after.endswith("\n\nMore.\n") and "old" not in after
    assert index.readme(after, LISTED) == after


def test_a_readme_without_a_place_for_the_list_says_what_is_missing():
    with pytest.raises(papers.PaperError, match="between <!-- papers --> and"):
        index.readme("# Title\n", LISTED)


def test_the_citation_is_yaml_with_every_paper():
    before = "cff-version: 1.2.0\ntitle: T\nreferences:\n  - type: article\n    title: old\n"
    after = index.citation(before, LISTED)
    found = yaml.safe_load(after)
    assert found["title"] == "T"
    assert [one["year"] for one in found["references"]] == [2025, 2020, 2020]
    first = found["references"][0]
    assert first["title"] == 'A "title": with marks'
    assert first["authors"] == [
        {"family-names": "Curie", "given-names": "Marie"},
        {"family-names": "Noether"},
    ]
    assert first["doi"] == "10.0/2"
    assert first["identifiers"][0]["value"] == "arXiv:2501.00001"
    assert index.citation(after, LISTED) == after


def test_codemeta_says_what_the_project_is_and_lists_its_papers():
    text = index.codemeta("what stood there", LISTED)
    found = json.loads(text)
    project = tomllib.loads(files.resolve("pyproject.toml").read_text("utf-8"))["project"]
    cited = yaml.safe_load(files.resolve("CITATION.cff").read_text("utf-8"))
    assert found["version"] == project["version"] == str(cited["version"])
    assert found["license"] == f"https://spdx.org/licenses/{cited['license']}"
    assert [one["name"] for one in found["author"]] == [one["name"] for one in cited["authors"]]
    first, second, third = found["referencePublication"]
    assert [first["@id"], second["@id"], third["@id"]] == [
        "https://doi.org/10.0/2",
        "https://doi.org/10.0/1",
        "https://doi.org/10.48550/arXiv.2001.00001",
    ]
    assert first["name"] == 'A "title": with marks' and first["datePublished"] == "2025"
    assert first["author"] == [
        {"@type": "Person", "familyName": "Curie", "givenName": "Marie"},
        {"@type": "Person", "familyName": "Noether"},
    ]
    assert index.codemeta(text, LISTED) == text and text.endswith("}\n")


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """A repository whose lists are older than its papers, and without codemeta.json."""
    shutil.copytree(files.ROOT / "papers/dripp", tmp_path / "papers/dripp")
    for name in ("README.md", "CITATION.cff", "pyproject.toml"):
        shutil.copy(files.ROOT / name, tmp_path / name)
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return tmp_path


def test_all_lists_are_written_and_then_up_to_date(lists, capsys):
    names = ["README.md", "CITATION.cff", "codemeta.json"]
    assert index.stale() == names
    assert index.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: written" for name in names]
    assert index.stale() == []
    (lists / "codemeta.json").write_text("{}")
    assert index.stale() == ["codemeta.json"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    shutil.copytree(files.ROOT / "papers/_template", tmp_path / "papers/_template")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return tmp_path


def test_a_new_paper_is_the_template_under_its_name(repository, capsys):
    assert index.main(["--new", "my-paper"]) == 0
    assert "snakemake -j2 papers/my-paper/figures" in capsys.readouterr().out
    made, template = repository / "papers/my-paper", repository / "papers/_template"
    assert papers.names() == ["my-paper"]
    for path in template.rglob("*"):
        if path.is_file():
            text = (made / path.relative_to(template)).read_text("utf-8")
            assert text == path.read_text("utf-8").replace("_template", "my-paper")
    assert [path.name for path in (repository / "papers").iterdir() if path.name[0] == "."] == []


@pytest.mark.parametrize("name", ["", "My-Paper", "_paper", "my_paper", "my--paper", "../a", "1a"])
def test_a_name_that_is_none_is_refused(repository, name, capsys):
    assert index.main(["--new", name]) == 1
    assert f"single hyphens, got {name!r}; for example: make paper" in capsys.readouterr().err
    assert [path.name for path in (repository / "papers").iterdir()] == ["_template"]


def test_a_paper_that_exists_is_left_alone(repository, capsys):
    index.new("mine")
    assert index.main(["--new", "mine"]) == 1
    assert "papers/mine exists. Take another name" in capsys.readouterr().err


def test_without_papers_there_is_a_heading_only():
    assert index.readme("<!-- papers -->\n<!-- end of papers -->", {}).count("\n|") == 2
