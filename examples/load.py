"""Loads N precompiled modules with the `wasmtime` package and closes them, the oldest first.

loadline.py marks the two phases; run by hand, its lines are just output.
"""

import os
import sys

from loadline import phase
from wasmtime import Config, Engine, Module

WAT = "(module (func (export \"id\") (param i32) (result i32) local.get 0))"


def main() -> None:
    n = int(sys.argv[1])
    config = Config()
    config.native_unwind_info = os.environ.get("NATIVE_UNWIND", "1") == "1"
    engine = Engine(config)
    artifact = Module(engine, WAT).serialize()

    with phase("load"):
        modules = [Module.deserialize(engine, artifact) for _ in range(n)]
        print(f"loadline:metric=modules:{len(modules)}:count", flush=True)

    with phase("unload"):
        for module in modules:  # in the order they came: the oldest first
            module.close()

    print(f"loadline:check={len(modules)}")


if __name__ == "__main__":
    main()
