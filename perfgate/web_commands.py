"""`perfgate serve`: the history as pages."""

from __future__ import annotations

from pathlib import Path

import click

from perfgate.errors import BadRequest
from perfgate.history_commands import project_option, store_option
from perfgate.options import config_option


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; any but this machine needs a token."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8123, show_default=True, help="0 takes a free one.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="The file with the hash of the token that readers need [default: $PERFGATE_SERVE_TOKEN_HASH has the hash, or "
    ".perfgate/serve-token for hosts other than this machine].",
)
@click.option("--make-token", is_flag=True, help="Make a token, print it once, and keep its hash in the token file.")
@config_option
@store_option
@project_option
def serve(
    host: str, port: int, token_file: Path | None, make_token: bool, config: Path, url: str, project: str
) -> None:
    """Show the history as web pages and GraphQL.

    GraphQL is at /graphql. Serves until you press Ctrl-C; nothing can be changed there.
    """
    _needed()
    from perfgate import keeping, serving

    where = keeping.place(config.resolve().parent, url=url, project=project)
    if make_token:
        token, path = serving.make_token(where.root, token_file)
        click.echo(token)
        click.echo(f"this is the only time that it is shown; its hash is in {path}", err=True)
        return
    serving.serve(where, host, port, token_file, lambda text: click.echo(text, err=True))


def _needed() -> None:
    """Raise BadRequest where the packages of the extra are not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("starlette", "strawberry", "uvicorn") if find_spec(name) is None]
    if missing:
        raise BadRequest(f"serving needs {', '.join(missing)}", hint="pip install 'perfgate[serve]'")
