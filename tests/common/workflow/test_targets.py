"""What a paper's targets consist of, and which one was meant by a name that is none."""

from types import SimpleNamespace

import pytest
from snakemake.io import IOFile

from common import files
from common.workflow import papers, targets


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rule(name, *, input=(), output=(), log=(), benchmark=None):
    made = SimpleNamespace(name=name, wildcard_names=set())
    made.pathvars = SimpleNamespace(apply=lambda path: path)
    made.input = list(input)
    made.output = [IOFile(file, rule=made) for file in output]
    made.log = [file if callable(file) else IOFile(file, rule=made) for file in log]
    made.benchmark = IOFile(benchmark, rule=made) if benchmark else None
    return made


def workflow(rules):
    return SimpleNamespace(
        rules=rules, _rules={rule.name: rule for rule in rules}, config={"scale": "embedded"}
    )


def steps(scale="embedded", *, recorded=None, preview=None, reads=()):
    return SimpleNamespace(
        reads=lambda name: dict(reads).get(name, {}),
        name="toy",
        scale=scale,
        figures=["bars", "lines"],
        figure=lambda name: f"papers/toy/figures/{name}.svg",
        claims=f"results/toy/{scale}/claims.csv",
        results="papers/toy/recorded" if scale == "recorded" else "results/toy/embedded",
        paper=SimpleNamespace(recorded=recorded, preview=preview),
    )


BARS, LINES = "papers/toy/figures/bars.svg", "papers/toy/figures/lines.svg"
CLAIMS = "results/toy/embedded/claims.csv"
MADE = "results/toy/embedded"


def papers_rules():
    return [
        rule("bars", input=[f"{MADE}/b.csv", "data/raw/x.csv", lambda w: "c"], output=[BARS]),
        rule("lines", input=[f"{MADE}/a.csv", f"{MADE}/{{name}}.csv"], output=[LINES]),
        rule("claims", input=[f"{MADE}/c.csv"], output=[CLAIMS]),
    ]


def test_a_target_is_the_figures_and_the_claims():
    target = targets.Target(workflow(papers_rules()), steps(preview="lines"))
    assert (target.figures, target.claims, target.preview) == ([BARS, LINES], [CLAIMS], LINES)
    assert target.all == [BARS, LINES, CLAIMS]
    # Tables of a wildcard, of a function and from elsewhere are no result tables to record.
    assert target.tables == [f"{MADE}/a.csv", f"{MADE}/b.csv", f"{MADE}/c.csv"]
    without = targets.Target(workflow(papers_rules()[:2]), steps(recorded=["bars"]))
    assert (without.claims, without.preview) == ([], None)
    assert without.tables == [f"{MADE}/b.csv"]
    with pytest.raises(papers.PaperError, match=r"papers/toy/rules\.smk: no rule writes .*lines"):
        targets.Target(workflow(papers_rules()[:1]), steps())


def test_what_lies_beside_a_figure_is_made_anew_where_it_is_gone(root):
    (root / "papers/toy/figures").mkdir(parents=True)
    for name in ("bars.svg", "bars.csv", "lines.csv"):
        (root / "papers/toy/figures" / name).touch()
    beside = targets.Target(workflow(papers_rules()), steps()).beside
    assert beside["papers/toy/figures/bars.csv"] == BARS
    assert "papers/toy/figures/bars.png" not in beside
    others = {name for name, svg in beside.items() if svg == LINES}
    assert others == {LINES[:-4] + end for end in (".csv", ".png", ".ipynb", ".json")}


def test_at_the_recorded_scale_there_are_the_figures_that_can_be_drawn(root, monkeypatch):
    recorded = "papers/toy/recorded"
    (root / recorded).mkdir(parents=True)
    (root / recorded / "a.csv").touch()
    rules = [
        rule("scores", output=[f"{recorded}/a.csv"]),
        rule("bars", input=[f"{recorded}/b.csv"], output=[BARS]),
        rule("lines", input=[f"{recorded}/a.csv"], output=[LINES]),
        rule("claims", input=[f"{recorded}/{{name}}.csv"], output=["results/toy/recorded/c.csv"]),
    ]
    run, broken = workflow(rules), {"odd": "it is broken"}
    monkeypatch.setattr(papers, "names", lambda: ["odd", "toy", "late"])

    def of(name, config):
        if name == "late":
            raise papers.PaperError("no such setting")
        return steps("recorded")

    monkeypatch.setattr(targets.steps, "of", of)
    (target,) = targets.of_papers(run, {}, broken, papers.names())
    assert target.all == [LINES]
    assert broken == {"odd": "it is broken", "late": "no such setting"}
    # Nothing is computed: what would write a recorded table is gone.
    assert list(run._rules) == ["bars", "lines", "claims"]


def test_a_figure_of_an_empty_list_of_files_cannot_be_drawn(root):
    rules = [rule("bars", output=[BARS]), rule("lines", output=[LINES])]
    reads = {"bars": {"tables": []}, "lines": {"tables": ["a.csv"], "published": "b.csv"}}
    target = targets.Target(workflow(rules), steps("recorded", reads=reads))
    assert target.all == [LINES]


@pytest.fixture
def nearest():
    rules = [
        rule("papers/toy/figures", output=[]),
        rule("papers/toy/record", output=[]),
        rule("papers/", output=[]),
        rule("toy_bars", output=[BARS], log=["papers/toy/figures/bars.log"]),
        rule("toy_lines", output=[LINES]),
        rule("toy_claims", output=[CLAIMS]),
        rule("nothing", log=[f"{MADE}/notebooks/scores/{{name}}.ipynb"]),
        rule(
            "toy_scores",
            output=[f"{MADE}/scores/{{name}}.json"],
            log=[lambda wildcards: "", f"{MADE}/notebooks/scores/{{name}}.ipynb"],
            benchmark=f"{MADE}/benchmarks/scores/{{name}}.tsv",
        ),
    ]
    run = workflow(rules)
    known = [targets.Target(run, steps())]

    def nearest(target, broken=(), known=known):
        return targets.nearest(target, run, known, dict(broken))

    return nearest


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("papers/tyo/figures", "papers/toy/figures"),
        ("papers\\Toy\\figures", "papers/toy/figures"),
        ("toy", "papers/toy/figures"),
        ("papers/toyy", "papers/toy/figures"),
        ("bars.svg", BARS),
        ("bars.pdf", BARS),
        ("papers/toy/figures/lines.pdf", LINES),
        ("papers/toy/figures/bras.svg", BARS),
        ("results/toy/embedded/Claims.CSV", CLAIMS),
        ("papers/toy/recrod", "papers/toy/record"),
        (f"{MADE}/notebooks/scores/a.ipynb", f"{MADE}/scores/a.json"),
        (f"{MADE}/notebooks/scores/a.json", f"{MADE}/scores/a.json"),
        (f"{MADE}/benchmarks/scores/a/b.tsv", f"{MADE}/scores/a/b.json"),
        ("papers/toy/figures/bars.log", BARS),
    ],
)
def test_the_target_that_was_meant_is_named(nearest, root, asked, meant):
    for name in (asked, f"{root}/{asked}"):
        if "\\" not in name or name == asked:
            assert nearest(name).endswith(f": snakemake -j8 {meant}")


def test_a_file_beside_a_figure_is_built_with_it(nearest):
    for end in ("csv", "png", "ipynb", "json"):
        assert nearest(f"papers/toy/figures/lines.{end}") == (
            f"papers/toy/figures/lines.{end} is missing beside {LINES}. "
            f"Build both again: snakemake -j8 --force {LINES}"
        )


def test_a_file_of_another_scale_asks_for_that_scale(nearest):
    asked = "results/toy/paper/claims.csv"
    assert nearest(asked) == (
        f"{asked} is not of the scale 'embedded'. Add its scale: "
        f"snakemake -j8 {asked} --config scale=paper"
    )
    assert "--config" not in nearest("results/toy/embedded/clams.csv")
    assert "--config" not in nearest("results/toy/paper")
    assert "--config" not in nearest("data/toy/paper/claims.csv")


def test_a_broken_paper_explains_itself(nearest):
    assert nearest("papers/odd/figures", {"odd": "it is broken"}) == "it is broken"
    assert nearest("odd", {"odd": "it is broken"}) == "it is broken"
    assert nearest("papers/toy/recrod", {"odd": "it is broken"}).endswith("papers/toy/record")


def test_what_is_like_nothing_lists_the_papers(nearest):
    for asked in ("zzz", "papers/zzz/zzz", "results/zzz"):
        assert nearest(asked).startswith(f"there is no target {asked}. Targets are papers/<paper>/")
        assert nearest(asked).endswith("known papers: toy")
    assert nearest("zzz", known=[]).endswith("known papers: none")
