"""A Docker engine of our own on a Debian machine: its own socket and data, gone when it ends.

The engine and its tools are Debian's packages: docker.io of this release, and the plugin compose v2
of trixie, which runs on bookworm, too. Containers reach package indexes through its bridge.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS_TO_START = 60
SECONDS_TO_STOP = 60
PACKAGES = ("docker.io", "iptables", "iproute2", "mmdebstrap")
_KEYS = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"


class NoEngine(Exception):
    """No Docker engine can run here; the text says why."""


@contextmanager
def private_engine() -> Iterator[dict[str, str]]:
    """Start it; the variables with which docker finds it. At the end all of it is removed."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        raise NoEngine("an engine of our own takes root on Debian")
    install()
    folder = Path(tempfile.mkdtemp(prefix="aftercall-docker-"))
    rules = _output("iptables-save")
    bridge_was_there = Path("/sys/class/net/docker0").exists()
    process = None
    try:
        variables = {
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            "DOCKER_SOCKET": f"{folder}/docker.sock",
            "DOCKER_CONFIG": str(_with_compose(folder)),
        }
        process = _start(folder, variables)
        yield variables
    finally:
        if process is not None:
            _stop(process, variables)
        former = former_rules(rules, _output("iptables-save"))
        subprocess.run(["iptables-restore"], input=former, text=True, check=True)
        if not bridge_was_there and Path("/sys/class/net/docker0").exists():
            _run("ip", "link", "delete", "docker0")
        shutil.rmtree(folder)


def former_rules(before: str, after: str) -> str:
    """What iptables-restore is to read: it leaves tables alone that are not named, so those that
    did not exist before are named without rules.
    """
    known = re.findall(r"^\*(\w+)$", before, re.MULTILINE)
    emptied = []
    for table, content in re.findall(r"^\*(\w+)\n(.*?)^COMMIT$", after, re.MULTILINE | re.DOTALL):
        if table not in known:
            # Chains of its own have no policy.
            chains = re.findall(r"^:(\w+) (?:ACCEPT|DROP)", content, re.MULTILINE)
            emptied += [f"*{table}", *(f":{chain} ACCEPT [0:0]" for chain in chains), "COMMIT"]
    return before + "".join(f"{line}\n" for line in emptied)


def install() -> None:
    """Install what is missing of Debian's packages, without starting anything."""
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        _run("apt-get", "-qq", "update")
        # At run level 1 no package starts its service.
        quietly = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        _run("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing, **quietly)


def mirror() -> str:
    """Where this machine's own packages come from, and trixie's do, too."""
    targets = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    return mirror_among(_output("apt-get", *targets).split())


def mirror_among(uris: list[str]) -> str:
    """The first that is no archive of security updates alone; raises NoEngine without one."""
    mirrors = [uri for uri in uris if not uri.rstrip("/").endswith("-security")]
    if not mirrors:
        raise NoEngine("apt knows no archive of packages: see /etc/apt/sources.list.d")
    return mirrors[0]


def _is_installed(package: str) -> bool:
    asked = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(asked, capture_output=True, text=True).stdout == "installed"


def _with_compose(folder: Path) -> Path:
    """A configuration of docker's with the plugin compose of trixie."""
    lists, archives = folder / "apt" / "lists" / "partial", folder / "apt" / "archives" / "partial"
    lists.mkdir(parents=True)
    archives.mkdir(parents=True)
    source = folder / "apt" / "sources.list"
    source.write_text(f"deb [{_KEYS}] {mirror()} trixie main")
    options = [
        *("-qq", "-o", f"Dir::Etc::sourcelist={source}", "-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={lists.parent}", "-o", f"Dir::Cache={folder}/apt"),
        *("-o", "APT::Sandbox::User=root"),
    ]
    _run("apt-get", *options, "update")
    subprocess.run(["apt-get", *options, "download", "docker-compose"], cwd=folder, check=True)
    [package] = folder.glob("docker-compose_*.deb")
    _run("dpkg-deb", "--extract", str(package), str(folder / "compose"))
    configuration = folder / "config"
    configuration.mkdir()
    plugins = folder / "compose" / "usr" / "libexec" / "docker" / "cli-plugins"
    plugins.rename(configuration / "cli-plugins")
    return configuration


def _start(folder: Path, variables: dict[str, str]) -> "subprocess.Popen[bytes]":
    log = folder / "dockerd.log"
    options = [f"--host={variables['DOCKER_HOST']}", f"--data-root={folder}/data"]
    options += [f"--exec-root={folder}/exec", f"--pidfile={folder}/docker.pid"]
    with log.open("wb") as output:
        process = subprocess.Popen(["dockerd", *options], stdout=output, stderr=output)
    deadline = time.monotonic() + SECONDS_TO_START
    while subprocess.run(
        ["docker", "info"], env=os.environ | variables, capture_output=True
    ).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            last = "\n".join(log.read_text().splitlines()[-5:])
            raise NoEngine(f"dockerd does not run here:\n{last}")
        time.sleep(0.2)
    return process


def _stop(process: "subprocess.Popen[bytes]", variables: dict[str, str]) -> None:
    """Remove all containers and networks that are left, then end the engine."""
    environment = os.environ | variables
    listed = ["docker", "ps", "--all", "--quiet"]
    left = subprocess.run(listed, env=environment, capture_output=True, text=True).stdout.split()
    if left:
        subprocess.run(["docker", "rm", "--force", *left], env=environment, capture_output=True)
    prune = ["docker", "network", "prune", "--force"]
    subprocess.run(prune, env=environment, capture_output=True)
    process.terminate()
    process.wait(SECONDS_TO_STOP)


def _run(*command: str, **variables: str) -> None:
    subprocess.run(command, check=True, env=os.environ | variables)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
