"""The state file, the command, and the process that tests use."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from oscar_rehive.simulator import cli
from oscar_rehive.simulator.demo import DEMO_TOKEN
from oscar_rehive.simulator.outbox import Result
from oscar_rehive.simulator.process import SimulatorError, SimulatorProcess
from oscar_rehive.simulator.rules import Rehive
from oscar_rehive.simulator.server import Simulator
from oscar_rehive.simulator.state import State, StateFile

from .conftest import BUSINESS, NEW, RETURN_URL

HOOK = {
    "url": "http://127.0.0.1:9/",
    "secret": "s3cret",
    "event": "service_payment_requests.request.update",
}
COMMAND = [sys.executable, "-m", "oscar_rehive.simulator", "--port", "0"]


def test_everything_comes_back_from_the_state_file(
    make_rules: Callable[..., Rehive], tmp_path: Path
) -> None:
    file = StateFile(tmp_path / "rehive.json")
    rules = make_rules(state=file.load(), changed=file.save)
    rules.create_webhook(HOOK)
    rules.once("key", lambda: rules.create_invoice(BUSINESS, NEW))
    [invoice] = rules.invoices(BUSINESS)["results"]
    rules.outcome(invoice["id"], "pay", currency="BTC")
    rules.create_refund(
        BUSINESS, invoice["id"], {"amount": 300, "currency": "USD", "type": "native"}
    )
    rules.advance(5000)
    sent, _ = rules.claim_deliveries()
    rules.record_delivery(sent, Result(500))

    restarted = make_rules(state=file.load())
    assert restarted.overview() == rules.overview()
    assert restarted.now() == rules.now()
    assert restarted.once("key", dict)[1] is True
    # Also the one that was on its way when the first simulator ended.
    assert len(restarted.claim_deliveries(everything=True)) == 2
    assert restarted.outcome(invoice["id"], "complete")["status"] == "complete"
    assert os.listdir(tmp_path) == ["rehive.json"]
    assert (tmp_path / "rehive.json").stat().st_mode & 0o077 == 0


def test_invoices_of_a_business_that_is_gone(
    make_rules: Callable[..., Rehive], rules: Rehive
) -> None:
    invoice = rules.create_invoice("other", NEW | {"expiration_date": rules.now() + 1})
    state = State.from_json(rules._state.to_json())
    later = Rehive([rules.businesses[BUSINESS]], state=state, clock=lambda: rules.now() + 5)
    assert later.hosted_invoice(invoice["id"])["status"] == "expired"


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", "null", '{"format": 2}', '{"format": 1, "records": []}', "\x00"],
)
def test_a_corrupt_state_file_is_told_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "rehive.json"
    file.write_text(content)
    assert cli.main(["--port", "0", "--state", str(file)]) == 2
    told = capsys.readouterr().err
    assert str(file) in told
    assert "Traceback" not in told
    assert file.read_text() == content


def test_a_state_file_that_is_no_text_or_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert cli.main(["--port", "0", "--state", str(tmp_path / "binary")]) == 2
    assert cli.main(["--port", "0", "--state", str(tmp_path)]) == 1
    assert cli.main(["--port", "0", "--state", str(tmp_path / "no" / "file")]) == 1
    assert str(tmp_path / "no") in capsys.readouterr().err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert cli.main(["--port", str(port)]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--port", "70000"],
        ["--port", "x"],
        ["--business", "shop"],
        ["--business", "a/b:USD"],
        ["--business", "shop:USD:19"],
        ["--business", "shop:U D"],
        ["--retry-base", "0"],
        ["--retry-base", "nan"],
        ["--origin", "rehive.example"],
    ],
    ids=" ".join,
)
def test_wrong_options(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(wrong)
    assert caught.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_a_business_of_two_currencies_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The second was taken, and nobody told."""
    assert cli.main(["--business", "shop:USD", "--business", "shop:EUR"]) == 2

    assert "--business shop is given twice" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_quietly(ending: signal.Signals) -> None:
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stdout.readline() for _ in range(6)]  # type: ignore[union-attr]  # it is a pipe
        origin = lines[0].split()[3]
        assert requests.get(origin, timeout=10).status_code == 200
        process.send_signal(ending)
        try:
            rest, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert (process.returncode, rest, errors) == (0, "", "")
    assert lines[1] == "For the settings of the shop:\n"
    assert [line.split() for line in lines[2:]] == [
        ["API_URL", f"{origin}business/"],
        ["PAYMENT_REQUESTS_URL", f"{origin}payment-requests/"],
        ["BUSINESS_ID", "demo-business"],
        ["TOKEN", DEMO_TOKEN],
    ]


def test_the_command_does_not_print_a_token_that_it_was_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Simulator, "serve", lambda self: None)
    monkeypatch.setattr(signal, "signal", lambda *args: None)

    monkeypatch.setenv("REHIVE_SIMULATOR_TOKEN", "perhaps-a-real-one")

    assert cli.main(["--port", "0"]) == 0

    told = capsys.readouterr().out
    assert "as given in REHIVE_SIMULATOR_TOKEN" in told
    assert "perhaps" not in told


def test_a_token_on_the_command_line_is_refused_because_everybody_can_read_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--token", "perhaps-a-real-one"])

    told = capsys.readouterr().err
    assert "REHIVE_SIMULATOR_TOKEN" in told
    assert "perhaps" not in told


def test_a_token_that_no_header_carries_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REHIVE_SIMULATOR_TOKEN", "fine schlüssel")

    assert cli.main(["--port", "0"]) == 2

    told = capsys.readouterr().err
    assert "REHIVE_SIMULATOR_TOKEN" in told
    assert "schlüssel" not in told


def test_a_token_can_be_of_some_businesses_only() -> None:
    """As at Rehive: the token of a manager lists and opens what he manages."""
    options = [
        "--business",
        "shop-us:USD",
        "--business",
        "shop-eu:EUR",
        "--business",
        "shop-jp:JPY",
    ]
    with SimulatorProcess(*options, token="of-all== of-some=shop-eu,shop-jp") as process:
        listed, opened = {}, {}
        for token in ("of-all==", "of-some"):
            address = f"{process.api_url}manager/businesses/"
            headers = {"Authorization": f"Token {token}"}
            found = requests.get(address, headers=headers, timeout=10).json()["data"]["results"]
            listed[token] = [one["id"] for one in found]
            answer = requests.get(f"{address}shop-us/invoices/", headers=headers, timeout=10)
            opened[token] = answer.status_code

    assert listed == {
        "of-all==": ["shop-us", "shop-eu", "shop-jp"],
        "of-some": ["shop-eu", "shop-jp"],
    }
    assert opened == {"of-all==": 200, "of-some": 403}


def test_the_process_and_its_options(tmp_path: Path) -> None:
    state = tmp_path / "rehive.json"
    options = ["--business", "tokyo:JPY", "--business", "moon:TOKEN:18"]
    options += ["--origin", "https://pay.example/", "--state", str(state)]
    process = SimulatorProcess(*options, token="abc")
    with process as rehive:
        assert rehive.origin == "https://pay.example"
        assert (rehive.token, rehive.business_id) == ("abc", "tokyo")
        assert "abc" not in " ".join(rehive._process.args)  # type: ignore[union-attr]  # it runs
    document = json.loads(state.read_text()) if state.exists() else {}
    assert document.get("records", {}) == {}
    process.stop()


def test_a_process_that_can_not_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SimulatorError, match="exit code 2"):
        SimulatorProcess("--business", "nonsense").start()
    assert "nonsense" in capfd.readouterr().err


def test_the_simulator_ends_with_its_parent() -> None:
    """Its standard input is closed when the parent dies, in whatever way."""
    with subprocess.Popen(
        [*COMMAND, "--until-stdin-ends"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()  # type: ignore[union-attr]  # it is a pipe
        process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        assert process.wait(10) == 0


def test_the_fixture(rehive_simulator: SimulatorProcess, shop: Any) -> None:
    assert rehive_simulator.token == DEMO_TOKEN
    assert len(DEMO_TOKEN) == 64
    with pytest.raises(LookupError, match="There are: -"):
        rehive_simulator.invoice()
    url = f"{rehive_simulator.api_url}manager/businesses/{rehive_simulator.business_id}/invoices/"
    headers = {"Authorization": f"Token {rehive_simulator.token}"}
    for reference in ("100001", "100002"):
        body = NEW | {"request_reference": reference, "return_url": RETURN_URL}
        requests.post(url, json=body, headers=headers, timeout=10)
    rehive_simulator.faults(webhook_hold=True)
    rehive_simulator.register_webhook(shop.url, "s3cret")
    invoice = rehive_simulator.invoice(reference="100001")
    assert rehive_simulator.invoice(invoice["id"]) == invoice
    assert rehive_simulator.invoice()["request_reference"] == "100002"
    rehive_simulator.outcome(invoice["id"], "pay")
    assert len(rehive_simulator.deliveries()["pending"]) == 2
    assert [line["status"] for line in rehive_simulator.flush_deliveries()] == [200, 200]
    assert [body["data"]["status"] for body, _ in shop.got] == ["processing", "paid"]
    assert rehive_simulator.flush_deliveries() == []
    assert rehive_simulator.invoice(reference="100001")["received"] == 1000
    assert rehive_simulator.advance(1000) > invoice["created"]
    with pytest.raises(SimulatorError, match="409"):
        rehive_simulator.outcome(invoice["id"], "pay")
    rehive_simulator.clear_faults()
    rehive_simulator.reset()
    assert rehive_simulator.invoices() == rehive_simulator.requests() == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock/", {"advance_ms": -1}),
        ("clock/", {"advance_ms": 1.5}),
        ("clock/", {"advance_ms": 10**30}),
        ("clock/", {}),
        ("clock/", []),
        ("clock/", {"minutes": 1}),
        ("refunds/x/", {"status": "vanished"}),
        ("invoices/x/outcome/", {"outcome": ["pay"]}),
    ],
)
def test_wrong_control(rehive_simulator: SimulatorProcess, path: str, body: Any) -> None:
    url = f"{rehive_simulator.origin}/simulator/{path}"
    response = requests.post(url, json=body, timeout=10)
    assert response.status_code == 400
    assert response.json()["status"] == "error"


def test_without_flask_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SimulatorError, match=r"pip install django-oscar-rehive\[simulator\]"):
        SimulatorProcess().start()


def test_the_command_without_flask_gives_a_hint() -> None:
    code = (
        "import sys; sys.modules['flask'] = None\n"
        "from oscar_rehive.simulator.cli import main; sys.exit(main(['--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'django-oscar-rehive[simulator]'" in done.stderr


def test_nothing_of_django_is_imported() -> None:
    code = (
        "import sys, oscar_rehive.simulator.server, oscar_rehive.simulator.pytest_plugin\n"
        "sys.exit(any(name.split('.')[0] in ('django', 'oscar') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_help_fits() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "--business ID:CODE[:DIVISIBILITY]" in out.getvalue()


def test_a_state_to_begin_with_that_stays_as_it_is(rules: Rehive, tmp_path: Path) -> None:
    invoice = rules.create_invoice(BUSINESS, NEW)
    file = tmp_path / "rehive.json"
    StateFile(file).save(rules._state)
    before = file.read_bytes()

    with SimulatorProcess("--business", f"{BUSINESS}:USD", "--state-from", str(file)) as rehive:
        assert rehive.outcome(invoice["id"], "pay")["status"] == "paid"

    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["rehive.json"]


def test_a_state_to_begin_with_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError):
        SimulatorProcess("--state-from", str(tmp_path / "no.json")).start()
