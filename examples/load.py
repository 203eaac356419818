"""Loads N precompiled modules with the `wasmtime` package and closes them, the oldest first.

The lines it prints tell Loadline which stretch is which; run by hand they are just output.
"""

import os
import sys

from wasmtime import Config, Engine, Module

WAT = "(module (func (export \"id\") (param i32) (result i32) local.get 0))"


def phase(name: str) -> None:
    """From here on everything counts as `name`."""
    print(f"loadline:phase={name}", flush=True)
    if os.environ.get("LOADLINE_ACK"):
        sys.stdin.readline()  # the counters have been read


def main() -> None:
    n = int(sys.argv[1])
    config = Config()
    config.native_unwind_info = os.environ.get("NATIVE_UNWIND", "1") == "1"
    engine = Engine(config)
    artifact = Module(engine, WAT).serialize()

    phase("load")
    modules = [Module.deserialize(engine, artifact) for _ in range(n)]
    print(f"loadline:metric=modules:{len(modules)}:count", flush=True)

    phase("unload")
    for module in modules:  # in the order they came: the oldest first
        module.close()

    phase("none")
    print(f"loadline:check={len(modules)}")


if __name__ == "__main__":
    main()
