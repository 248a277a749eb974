"""Starts the kernel of a job, as ``ipykernel_launcher`` does, without anybody's configuration.

IPython looks for configuration and startup files in the user's folder, in that of the environment
and in those of the machine.
"""

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

    Kernel.launch_instance()
