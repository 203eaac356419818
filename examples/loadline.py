"""Marks the phases of a Python program for Loadline. Copy this file next to your program.

    from loadline import phase

    with phase("load"):
        modules = load(n)
"""

import os
import sys
from contextlib import contextmanager


def _mark(name: str) -> None:
    print(f"\nloadline:phase={name}", flush=True)
    if os.environ.get("LOADLINE_ACK"):
        sys.stdin.readline()  # Loadline has read its counters


@contextmanager
def phase(name: str):
    """Counts the block as the phase `name`; the same name may come several times."""
    _mark(name)
    yield
    _mark("none")
