"""Files from the web: retried where that can help, resumed where the server allows it."""

import os
import time

import pooch

from common.registry._verify import failure

__all__ = ["download"]

ATTEMPTS = 4
PAUSE = 1.0
"""Seconds before the second attempt; doubled for each one after it."""

_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


def download(url, temporary, *, name, size, progressbar):
    """Download a file to a temporary name, without verifying it.

    Parameters
    ----------
    url : str
    temporary : Path
        Written here. What one attempt got is kept for the next.
    name : str
        What the file is to be called: for the message.
    size : int
        Registered size, in bytes: for the message.
    progressbar : bool

    Raises
    ------
    RegistryError
        If the server refuses, or no attempt gets the whole file.
    """
    import requests

    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            _attempt(url, temporary, progressbar=progressbar)
            return
        except requests.HTTPError as error:
            last = error
            if error.response.status_code not in _TRANSIENT:
                break
        except requests.RequestException as error:
            last = error
    found, cause, fix = _diagnose(last, temporary)
    raise failure(
        name, source=url, expected=f"{size} bytes", found=found, cause=cause, fix=fix
    ) from last


def _attempt(url, temporary, *, progressbar):
    with temporary.open("ab") as file:
        done = file.tell()

        def restart_if_whole(response, **_):
            # A server that knows no ranges answers 200 with the file from its beginning.
            if response.status_code == 200:
                file.truncate(0)

        headers = {"Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
        fetch = pooch.HTTPDownloader(
            progressbar=progressbar,
            chunk_size=1 << 16,
            timeout=30,
            headers=headers,
            hooks={"response": restart_if_whole},
        )
        try:
            fetch(url, file, None)
        except Exception as error:
            # A range that begins at the end of the file cannot be satisfied: start over.
            if getattr(getattr(error, "response", None), "status_code", None) == 416:
                file.truncate(0)
                fetch.kwargs["headers"].pop("Range", None)
                fetch(url, file, None)
            else:
                raise


def _diagnose(error, temporary):
    import requests

    got = os.path.getsize(temporary) if temporary.exists() else 0
    if isinstance(error, requests.HTTPError):
        code, reason = error.response.status_code, error.response.reason
        if code in _TRANSIENT:
            return f"HTTP {code} {reason}", "the server is overloaded or down", "try again later"
        return (
            f"HTTP {code} {reason}",
            "the address moved, or needs a login",
            "open the address in a browser; correct it in the registry, or use a mirror folder",
        )
    if got:
        return (
            f"{got} bytes, then the connection broke, {ATTEMPTS} times",
            "the file arrives truncated: an unstable network, or a fault of the server",
            "try again later, or use a mirror folder",
        )
    kind = "no answer in time" if isinstance(error, requests.Timeout) else "no connection"
    return (
        f"{kind} ({type(error).__name__}), {ATTEMPTS} times",
        "no network, or a proxy or firewall in between",
        "set HTTPS_PROXY where a proxy is needed, or point `mirror` in config.yaml (or the "
        "environment variable ARTIFACTS_MIRROR) to a folder that holds the file",
    )
