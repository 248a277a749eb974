"""Command line: ``python -m common.registry list | fetch NAME | check``."""

import argparse
import sys

from common import files, sources
from common.registry import RegistryError, fetch, load, status
from common.workflow import console

__all__ = ["main"]


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.

    Returns
    -------
    code : int
        0, or 1 after an error, which is printed.
    """
    console.accept_any_encoding()
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (RegistryError, sources.SourceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _list(options):
    for name, entry in load(options.registry).items():
        size = f"{entry.size / 1e6:8.1f} MB" if entry.size else f"{'':>11}"
        state = status(name, registry=options.registry)
        print(f"{name:24} {entry.source.kind:6} {size}  {state:8}  {entry.title}")
    return 0


def _fetch(options):
    config = _config()
    for name in options.names:
        got = fetch(
            name,
            destination=options.destination,
            mirror=options.mirror or config.get("mirror"),
            subject=options.subject,
            folders=config.get("folders"),
            registry=options.registry,
        )
        print(files.relative(got))
    return 0


def _check(options):
    states = {name: status(name, registry=options.registry) for name in load(options.registry)}
    for name, state in states.items():
        repair = f"  repair: python -m common.registry fetch {name}" if state == "corrupt" else ""
        print(f"{name:24} {state}{repair}")
    return int("corrupt" in states.values())


def _config():
    return (sources.read_yaml("config.yaml") or {}) if files.resolve("config.yaml").exists() else {}


def _parser():
    parser = argparse.ArgumentParser(prog="python -m common.registry", description=__doc__)
    parser.add_argument("--registry", help="another file than data/registry.yaml")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("list", help="the data sets, and whether they are here")
    command.set_defaults(run=_list)
    command = commands.add_parser("fetch", help="obtain data sets")
    command.add_argument("names", nargs="+", metavar="NAME")
    command.add_argument("--destination", help="another place than data/raw (one NAME)")
    command.add_argument("--mirror", help="folder of already downloaded files")
    command.add_argument("--subject", type=int, help="of a MOABB data set, from 1")
    command.set_defaults(run=_fetch)
    command = commands.add_parser("check", help="validate the registry, re-hash the files here")
    command.set_defaults(run=_check)
    return parser


if __name__ == "__main__":
    sys.exit(main())
