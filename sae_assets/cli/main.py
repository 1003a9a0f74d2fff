"""`sae-assets`: the command line. Exit codes: 0 done, 1 failed, 2 bad input."""

from __future__ import annotations

import sys

import typer

from sae_assets.cli import checkpoints, compare, config, demo, dev, export, mongo, run, serve
from sae_assets.settings.errors import UserError

app = typer.Typer(
    name="sae-assets",
    help="What every feature of a sparse autoencoder means.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
run.register(app)
checkpoints.register(app)
compare.register(app)
app.add_typer(export.app)
app.add_typer(config.app)
app.add_typer(mongo.app)
demo.register(app)
serve.register(app)
dev.register(app)

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130


def main() -> None:
    """Runs the command line; a mistake of the user, or of the disk, is one sentence on standard error."""
    try:
        app()
    except UserError as error:
        print(f"sae-assets: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except OSError as error:  # the disk is full, a folder cannot be written
        place = f" {error.filename}:" if error.filename else ""
        print(f"sae-assets:{place} {error.strerror or error}.", file=sys.stderr)
        sys.exit(FAILED)
    except SystemExit as end:  # what Typer makes of Ctrl-C, too
        if end.code == INTERRUPTED:
            print(
                "sae-assets: Interrupted; what is done stays, and the same command goes on from there.", file=sys.stderr
            )
        raise


if __name__ == "__main__":
    main()
