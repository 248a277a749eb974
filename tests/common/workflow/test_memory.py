"""The limit of memory is the smallest of those that bind this process."""

import pytest

from common.workflow import memory

MIB = 2**20
ALL = 10**15
"""More than any machine has."""


@pytest.fixture
def limit(tmp_path, monkeypatch):
    """Function that makes control groups and asks for the limit in MB."""
    monkeypatch.setattr(memory, "_machine", lambda: [(16_000_000_000, "this machine")])
    monkeypatch.setattr(memory, "_ulimit", lambda: [])

    def limit(groups="", environment=(), **sizes):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for name, size in sizes.items():
            file = tmp_path / "sys/fs/cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{size}\n")
        return memory.limit(tmp_path, dict(environment))

    return limit


def test_without_control_groups_the_machine_is_the_limit(limit):
    assert limit() == (16_000, "this machine")


def test_a_system_without_proc_has_no_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_machine", lambda: [(8_000_000_000, "this machine")])
    monkeypatch.setattr(memory, "_ulimit", lambda: [])
    assert memory.limit(tmp_path, {}) == (8_000, "this machine")


@pytest.mark.parametrize(
    ("groups", "sizes", "mb"),
    [
        ("0::/a\n", {"a/memory.max": 0}, 16_000),
        # Version 2: of the group itself, of one around it, of a container that sees itself on top.
        ("0::/user/job\n", {"user/job/memory.max": 4 * 10**9}, 4_000),
        ("0::/user/job\n", {"user/memory.max": 3 * 10**9, "user/job/memory.max": "max"}, 3_000),
        ("0::/\n", {"memory.max": 2 * 10**9}, 2_000),
        ("0::/host/path/of/this\n", {"memory.max": 2 * 10**9}, 2_000),
        ("0::/../../up\n", {"up/memory.max": 10**9}, 1_000),
        # Beside version 1, version 2 is mounted apart.
        ("0::/a\n1:cpu:/\n", {"unified/a/memory.max": 5 * 10**9}, 5_000),
        # Version 1.
        ("4:memory:/docker/1\n", {"memory/docker/1/memory.limit_in_bytes": 6 * 10**9}, 6_000),
        ("4:cpu,memory:/a/b\n", {"memory/a/memory.limit_in_bytes": 7 * 10**9}, 7_000),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": 2**63 - 4096}, 16_000),
        # No limit, a limit beyond the machine, and what cannot be read.
        ("0::/a\n", {"a/memory.max": "max"}, 16_000),
        ("0::/a\n", {"a/memory.max": ALL}, 16_000),
        ("0::/a\n", {"a/memory.max": "nonsense"}, 16_000),
        ("3:cpu:/a\n", {"memory/a/memory.limit_in_bytes": 10**9}, 16_000),
    ],
)
def test_the_smallest_limit_of_a_control_group_counts(limit, groups, sizes, mb):
    assert limit(groups, **sizes)[0] == mb


@pytest.mark.parametrize(
    ("environment", "mb"),
    [
        ({"SLURM_MEM_PER_NODE": "4096"}, 4096 * MIB // 10**6),
        ({"SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_ON_NODE": "4"}, 4096 * MIB // 10**6),
        ({"SLURM_MEM_PER_CPU": "1024"}, 1024 * MIB // 10**6),
        ({"SLURM_MEM_PER_NODE": "2", "SLURM_MEM_PER_CPU": "1"}, 1),  # MiB; the smaller one
        ({"SLURM_MEM_PER_NODE": "0"}, 16_000),
        ({"SLURM_MEM_PER_NODE": "all"}, 16_000),
    ],
)
def test_a_slurm_job_has_what_it_asked_for(limit, environment, mb):
    assert limit(environment=environment)[0] == mb


def test_ulimit_counts(monkeypatch, tmp_path):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(memory, "_machine", lambda: [])
    monkeypatch.setattr(resource, "getrlimit", lambda which: (3_000_000_000, 3_000_000_000))
    assert memory.limit(tmp_path, {}) == (3_000, "ulimit -v")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2_000_000, 3_000_000_000))
    assert memory.limit(tmp_path, {}) == (2, "ulimit -v")  # not the hard one
    for unlimited in (resource.RLIM_INFINITY, 2**60):
        monkeypatch.setattr(resource, "getrlimit", lambda which, size=unlimited: (size,) * 2)
        assert memory.limit(tmp_path, {}) is None


def test_this_machine_has_memory():
    ((size, what),) = memory._machine()
    assert 10**8 < size < ALL
    assert what == "this machine"


def test_the_budget_is_a_share_of_the_limit(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: (8_000, "this machine"))
    assert memory.budget() == 6_000
    monkeypatch.setattr(memory, "limit", lambda: (1, "this machine"))
    assert memory.budget() == 1
    monkeypatch.setattr(memory, "limit", lambda: None)
    assert memory.budget() is None
