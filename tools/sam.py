"""SAM CLI with PyYAML's parser and emitter in C: it parses every template several times, which took half of a build.

    .venv-sam/bin/python tools/sam.py build ...

Run by SAM CLI's own interpreter, so it uses nothing of this repository.
"""

import runpy

import yaml

vars(yaml).update(SafeLoader=yaml.CSafeLoader, SafeDumper=yaml.CSafeDumper)

if __name__ == "__main__":
    runpy.run_module("samcli", run_name="__main__")
