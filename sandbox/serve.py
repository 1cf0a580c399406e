"""Runs the whole sandbox: the simulator of Rehive, the shop, and reconciling once a minute.

Settings of its own, beside those of settings.py:
    SANDBOX_LISTEN   host:port that the shop listens at, when that differs from SHOP_BASE_URL's:
                     behind a tunnel, a proxy or in a container. Default for an address elsewhere:
                     127.0.0.1:8000. Only with the real Rehive can it be one that others reach.
    SANDBOX_DEMO=1   add the demonstration: orders in every state that the desk can show.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANAGE = ROOT / "sandbox" / "manage.py"
THREADS = 12
RECONCILE_EVERY = 60
PATIENCE = 30


class Trouble(Exception):
    """Something that the person who started the sandbox can mend; the message says how."""


class Children:
    """Processes that end when the sandbox ends."""

    def __init__(self, logs):
        self.logs = logs
        self.running = {}
        self.ended = False
        self.lock = threading.Lock()

    def start(self, name, *command, stdout=None, environment=None):
        with self.lock, self.log(name).open("wb") as log:
            if self.ended:
                raise KeyboardInterrupt
            self.running[name] = subprocess.Popen(
                [sys.executable, *map(str, command)],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=stdout or log,
                stderr=log,
                # Out of the terminal's reach: Ctrl-C comes to us alone, and we end the rest.
                start_new_session=True,
            )
        return self.running[name]

    def log(self, name):
        return self.logs / f"{name}.log"

    def last_words(self, name, lines=20):
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])

    def end(self):
        with self.lock:
            self.ended = True
            alive = [child for child in self.running.values() if child.poll() is None]
            for child in alive:
                os.killpg(child.pid, signal.SIGTERM)
            for child in alive:
                try:
                    child.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    os.killpg(child.pid, signal.SIGKILL)


def main():
    # SIGINT too: started in the background by a shell, a process inherits it as ignored.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, stop)
    # In place of this folder, where "shop" and "settings" would be importable under a second name.
    sys.path[0] = str(ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
    children = None
    try:
        settings = configure()
        children = Children(settings.VAR_DIR)
        run(settings, children)
    except KeyboardInterrupt:
        pass
    except Trouble as trouble:
        sys.exit(f"\n{trouble}")
    finally:
        # Impatient repetitions must not interrupt the ending.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if children:
            children.end()
    print("\nThe sandbox has ended; everything in it is kept for the next time.")


def stop(*_):
    raise KeyboardInterrupt


def configure():
    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise Trouble(f"The sandbox shop can't start: {error}") from error
    return settings


def run(settings, children):
    from django.core.management import call_command
    from django.db import OperationalError

    from sandbox.shop import demo
    from sandbox.variables import switch

    wants_demo = switch("SANDBOX_DEMO")
    if wants_demo:
        insist(demo.insist_on_simulator)
    shop = claim(*shop_listens_at(settings), "the shop", "SHOP_BASE_URL=http://127.0.0.1:8010")
    if settings.USES_SIMULATOR:
        port = settings.SIMULATOR_PORT
        if port == shop.getsockname()[1]:
            raise Trouble(
                f"Shop and simulator would both listen at port {port}. Choose another one, for"
                " instance: SANDBOX_SIMULATOR_PORT=8011 make sandbox"
            )
        claim("127.0.0.1", port, "the simulator", "SANDBOX_SIMULATOR_PORT=8011").close()
        start_simulator(settings, children)
    # Before the tables are made, which takes its time.
    insist_on_settings()
    if not settings.SHOP_IS_LOCAL and settings.SHOP_ADDRESS.scheme == "http":
        print(
            "\nWarning: SHOP_BASE_URL begins with http://, so passwords and the webhook's secret go"
            " there in clear, for everybody on the way to read. A tunnel gives an https:// one.",
            flush=True,
        )
    if not settings.USES_SIMULATOR:
        insist_on_token()
    try:
        call_command("setup_sandbox")
    except OperationalError as error:
        raise Trouble(f"The database of the shop can't be used: {error}") from error
    if settings.USES_SIMULATOR:
        wait_for_simulator(settings, children)
    if wants_demo:
        print("Adding the demonstration …", flush=True)
        print(demo.summary(insist(demo.fill)), flush=True)

    from waitress import create_server

    from sandbox import webhook
    from sandbox.wsgi import application

    arguments = {"sockets": [shop], "threads": THREADS}
    if hasattr(settings, "SECURE_PROXY_SSL_HEADER"):
        # Waitress takes such headers away unless told whom to trust.
        arguments.update(trusted_proxy="*", trusted_proxy_headers="x-forwarded-proto")
    server = create_server(application, **arguments)
    announce(settings, webhook.register())

    watch = Watch(children)
    threading.Thread(target=watch.run, daemon=True).start()
    try:
        # Returns after stop(): waitress takes KeyboardInterrupt as the wish to end.
        server.run()
    finally:
        watch.ending.set()
    if watch.trouble:
        raise Trouble(watch.trouble)


def insist(step):
    from sandbox.shop.demo import Impossible

    try:
        return step()
    except Impossible as error:
        raise Trouble(str(error)) from error


def insist_on_settings():
    """Stop at errors, and show what the checks of oscar_rehive warn of."""
    from django.core.checks import run_checks

    found = [message for message in run_checks() if not message.is_silenced()]
    errors = [message for message in found if message.is_serious()]
    if errors:
        raise Trouble("The settings can't be used.\n" + "\n".join(map(str, errors)))
    for message in found:
        if message.id.startswith("oscar_rehive."):
            print(f"\nWarning: {message}", flush=True)


def insist_on_token():
    """Stop where Rehive lets nobody in: every payment would fail. Where it does not answer, it may do
    so later."""
    from oscar_rehive import conf
    from oscar_rehive.payments.gateway import client_for
    from oscar_rehive.rehive.exceptions import NotFound, RehiveError, Unauthorised

    for business in conf.current().businesses.values():
        try:
            client_for(business).business()
        except Unauthorised as error:
            raise Trouble(f"REHIVE_TOKEN can't be used. {error}") from error
        except NotFound as error:
            raise Trouble(
                "Rehive does not know REHIVE_BUSINESS_ID, or REHIVE_TOKEN does not belong to it, or"
                " REHIVE_API_URL leads elsewhere."
            ) from error
        except RehiveError as error:
            print(f"\nWarning: Rehive could not be asked: {error}", flush=True)


def shop_listens_at(settings):
    from oscar_rehive.rehive.wire import is_loopback
    from sandbox.variables import HIGHEST_PORT

    listen = os.environ.get("SANDBOX_LISTEN")
    if listen:
        host, _, port = listen.rpartition(":")
        if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= HIGHEST_PORT):
            raise Trouble(f"SANDBOX_LISTEN is {listen!r}, but must look like 0.0.0.0:8000")
        host = host.strip("[]") or "127.0.0.1"
        if settings.USES_SIMULATOR and not is_loopback(host):
            raise Trouble(
                f"SANDBOX_LISTEN is {listen!r}, where others can reach the shop, and without"
                " REHIVE_API_URL everybody can read the passwords of its accounts. Leave it out;"
                " from a container, share the network of its host or forward the ports of shop and"
                " simulator."
            )
        return host, int(port)
    if settings.SHOP_IS_LOCAL:
        return settings.SHOP_ADDRESS.hostname, settings.SHOP_ADDRESS.port or 80
    return "127.0.0.1", 8000


def claim(host, port, who, way_out):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
    except OSError as error:
        raise Trouble(
            f"Port {port} at {host} is not free for {who} ({error.strerror}). Stop what runs "
            f"there, or choose another port, for instance: {way_out} make sandbox"
        ) from error
    return server


def start_simulator(settings, children):
    from babel.numbers import get_currency_precision

    from oscar_rehive.simulator.cli import TOKEN_VARIABLE

    currency = settings.SHOP_CURRENCY
    children.start(
        "simulator",
        *("-m", "oscar_rehive.simulator"),
        *("--host", "127.0.0.1", "--port", settings.SIMULATOR_PORT),
        "--business",
        f"{settings.REHIVE['BUSINESS_ID']}:{currency}:{get_currency_precision(currency)}",
        *("--state", settings.VAR_DIR / "simulator.json"),
        environment={TOKEN_VARIABLE: settings.REHIVE["TOKEN"]},
    )


def wait_for_simulator(settings, children):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if children.running["simulator"].poll() is not None:
            raise Trouble(f"The simulator has ended:\n{children.last_words('simulator')}")
        try:
            socket.create_connection(("127.0.0.1", settings.SIMULATOR_PORT), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Trouble(f"The simulator does not answer:\n{children.last_words('simulator')}")


def announce(settings, webhook):
    from sandbox.shop import accounts

    base = settings.SHOP_BASE_URL
    simulator = f"http://127.0.0.1:{settings.SIMULATOR_PORT}/"
    lines = {
        "Shop": f"{base}/",
        "Dashboard": f"{base}/dashboard/",
        "Rehive": f"{simulator} (simulator)"
        if settings.USES_SIMULATOR
        else settings.REHIVE["API_URL"],
        "Webhook": webhook,
        "Mails": settings.EMAIL_FILE_PATH,
    }
    if settings.USES_SIMULATOR:
        lines["Customer"] = f"{accounts.CUSTOMER_EMAIL}  password {accounts.CUSTOMER_PASSWORD}"
        lines["Staff"] = f"{accounts.STAFF_EMAIL}  password {accounts.STAFF_PASSWORD}"
    elif not accounts.somebody_is_staff():
        lines["Staff"] = f"nobody yet; make an account with {accounts.HOW_TO_MAKE_STAFF}"
    print()
    for name, value in lines.items():
        print(f"  {name + ':':<11}{value}")
    print("\n  Ctrl-C ends it.\n", flush=True)


class Watch:
    """Reconciles once a minute, and ends everything when the simulator has died."""

    def __init__(self, children):
        self.children = children
        self.ending = threading.Event()
        self.trouble = None

    def run(self):
        due = time.monotonic() + RECONCILE_EVERY
        while not self.ending.wait(0.5):
            simulator = self.children.running.get("simulator")
            if simulator and simulator.poll() is not None:
                words = self.children.last_words("simulator")
                self.trouble = f"The simulator has ended with code {simulator.returncode}:\n{words}"
                os.kill(os.getpid(), signal.SIGTERM)
                return
            if time.monotonic() >= due:
                self.reconcile()
                due = time.monotonic() + RECONCILE_EVERY

    def reconcile(self):
        from oscar_rehive.management.commands.rehive_reconcile import A_PERSON

        # Its output is what goes wrong and, at verbosity 0, the mails that it sends.
        child = self.children.start(
            "reconcile",
            MANAGE,
            "rehive_reconcile",
            "--verbosity",
            "0",
            stdout=sys.stdout,
        )
        while child.poll() is None and not self.ending.wait(0.5):
            pass
        if child.returncode and not self.ending.is_set():
            print(
                f"rehive_reconcile {'failed' if child.returncode != A_PERSON else 'has news'}:\n"
                f"{self.children.last_words('reconcile')}",
                flush=True,
            )


if __name__ == "__main__":
    main()
