"""The command ``rehive-simulator``, also ``python -m oscar_rehive.simulator``."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .core import Business
from .demo import DEMO_BUSINESS, DEMO_TOKEN
from .money import currency
from .requests_door import DOORS, OPEN
from .validation import is_web_address

TOKEN_VARIABLE = "REHIVE_SIMULATOR_TOKEN"  # noqa: S105 -- the name of it

_ID = re.compile(r"[A-Za-z0-9_.-]+")
_CODE = re.compile(r"[A-Za-z0-9_]{1,30}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a simulator until Ctrl-C or SIGTERM; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        from .server import Options, Simulator
    except ModuleNotFoundError as error:
        if error.name not in ("flask", "werkzeug"):
            raise
        return _fail(1, "Flask is missing: pip install 'django-oscar-rehive[simulator]'")
    try:
        tokens, managed = _tokens(os.environ.get(TOKEN_VARIABLE, ""))
    except ValueError as error:
        return _fail(2, str(error))
    ids = [one.id for one in given.business or ()]
    if again := next((one for one in ids if ids.count(one) > 1), None):
        return _fail(2, f"--business {again} is given twice: a business has one currency")
    shop = Business(DEMO_BUSINESS, currency(given.currency, given.divisibility))
    options = Options(
        host=given.host,
        port=given.port,
        origin=given.origin,
        tokens=tokens,
        managed=managed,
        businesses=given.business or [shop],
        state=given.state,
        state_from=given.state_from,
        retry_base_seconds=given.retry_base,
        webhook_timeout_seconds=given.webhook_timeout,
        refund_delay_ms=given.refund_delay_ms,
        requests_door=given.requests_door,
        verbose=given.verbose,
    )
    try:
        simulator = Simulator(options)
    except ValueError as error:
        file = given.state or given.state_from
        return _fail(2, f"The state file {file} can't be used: {error}")
    except OSError as error:
        where = f"{given.host}:{given.port}" if error.filename is None else error.filename
        return _fail(1, f"Can't use {where}: {error.strerror or error}")
    try:
        # SIGINT too: started in the background by a shell, a process inherits it as ignored.
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, _interrupt)
        if given.until_stdin_ends:
            threading.Thread(target=_close_with_stdin, args=(simulator,), daemon=True).start()
        if given.print_json:
            print(json.dumps(simulator.description), flush=True)
        else:
            print(f"Simulated Rehive at {simulator.origin}/  (Ctrl-C ends it)")
            print("For the settings of the shop:")
            for name in ("api_url", "payment_requests_url", "business_id"):
                print(f"    {name.upper()}  {simulator.description[name]}")
            # One that was given may be a real one, and what is printed ends up in logs.
            shown = DEMO_TOKEN if tokens[0] == DEMO_TOKEN else f"as given in {TOKEN_VARIABLE}"
            print(f"    TOKEN  {shown}", flush=True)
        simulator.serve()
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rehive-simulator",
        description="A simulated Rehive with a hosted payment page: no account, no real money.",
        epilog=f"The token of the API, or several with blanks between them, come from the environment"
        f" variable {TOKEN_VARIABLE} (default: a fixed demonstration token). TOKEN=ID,ID is one that"
        " may manage these businesses only.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    add("--port", type=_port, default=8001, help="0 picks a free one (default: %(default)s)")
    add(
        "--origin",
        type=_address,
        metavar="URL",
        help="address under which browsers reach it, if another than host and port say",
    )
    add("--token", type=_refuse_token, help=argparse.SUPPRESS)
    add(
        "--business",
        action="append",
        type=_business,
        metavar="ID:CODE[:DIVISIBILITY]",
        help="a business and its currency, repeatable, e.g. shop-jp:JPY:0",
    )
    add("--currency", type=_code, default="USD", help="of the default business (%(default)s)")
    add("--divisibility", type=_places, help="decimal places of that currency")
    kept = parser.add_mutually_exclusive_group().add_argument
    kept("--state", type=Path, metavar="FILE", help="keep everything in this file over restarts")
    kept(
        "--state-from",
        type=Path,
        metavar="FILE",
        help="begin with what --state has kept in this file, and leave the file as it is",
    )
    add(
        "--retry-base",
        type=_seconds,
        default=2.0,
        metavar="SECONDS",
        help="wait before a webhook's first retry; doubles each time (default: %(default)s)",
    )
    add(
        "--webhook-timeout",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="time a webhook has to answer (default: %(default)s)",
    )
    add(
        "--refund-delay-ms",
        type=_whole,
        metavar="MS",
        help="complete refunds by themselves after this time (default: only by hand)",
    )
    add(
        "--requests-door",
        choices=DOORS,
        default=OPEN,
        help="how the list of payment requests answers (default: %(default)s)",
    )
    add("--print-json", action="store_true", help="print addresses and token as a line of JSON")
    add("--until-stdin-ends", action="store_true", help="end when standard input is closed")
    add("--verbose", action="store_true", help="log each request")
    return parser


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _port(text: str) -> int:
    port = _whole(text)
    if port > 65535:
        raise argparse.ArgumentTypeError("a port is at most 65535")
    return port


def _places(text: str) -> int:
    places = _whole(text)
    if places > 18:
        raise argparse.ArgumentTypeError("a currency has at most 18 decimal places")
    return places


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError("more than 0 and at most 3600 seconds")
    return seconds


def _code(text: str) -> str:
    if not _CODE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a currency code")
    return text


def _address(text: str) -> str:
    if not is_web_address(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an absolute http(s) address")
    return text


def _refuse_token(text: str) -> NoReturn:
    raise argparse.ArgumentTypeError(
        "everybody on this machine can read a command line: put the token into the environment"
        f" variable {TOKEN_VARIABLE}"
    )


def _tokens(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """The tokens, and which businesses each of them may manage, where it may not manage them all."""
    tokens, managed = [], {}
    for word in text.split():
        # What Base64 ends in is part of the token.
        token, _, ids = word.partition("=") if not word.endswith("=") else (word, "", "")
        tokens.append(token)
        if ids:
            managed[token] = ids.split(",")
    if not all(token.isascii() and token.isprintable() for token in tokens):
        raise ValueError(f"{TOKEN_VARIABLE}: a token has printable ASCII characters only")
    return tokens or [DEMO_TOKEN], managed


def _business(text: str) -> Business:
    business_id, *parts = text.split(":")
    if not _ID.fullmatch(business_id) or len(parts) not in (1, 2):
        raise argparse.ArgumentTypeError(f"{text!r} is not ID:CODE[:DIVISIBILITY]")
    return Business(business_id, currency(_code(parts[0]), *map(_places, parts[1:])))


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _close_with_stdin(simulator: Any) -> None:
    sys.stdin.read()
    simulator.close()


def _fail(code: int, message: str) -> int:
    print(f"rehive-simulator: {message}", file=sys.stderr)
    return code
