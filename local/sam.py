"""SAM CLI with PyYAML's parser and emitter in C: it parses every template several times, which took half of a build.

    .venv-sam/bin/python local/sam.py build ...

Run by SAM CLI's own interpreter, so it uses nothing of this repository.
"""

import sys

import yaml

yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[misc,assignment]
yaml.SafeDumper = yaml.CSafeDumper  # type: ignore[misc,assignment]

if __name__ == "__main__":
    from samcli.cli.main import cli  # type: ignore[import-not-found]

    sys.exit(cli(prog_name="sam"))
