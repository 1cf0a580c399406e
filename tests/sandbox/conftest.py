import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.shops import WHAT_SETUP_TOLD, template

ROOT = Path(__file__).resolve().parents[2]
OURS = ("SANDBOX_", "REHIVE_", "SHOP_", "DATABASE_URL", "DJANGO_SETTINGS_MODULE")


class Sandbox:
    """The sandbox as a person starts it: in processes of its own, with a folder of its own."""

    def __init__(self, var):
        self.var = var

    def environment(self, **variables):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        return {**inherited, "SANDBOX_VAR": str(self.var), **variables}

    def command(self, script, *arguments):
        return [sys.executable, "-W", "ignore", str(ROOT / "sandbox" / script), *arguments]

    def run(self, script, *arguments, cwd=ROOT, **variables):
        return subprocess.run(
            self.command(script, *arguments),
            cwd=cwd,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def manage(self, *arguments, **options):
        return self.run("manage.py", *arguments, **options)

    def python(self, code, **variables):
        """What a piece of code prints inside the shop."""
        done = self.manage("shell", "--verbosity", "0", "-c", code, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()


@pytest.fixture(scope="session")
def fresh(shared_folder, tmp_path_factory):
    """A shop that has been set up once; what that told is kept in ``first``."""
    sandbox = Sandbox(copy_of(shared_folder, tmp_path_factory.mktemp("sandbox")))
    sandbox.first = (sandbox.var / WHAT_SETUP_TOLD).read_text()
    return sandbox


@pytest.fixture
def ready(shared_folder, tmp_path):
    """The same for one test alone. Setting up takes seconds: it is copied."""
    return Sandbox(copy_of(shared_folder, tmp_path))


def copy_of(shared_folder, folder):
    return shutil.copytree(template(shared_folder), folder / "var")


@pytest.fixture
def empty(tmp_path):
    """A shop that nobody has set up."""
    return Sandbox(tmp_path)
