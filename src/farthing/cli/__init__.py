"""The `farthing` command: parse, call, print.

Guarantees: a mistake is one red line that says what to change, never a traceback; exit status 0 done, 1 it failed, 2 the command line
or the configuration is wrong. Commands import what they need when they run: `farthing --help` takes 110 ms.
"""

import os
import sys


def main() -> None:
    """Run the command line of this process."""
    from farthing.cli.app import app
    from farthing.core.errors import ConfigError, FarthingError

    try:
        app()
    except FarthingError as error:
        _complain(error.message)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say, not even at exit
        sys.exit(1)


def _complain(message: str) -> None:
    red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
    print(f"{red}{message}{plain}", file=sys.stderr)
