"""serve.py starts everything, and ends everything that it started."""

import os
import signal
import socket
import subprocess
import time
from types import SimpleNamespace

import pytest
import requests

from oscar_rehive.simulator.demo import DEMO_TOKEN
from sandbox import serve, webhook

pytestmark = pytest.mark.e2e


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def ports():
    shop, simulator = free_port(), free_port()
    return {
        "SHOP_BASE_URL": f"http://127.0.0.1:{shop}",
        "SANDBOX_SIMULATOR_PORT": str(simulator),
    }


@pytest.fixture
def serving(fresh, ports, tmp_path):
    """The sandbox, running and answering."""
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            fresh.command("serve.py"),
            env=fresh.environment(**ports),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    process.output = log.read_text
    try:
        deadline = time.monotonic() + 30
        while "Ctrl-C ends it" not in process.output():
            assert process.poll() is None, process.output()
            assert time.monotonic() < deadline, process.output()
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def children_of(process):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(pid) for pid in found.stdout.split()]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_serves_and_ends_without_leftovers(serving, ports):
    shop = requests.get(f"{ports['SHOP_BASE_URL']}/catalogue/", timeout=10)
    assert shop.status_code == 200
    hooks = requests.get(
        f"http://127.0.0.1:{ports['SANDBOX_SIMULATOR_PORT']}/payment-requests/user/webhooks/",
        headers={"Authorization": f"Token {DEMO_TOKEN}"},
        timeout=10,
    ).json()["data"]["results"]
    assert [(hook["url"], hook["event"]) for hook in hooks] == [
        (f"{ports['SHOP_BASE_URL']}/rehive/webhook/", webhook.EVENT)
    ]
    children = children_of(serving)
    assert children

    serving.send_signal(signal.SIGINT)

    assert serving.wait(timeout=20) == 0
    assert "Traceback" not in serving.output()
    assert not any(alive(child) for child in children)


def test_it_ends_when_the_simulator_does(serving):
    (simulator,) = children_of(serving)
    os.kill(simulator, signal.SIGKILL)
    assert serving.wait(timeout=20) == 1
    assert "The simulator has ended with code -9" in serving.output()
    assert "Traceback" not in serving.output()


@pytest.mark.parametrize(
    ("code", "said"), [(0, ""), (1, "rehive_reconcile failed"), (3, "rehive_reconcile has news")]
)
def test_a_fact_that_waits_for_a_person_is_no_failure(code, said, capsys):
    ended = SimpleNamespace(poll=lambda: code, returncode=code)
    children = SimpleNamespace(
        start=lambda *command, **options: ended, last_words=lambda name: "Its words."
    )

    serve.Watch(children).reconcile()

    assert capsys.readouterr().out == (f"{said}:\nIts words.\n" if said else "")


@pytest.mark.parametrize("taken", ["SHOP_BASE_URL", "SANDBOX_SIMULATOR_PORT"])
def test_a_port_in_use_is_named(empty, ports, taken):
    port = int(ports[taken].rpartition(":")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        done = empty.run("serve.py", **ports)
    assert done.returncode == 1
    assert f"Port {port} at 127.0.0.1 is not free" in done.stderr
    assert taken in done.stderr
    assert "Traceback" not in done.stderr
