#!/usr/bin/env python3
"""Makes the project's virtual environments from nothing but a plain python3.

Three of them, each from a lock file with hashes:
  .venv           the project: SAM CLI, boto3, Powertools, pytest and the linters
  .venv-emulator  the embedded cloud, which pins a boto3 of its own
  .venv-lambda    what the Lambda runtime brings: its client and nothing that a function must carry

All three are Python 3.13, the Lambda runtime's version; the python3 that runs this file may be
older (3.8 or later). An environment whose locks have not changed is left alone.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP_VENV = ROOT / ".local" / "bootstrap"
VERSION = (3, 13)
ENVIRONMENTS = {
    "project": (".venv", ["requirements/project.txt"], []),
    "emulator": (".venv-emulator", ["requirements/emulator.txt"], ["local/emulator"]),
    "lambda": (".venv-lambda", ["requirements/lambda-runtime.txt"], []),
}
NO_PYTHON = (
    "Python 3.13 is missing: install it (apt install python3.13 python3.13-venv, or pyenv install"
    " 3.13), or name one with PYTHON313=/path/to/python3.13, then run make again."
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environments", nargs="*", help="default: all")
    parser.add_argument("--force", action="store_true", help="make them again even if up to date")
    arguments = parser.parse_args()
    wanted = arguments.environments or list(ENVIRONMENTS)
    unknown = [name for name in wanted if name not in ENVIRONMENTS]
    if unknown:
        parser.error(f"no such environment: {unknown}")
    if sys.platform != "linux":
        sys.exit("bootstrap: functions run as Linux processes: use Linux, or WSL on Windows.")
    (ROOT / ".local").mkdir(exist_ok=True)
    with open(ROOT / ".local" / "bootstrap.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in wanted:
            make_environment(name, arguments.force)


def make_environment(name, force):
    folder, locks, packages = ENVIRONMENTS[name]
    target, stamp = ROOT / folder, ROOT / folder / ".locks"
    fingerprint = fingerprint_of(locks, packages)
    if not force and stamp.exists() and stamp.read_text() == fingerprint:
        return
    print(f"bootstrap: making {folder} ({name}) ...", flush=True)
    uv = find_uv()
    python = find_python(uv)
    run([uv, "venv", "--quiet", "--clear", "--python", python, str(target)])
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode"]
    install += ["--python", str(target / "bin" / "python")]
    run([*install, "--require-hashes", *(part for lock in locks for part in ("-r", lock))])
    for package in packages:
        run([*install, "--no-deps", "--no-build-isolation", "--editable", package])
    stamp.write_text(fingerprint)


def fingerprint_of(locks, packages):
    digest = hashlib.sha256()
    for path in locks + [package + "/pyproject.toml" for package in packages]:
        digest.update((ROOT / path).read_bytes())
    digest.update(repr((VERSION, str(ROOT))).encode())  # Environments do not survive a move.
    return digest.hexdigest()


def find_python(uv):
    """A working Python 3.13: named, on PATH, in pyenv (its shim may be inactive), or from uv."""
    named = os.environ.get("PYTHON313")
    candidates = [named] if named else []
    candidates += filter(None, [shutil.which("python3.13"), shutil.which("python3")])
    pyenv = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))) / "versions"
    candidates += [str(path) for path in sorted(pyenv.glob("3.13*/bin/python3.13"), reverse=True)]
    for candidate in candidates:
        if is_wanted(candidate):
            return real_interpreter(candidate)
    if named:
        sys.exit(f"bootstrap: PYTHON313={named} is no working Python 3.13.")
    print("bootstrap: no Python 3.13 here, asking uv for one ...", flush=True)
    if subprocess.run([uv, "python", "install", "--quiet", "3.13"], cwd=str(ROOT)).returncode:
        sys.exit("bootstrap: " + NO_PYTHON)
    found = subprocess.run([uv, "python", "find", "3.13"], stdout=subprocess.PIPE, cwd=str(ROOT))
    if found.returncode:
        sys.exit("bootstrap: " + NO_PYTHON)
    return found.stdout.decode().strip()


def is_wanted(python):
    return ask(python, "import sys; print(sys.version_info[:2])") == repr(VERSION)


def real_interpreter(python):
    """The interpreter itself: a pyenv shim stops working when another version is made active."""
    return ask(python, "import sys; print(sys._base_executable)")


def ask(python, program):
    try:
        answer = subprocess.run(
            [python, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode().strip() if answer.returncode == 0 else None


def find_uv():
    """uv from PATH, else from PyPI into an environment of its own, pinned by a hash."""
    found = shutil.which("uv")
    if found:
        return found
    uv = BOOTSTRAP_VENV / "bin" / "uv"
    if not uv.exists():
        print("bootstrap: fetching uv ...", flush=True)
        venv = [sys.executable, "-m", "venv", "--clear", str(BOOTSTRAP_VENV)]
        if subprocess.run(venv).returncode:
            sys.exit(
                "bootstrap: python3 cannot make virtual environments: install python3-venv"
                " (apt install python3-venv), then run make again."
            )
        pip = [str(BOOTSTRAP_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        run([*pip, "--disable-pip-version-check", "--require-hashes", "-r", "requirements/uv.txt"])
    return str(uv)


def run(command):
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    if subprocess.run(command, cwd=str(ROOT), env=environment).returncode:
        sys.exit("bootstrap: this failed: " + " ".join(command))


if __name__ == "__main__":
    main()
