"""Words to the person at the terminal: one line each, on the error stream, so that output can be piped."""

import sys
from typing import NoReturn

EXIT_USAGE = 2


def say(message: str) -> None:
    """One line."""
    print(message, file=sys.stderr, flush=True)


def fail(message: str, code: int = EXIT_USAGE) -> NoReturn:
    """Say in one line what is wrong and exit."""
    say("error: " + " ".join(message.split()))
    sys.exit(code)
