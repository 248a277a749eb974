"""What the top Snakefile does besides finding papers, and what it imports at every start."""

import contextlib
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError
from snakemake.io import IOFile
from snakemake.settings.types import MaxJobsPerTimespan

from common import files, sources
from common.workflow import papers, wiring
from common.workflow.notebooks import warm

SLOW = {"matplotlib", "mne", "moabb", "nbformat", "pandas", "papermill", "scipy", "torch"}


def test_a_start_of_snakemake_imports_nothing_slow():
    code = (
        "import sys; from common.report import reference; "
        "from common.workflow import locks, papers, peaks, steps, targets, wiring; "
        "from common.workflow.notebooks import provenance; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=files.ROOT, capture_output=True, text=True, check=True
    )
    assert "common.workflow.wiring" in done.stdout.split()
    assert SLOW.isdisjoint(done.stdout.split())


def test_a_rate_that_nobody_asked_for_is_not_kept_and_another_one_is():
    def limit_of(rate):
        workflow = SimpleNamespace(
            scheduling_settings=SimpleNamespace(max_jobs_per_timespan=rate),
            scheduler=SimpleNamespace(job_rate_limiter=rate),
        )
        wiring.wait_for_jobs_alone(workflow)
        return workflow.scheduler.job_rate_limiter

    for text in ("5/1s", "100/1m"):
        rate = MaxJobsPerTimespan.parse_choice(text)
        assert limit_of(rate) is rate
    assert limit_of(MaxJobsPerTimespan.parse_choice("100/1s")) is None
    assert limit_of(None) is None


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_work_is_done_in_the_repository_only(root, monkeypatch):
    (root / "link").symlink_to(root)
    wiring.check_folder(SimpleNamespace(basedir=str(root / "link")))
    (root / "elsewhere").mkdir()
    monkeypatch.chdir(root / "elsewhere")
    with pytest.raises(WorkflowError, match=f"always written in {root}, .*: cd {root}$"):
        wiring.check_folder(SimpleNamespace(basedir=str(root)))


def configured(**options):
    run = SimpleNamespace(config={}, overwrite_configfiles=[])
    run.config_settings = SimpleNamespace(overwrite_config=options)
    return run


def test_the_command_line_comes_before_the_file(root):
    (root / "config.yaml").write_text("scale: paper\nmirror: somewhere\n")
    run = configured(scale="smoke")
    wiring.configure(run)
    assert run.config == {"scale": "smoke", "mirror": "somewhere"}
    (root / "config.yaml").write_text("# nothing is set\n")
    run = configured(scale="smoke")
    wiring.configure(run)
    assert run.config == {"scale": "smoke"}


def test_a_configuration_that_is_none_is_one_error(root):
    (root / "config.yaml").write_text("- scale\n")
    with pytest.raises(WorkflowError, match=r"config\.yaml: expected `key: value` lines"):
        wiring.configure(configured())
    (root / "config.yaml").unlink()
    with pytest.raises(WorkflowError, match=r"config\.yaml"):
        wiring.configure(configured())
    # Another file, named on the command line, is enough.
    run = configured()
    run.overwrite_configfiles, run.config = ["other.yaml"], {"scale": "smoke"}
    wiring.configure(run)
    assert run.config == {"scale": "smoke"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (papers.PaperError("two\nlines"), "two\nlines"),
        (sources.SourceError("a.yaml: line 3"), "a.yaml: line 3"),
    ],
)
def test_a_broken_paper_leaves_no_rules(monkeypatch, error, said):
    monkeypatch.setattr(papers, "load", lambda name: None)
    run = SimpleNamespace(_rules={"other": 1}, included_stack=["Snakefile"], linemaps={})
    broken = {}
    with wiring.left_out_if_broken(run, broken, "toy"):
        run._rules["toy_a"] = 2
    assert broken == {} and list(run._rules) == ["other", "toy_a"]
    with wiring.left_out_if_broken(run, broken, "odd"):
        run._rules["odd_a"] = 3
        run.included_stack.append("rules.smk")
        raise error
    assert broken == {"odd": said}
    assert (list(run._rules), run.included_stack) == (["other", "toy_a"], ["Snakefile"])


def test_a_mistake_in_the_description_comes_before_what_follows_from_it(monkeypatch):
    def load(name):
        raise papers.PaperError("paper.yaml: no title")

    monkeypatch.setattr(papers, "load", load)
    run, broken = SimpleNamespace(_rules={}, included_stack=[], linemaps={}), {}
    with wiring.left_out_if_broken(run, broken, "odd"):
        raise papers.PaperError("no figure")
    assert broken == {"odd": "paper.yaml: no title"}


def test_an_error_in_rules_is_one_line_with_its_place(root, monkeypatch):
    monkeypatch.setattr(papers, "load", lambda name: None)
    file, broken = str(root / "papers/odd/rules.smk"), {}
    linemaps = {file: {2: 12}}  # of the Python that Snakemake makes of the file
    run = SimpleNamespace(_rules={}, included_stack=[], linemaps=linemaps)
    for name, source in {"odd": "\n1 / 0\n", "odder": "\nraise KeyError('a')"}.items():
        with wiring.left_out_if_broken(run, broken, name):
            exec(compile(source, file, "exec"), {})
    with wiring.left_out_if_broken(run, broken, "oddest"):
        raise SyntaxError("invalid syntax", (file, 2, 1, "rule a b:"))
    assert broken["odd"] == ("papers/odd/rules.smk, line 12: ZeroDivisionError: division by zero")
    assert broken["odder"].startswith("papers/odd/rules.smk, line 12: KeyError: ")
    assert broken["oddest"].startswith("papers/odd/rules.smk, line 12: SyntaxError: invalid syntax")


def test_what_needs_every_paper_says_what_is_wrong_with_the_broken_ones():
    assert wiring.unless_broken({}, ["a", "b"]) == ["a", "b"]
    complain = wiring.unless_broken({"a": "one", "b": "two"}, ["a"])
    with pytest.raises(papers.PaperError, match=r"^one\ntwo$"):
        complain(None)


def rule(**parts):
    made = SimpleNamespace(wildcard_names=set(), output=[], log=[], benchmark=None)
    made.pathvars = SimpleNamespace(apply=lambda path: path)
    for name, value in parts.items():
        named = [one if callable(one) else IOFile(one, rule=made) for one in value]
        setattr(made, name, named if name != "benchmark" else named[0])
    return made


def test_files_of_rules_are_those_of_every_scale():
    rules = [
        rule(output=["results/toy/embedded/{name}.csv", "data/derived/toy.csv"]),
        rule(output=["results/toy/embedded/{name}.csv"], log=["a.ipynb", lambda wildcards: "b"]),
        rule(benchmark=["results/toy/embedded/benchmarks/a.tsv"]),
    ]
    found = wiring.patterns(SimpleNamespace(rules=rules), {"scale": "embedded"})
    assert len(found) == 4  # each once, and none of a function

    def any_of(path):
        return any(re.fullmatch(pattern, path) for pattern in found)

    for path in ("results/toy/paper/x.csv", "results/toy/smoke/benchmarks/a.tsv", "a.ipynb"):
        assert any_of(path)
    assert not any_of("results/toy/paper/x.json")


def test_params_reach_a_notebook_as_they_are():
    from snakemake.iocontainers import Params

    kept = Params(fromdict={"text": "{name}", "many": ["{a}"], "computed": len})
    wiring.keep_texts(SimpleNamespace(rules=[SimpleNamespace(params=kept)]))
    assert kept.text(None) == "{name}" and kept.many(None) == ["{a}"]
    assert kept.computed is len and kept[2] is len
    assert kept[0](None) == "{name}"


@pytest.fixture
def started(monkeypatch, tmp_path):
    """The groups of jobs for which a server was started."""
    found = []

    @contextlib.contextmanager
    def scratch():
        yield tmp_path, started.has_sockets

    def server(folder, groups, **_):
        found.append(groups)
        return SimpleNamespace(close=lambda: None)

    started = SimpleNamespace(found=found, has_sockets=True, gpu=False)
    monkeypatch.setattr(wiring.locks, "scratch", scratch)
    monkeypatch.setattr(wiring.atexit, "register", lambda call: None)
    monkeypatch.setattr(wiring, "has_gpu_driver", lambda: started.gpu)
    monkeypatch.setattr(wiring.fingerprint, "imports", lambda path, root: ["numpy", "scipy"])
    monkeypatch.setattr(warm, "Server", server)
    monkeypatch.setattr(warm, "is_possible", lambda: True)
    monkeypatch.setenv(warm.FOLDER, "before")
    return started


def running(notebooks, *, script=True, main=True, local=True, **config):
    def job(notebook):
        params = {"notebook": notebook} if notebook else {}
        return SimpleNamespace(params=params, rule=SimpleNamespace(script=script))

    return SimpleNamespace(
        config={"scale": "embedded"} | config,
        is_main_process=main,
        local_exec=local,
        dag=SimpleNamespace(needrun_jobs=lambda: [job(notebook) for notebook in notebooks]),
    )


def test_a_server_is_started_where_two_jobs_can_be_forked(started, tmp_path):
    wiring.keep_warm(running(["a.ipynb@0", "a.ipynb@0", None]))
    assert started.found == [[(["numpy", "scipy"], ["a.ipynb@0"])]]
    assert os.environ[warm.FOLDER] == str(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"notebooks": ["a.ipynb@0", None]},
        {"script": False},
        {"main": False},
        {"local": False},
        {"warm": False},
    ],
)
def test_no_server_is_started_where_it_is_of_no_use(started, options):
    wiring.keep_warm(running(**{"notebooks": ["a.ipynb@0", "b.ipynb@0"], **options}))
    assert started.found == [] and os.environ[warm.FOLDER] == "before"


def test_no_server_is_started_without_a_place_for_its_sockets(started):
    started.has_sockets = False
    wiring.keep_warm(running(["a.ipynb@0", "b.ipynb@0"]))
    assert started.found == [] and os.environ[warm.FOLDER] == "before"


@pytest.mark.parametrize(("device", "imports"), [("auto", []), ("cpu", ["numpy", "scipy"])])
def test_a_library_that_may_speak_to_a_gpu_is_imported_after_the_fork(started, device, imports):
    started.gpu = True
    wiring.keep_warm(running(["a.ipynb@0", "a.ipynb@0"], device=device))
    assert started.found == [[(imports, ["a.ipynb@0"])]]


TABLE = "results/toy/paper/tables/a.csv"


def made(root, content=b"x\n1\n"):
    """A table with its provenance."""
    (root / TABLE).parent.mkdir(parents=True, exist_ok=True)
    (root / TABLE).write_bytes(content)
    provenance = {"outputs": {TABLE: files.sha256(root / TABLE)}, "inputs": {}}
    (root / "results/toy/paper/notebooks").mkdir(exist_ok=True)
    path = root / "results/toy/paper/notebooks/a.json"
    path.write_text(json.dumps(provenance))


def test_a_small_table_is_recorded_with_its_provenance(root, monkeypatch, capsys):
    made(root)
    arguments = ["record", "toy", "--scale", "paper", "--files", TABLE]
    origin = {TABLE: json.loads((root / "results/toy/paper/notebooks/a.json").read_text())}
    monkeypatch.setattr(wiring.provenance, "by_output", lambda folder: origin)
    monkeypatch.setattr(wiring, "MAX_RECORDED_BYTES", 4)
    assert wiring.main(arguments) == 0
    assert (root / "papers/toy/recorded/tables/a.csv").read_bytes() == b"x\n1\n"
    path = root / "papers/toy/recorded/provenance.json"
    assert json.loads(path.read_text()) == {"tables/a.csv": origin[TABLE]}
    # What an earlier run has recorded stays, as long as its table is there.
    earlier = {"tables/b.csv": {"commit": "0"}, "tables/gone.csv": {"commit": "1"}}
    (path.parent / "tables/b.csv").write_text("y\n")
    path.write_text(json.dumps({"tables/a.csv": {"commit": "0"}, **earlier}))
    assert wiring.main(arguments) == 0
    del earlier["tables/gone.csv"]
    assert json.loads(path.read_text()) == {"tables/a.csv": origin[TABLE], **earlier}
    (root / TABLE).write_bytes(b"x\n2\n")
    assert wiring.main(arguments) == 1
    assert f"{TABLE} does not agree with its provenance. Rebuild it" in capsys.readouterr().err
    origin.clear()
    assert wiring.main(arguments) == 1
    assert f"{TABLE} does not agree with its provenance. Rebuild it" in capsys.readouterr().err
    made(root, b"x\n10\n")
    assert wiring.main(arguments) == 1
    assert f"{TABLE} has 5 bytes, more than the 4 of a recorded table" in capsys.readouterr().err
    assert wiring.main(["record", "toy", "--files", TABLE]) == 1
    assert "only results of scale 'paper' are recorded, this is 'embedded'" in (
        capsys.readouterr().err
    )


def test_a_preview_is_the_picture_beside_the_figure(root, capsys):
    (root / "papers/toy/figures").mkdir(parents=True)
    (root / "papers/toy/figures/bars.png").write_bytes(b"picture")
    assert wiring.main(["preview", "toy", "--files", "papers/toy/figures/bars.svg"]) == 0
    assert (root / "papers/toy/preview.png").read_bytes() == b"picture"
    assert wiring.main(["nothing-recorded", "toy"]) == 1
    assert "papers/toy/recorded/ holds no table" in capsys.readouterr().err
    assert wiring.main(["memory", "--files", "a 1 2 1"]) == 1
    assert "a took 2 MB and declares mem_mb=1" in capsys.readouterr().err
