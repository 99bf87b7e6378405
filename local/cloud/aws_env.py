"""``eval $(make env)``: let the AWS CLI and SDKs in a shell use the local cloud as root of its account."""

import shlex

import click

from local.settings import aws_environment


@click.command()
def main() -> None:
    """Print the environment as export lines."""
    for name, value in aws_environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
