"""Starts the kernel of a job, as ``ipykernel_launcher`` does, without anybody's configuration.

IPython looks for configuration and startup files in the user's folder, in that of the environment
and in those of the machine.
"""

import os
import sys

if __name__ == "__main__":
    del sys.path[0]  # this file's folder; the working directory is put back by the kernel

    from ipykernel.kernelapp import IPKernelApp

    class Kernel(IPKernelApp):
        """The application without configuration; arguments of the command line count."""

        def load_config_file(self, *arguments, **options):
            """Read none."""

        def _run_startup_files(self):
            """Run none."""

        def initialize(self, argv=None):
            """Start, and say so where libraries are imported already (server.py)."""
            super().initialize(argv)
            globals().get("ready", bool)()

    # As the default would be if ipykernel had been imported just now.
    Kernel.launch_instance(parent_handle=int(os.environ.get("JPY_PARENT_PID") or 0))
