"""What deploy/ has for containers: a Dockerfile, compose files, Kubernetes manifests, and what asks the daemon whether it lives."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from watcher.settings import load

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SCRIPTS = Path(sysconfig.get_path("scripts"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = ("compose.yaml", "compose.gpu.yaml", "compose.postgres.yaml")
UID = "10001"


def lint(*command: str | Path) -> None:
    """Runs a linter that a package of the `dev` extra brings."""
    program = SCRIPTS / command[0]
    if not program.exists():
        pytest.skip(f"{program.name} is not here: it comes with the extra dev")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with what follows it, in one line."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.strip().split(maxsplit=1) for line in whole.splitlines() if line.strip())
    return [(word, " ".join(rest.split())) for word, rest in pairs]


def document(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def manifests(name: str = "kubernetes.yaml") -> dict[str, Any]:
    """By kind and name."""
    found = yaml.safe_load_all((DEPLOY / name).read_text("utf-8"))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


def patched(base: Any, patch: Any) -> Any:
    """A strategic merge: of lists whose elements have names, those of one name are merged; other lists are replaced."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return base | {key: patched(base[key], value) if key in base else value for key, value in patch.items()}
    if isinstance(base, list) and all(isinstance(each, dict) and "name" in each for each in (*base, *patch)):
        named = {each["name"]: each for each in patch}
        return [patched(each, named.get(each["name"], {})) for each in base]
    return patch


def seconds(text: str) -> int:
    """Of `5m` and `5min`."""
    number, unit = re.fullmatch(r"(\d+)(s|m|min)", text).groups()
    return int(number) * {"s": 1, "m": 60, "min": 60}[unit]


class TestDockerfile:
    """What can be told without building an image, which takes a minute, 2 GB and a registry."""

    def test_a_linter_finds_nothing(self) -> None:
        """Pinned, quiet, as one who is not root."""
        lint("hadolint", DEPLOY / "Dockerfile")

    def test_all_that_is_copied_is_there_and_sent(self) -> None:
        """.dockerignore leaves out all but what is named there: neither too little gets into the image nor a password."""
        wanted = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"]
        copied = [
            name for word, rest in steps() if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]
        ]
        assert sorted(copied) == sorted(wanted)
        assert all((ROOT / name).exists() for name in copied)
        assert "*" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()

    def test_extras_and_constraints_are_those_of_the_project(self) -> None:
        """What is installed has the versions that the tests ran with."""
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        asked = re.findall(r"EXTRAS=(\S+)", DOCKERFILE)
        assert {extra for each in asked for extra in each.split(",")} <= extras.keys()
        (install,) = (rest for word, rest in steps() if word == "RUN" and "[${EXTRAS}]" in rest)
        assert "install -c deploy/constraints.txt" in install
        pinned = {_plain(line) for line in (DEPLOY / "constraints.txt").read_text("utf-8").splitlines() if "==" in line}
        for extra in ("cpu", "browse", "postgres"):
            assert {_plain(each) for each in extras[extra]} <= pinned

    def test_it_runs_as_somebody_who_is_not_root(self) -> None:
        """The same number wherever the image is used."""
        said = dict(steps())
        assert said["USER"] == "${UID}:${GID}"
        assert {f"UID={UID}", f"GID={UID}"} <= {rest for word, rest in steps() if word == "ARG"}
        assert said["STOPSIGNAL"] == "SIGTERM"
        assert "/opt/watcher/healthcheck.py" in said["HEALTHCHECK"]


def _plain(requirement: str) -> str:
    return re.split(r"[=<>\[]", requirement)[0].lower().replace("_", "-")


class TestCompose:
    """compose.yaml, and what can be laid over it."""

    def test_the_files_are_right(self) -> None:
        """By the schema of the compose specification."""
        lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *(DEPLOY / name for name in COMPOSE))

    @pytest.mark.parametrize("name", COMPOSE)
    def test_every_file_that_is_mounted_is_there(self, name: str) -> None:
        """But for the secrets, which whoever runs it makes."""
        for service in document(name)["services"].values():
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                assert not source.startswith("./") or (DEPLOY / source).exists(), source

    def test_no_service_may_do_more_than_it_needs(self) -> None:
        """No rights, nothing to write to but volumes, and no port for other machines."""
        both = (document(name)["services"].items() for name in ("compose.yaml", "compose.postgres.yaml"))
        for name, service in chain.from_iterable(both):
            if "image" not in service:
                continue  # laid over one of the first file
            assert service["read_only"] and service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name

    def test_who_only_looks_can_change_nothing(self) -> None:
        browse = document("compose.yaml")["services"]["browse"]
        assert all(volume.endswith(":ro") for volume in browse["volumes"])

    def test_its_settings_are_right(self) -> None:
        """With everything that people see in the one folder that is mounted, and an address for the health check."""
        settings = load(DEPLOY / "watcher.toml")
        assert settings.folders.inbox.startswith("/pictures/")
        assert settings.metrics.listen == "0.0.0.0:9464"

    def test_the_daemon_is_given_the_time_that_its_end_may_take(self) -> None:
        """As much as systemd gives it; so do the manifests of Kubernetes."""
        (text,) = re.findall(r"^TimeoutStopSec=(\S+)", (DEPLOY / "watcher.service").read_text("utf-8"), re.MULTILINE)
        pod = manifests()["StatefulSet/watcher"]["spec"]["template"]["spec"]
        assert seconds(document("compose.yaml")["services"]["daemon"]["stop_grace_period"]) == seconds(text)
        assert pod["terminationGracePeriodSeconds"] == seconds(text)


class TestKubernetes:
    """kubernetes.yaml, alone and with the patch for a GPU."""

    @pytest.mark.parametrize("gpu", [False, True])
    def test_the_manifests_are_right(self, tmp_path: Path, gpu: bool) -> None:
        """By the schemas of Kubernetes itself, which take no key that they do not know."""
        found = manifests()
        if gpu:
            for name, patch in manifests("kubernetes-gpu.yaml").items():
                found[name] = patched(found[name], patch)
            daemon = found["StatefulSet/watcher"]["spec"]["template"]["spec"]["containers"][0]
            assert daemon["resources"]["limits"]["nvidia.com/gpu"] == 1 and daemon["livenessProbe"]
        (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(found.values()), "utf-8")
        lint("kubernetes-validate", "--strict", tmp_path / "all.yaml")

    def test_its_settings_are_right(self, tmp_path: Path) -> None:
        """And probes, figures and the port for them are of one mind."""
        (tmp_path / "watcher.toml").write_text(manifests()["ConfigMap/watcher"]["data"]["watcher.toml"], "utf-8")
        settings = load(tmp_path / "watcher.toml")
        assert settings == load(DEPLOY / "watcher.toml")
        template = manifests()["StatefulSet/watcher"]["spec"]["template"]
        (port,) = template["spec"]["containers"][0]["ports"]
        assert str(port["containerPort"]) == template["metadata"]["annotations"]["prometheus.io/port"] == "9464"

    def test_every_container_is_confined(self) -> None:
        """As the namespace demands: not root, no rights, nothing to write to but volumes."""
        pod = manifests()["StatefulSet/watcher"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and str(pod["securityContext"]["runAsUser"]) == UID
        for container in (*pod["initContainers"], *pod["containers"]):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] and context["capabilities"] == {"drop": ["ALL"]}
            assert not context["allowPrivilegeEscalation"]


@contextmanager
def serving(status: int, body: bytes) -> Iterator[int]:
    """A server that answers so; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def health(home: Path, listen: str | None, *args: str) -> subprocess.CompletedProcess[str]:
    """What the health check says of a home whose daemon listens there."""
    if listen is not None:
        (home / "watcher.toml").write_text(f'[metrics]\nlisten = "{listen}"\n', "utf-8")
    command = [sys.executable, "-I", str(DEPLOY / "healthcheck.py"), *args]
    return subprocess.run(command, env={"WATCHER_HOME": str(home)}, capture_output=True, text=True, check=False)


class TestHealthCheck:
    """deploy/healthcheck.py, as Docker calls it."""

    @pytest.mark.parametrize(
        ("status", "body", "said"), [(200, b"ok\n", ""), (503, b"the loop has ended\n", "the loop")]
    )
    def test_it_says_what_the_daemon_says(self, tmp_path: Path, status: int, body: bytes, said: str) -> None:
        """Asked where the settings say, also of one that listens everywhere."""
        with serving(status, body) as port:
            for host in ("127.0.0.1", "0.0.0.0"):
                done = health(tmp_path, f"{host}:{port}")
                assert (done.returncode == 0) is (status == 200), done.stderr
                assert said in done.stderr

    def test_it_can_ask_another_program(self, tmp_path: Path) -> None:
        with serving(200, b"") as port:
            assert health(tmp_path, None, f"127.0.0.1:{port}/healthz").returncode == 0
            assert "404" in health(tmp_path, None, f"127.0.0.1:{port}/elsewhere").stderr

    @pytest.mark.parametrize(
        ("listen", "said"), [("127.0.0.1:1", "no answer"), ("", "set listen"), (None, "No such file")]
    )
    def test_who_cannot_be_asked_is_not_well(self, tmp_path: Path, listen: str | None, said: str) -> None:
        """With what to do about it, for `docker inspect`."""
        done = health(tmp_path, listen)
        assert done.returncode == 1
        assert said in done.stderr


def test_nothing_needs_a_tool_that_slim_images_lack() -> None:
    """The health check is Python's own affair."""
    assert not re.search(r"\b(curl|wget|apt-get)\b", "\n".join(rest for _, rest in steps()))
