"""The tables of commands are those of ``make help``."""

import re
import subprocess

from model.settings import ROOT
from pages.commands import SECTIONS, sections


def test_the_tables_have_the_targets_of_make_help():
    output = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commands = [command for rows in sections().values() for command, _ in rows]
    assert [command.strip("`").split()[1] for command in commands] == re.findall(r"^  make (\S+)", output, re.MULTILINE)


def test_each_section_of_the_readme_is_one_of_the_makefile():
    assert set(SECTIONS) <= set(sections())


def test_vertical_bars_do_not_end_a_cell():
    assert "|" not in "".join(command.replace(r"\|", "") for rows in sections().values() for command, _ in rows)
