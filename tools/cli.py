"""The command line: ``python -m tools.cli <command>``, of which the Makefile's targets are aliases.

A command's module is imported when the command runs, so that light commands start quickly:
https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands
Variables of make (``make logs FN=...``) reach commands in the environment: ``envvar`` of their options.
"""

import importlib
import os
from typing import Any

import click

from tools.stages import STAGES, current_stage

# Variables of campaigns that have to be whole numbers.
NUMBERS = ("SETPIECES_SEED", "SETPIECES_LOAD_SEED")
COMMANDS = {
    "watch": "local.cloud.watch:main",
    "start": "local.cloud.start:start",
    "addresses": "local.cloud.addresses:addresses",
    "stop": "local.cloud.stop:stop",
    "reset": "local.cloud.stop:reset",
    "status": "local.cloud.status:status",
    "logs": "tools.logs:logs",
    "invoke": "tools.invoke:invoke",
    "debug": "local.cloud.debug:main",
    "demo": "local.campaigns.demo:main",
    "events": "tools.events:main",
    "trace": "tools.trace:main",
    "mail": "local.cloud.mail:main",
    "feed": "tools.feeds:main",
    "redirects": "tools.redirects:main",
    "sitemaps": "tools.sitemaps:main",
    "dead-letters": "tools.dead_letters:main",
    "parity": "pages.parity:main",
    "generate": "pages.generate:main",
    "iam-report": "local.campaigns.iam_report:main",
    "iam-mutation": "local.campaigns.iam_mutation:main",
    "condition-mutation": "local.campaigns.condition_mutation:main",
    "torture": "local.campaigns.torture:torture",
    "bench": "bench.__main__:main",
    "bench-docs": "bench.plots:main",
    "load": "local.campaigns.torture:load",
    "cost": "bench.cost:main",
    "seed": "tools.seed:main",
    "build": "tools.artifacts:build",
    "image": "tools.artifacts:image",
    "preflight": "tools.preflight.command:main",
    "deploy": "tools.deploy:main",
    "smoke": "tools.smoke:main",
    "piece": "tools.piece.command:main",
    "destroy": "tools.destroy:main",
}


class UsageFailed(click.ClickException):
    """A wrong or missing argument."""

    exit_code = 2


class CommandLine(click.Group):
    """Imports commands when they run, and reports expected failures as a message with an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            _check_environment()
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _usage(error) from error
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            from tools.failures import explain  # imported here, because it imports SDKs

            failure = explain(error)
            if failure is None:
                raise
            raise failure from error


def _usage(error: click.UsageError) -> click.ClickException:
    """A usage error with the argument's name in make and on the command line, and the command's example; exit code 2."""
    param = error.param if isinstance(error, click.BadParameter) else None
    if isinstance(error, click.BadParameter) and param and param.envvar:
        option = f" ({param.opts[0]})" if isinstance(param, click.Option) else ""
        error.param_hint = f"{param.envvar}{option}"
    if isinstance(error, click.exceptions.NoSuchCommand):
        error = click.exceptions.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=error.ctx)
    example = error.ctx.command.epilog if error.ctx else None
    return UsageFailed(error.format_message() + (f"\nFor example: {example}" if example else ""))


def _check_environment() -> None:
    """Raises ``click.UsageError`` for an invalid environment variable that all commands use."""
    if current_stage() not in STAGES:
        raise click.UsageError(f"SETPIECES_STAGE is {current_stage()!r}. Valid stages: {', '.join(STAGES)}.")
    for name in NUMBERS:
        if not os.environ.get(name, "0").isdecimal():
            raise click.UsageError(f"{name} is {os.environ[name]!r}. Set it to a whole number, or unset it.")
    for name, value in os.environ.items():
        port = name.startswith("SETPIECES_") and name.endswith("_PORT")
        if port and not (value.isdecimal() and 0 < int(value) < 65536):
            raise click.UsageError(f"{name} is {value!r}. Set it to a port, for example {name}=18080, or unset it.")


@click.group(cls=CommandLine)
def cli() -> None:
    """Commands of Set Pieces. Every command is also a target of make: make help."""


if __name__ == "__main__":
    cli(prog_name="python -m tools.cli")
