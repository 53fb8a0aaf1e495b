"""Images and manifests: what they name exists, they run as nobody in particular, and give the server time to end.

They are read here and not built: no test has a container runtime.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast import __version__
from holdfast.cli.serving import DRAIN_SECONDS
from holdfast.settings import describe_settings
from tests.house.source import PROJECT

DEPLOY = PROJECT / "deploy"
DOCKER = DEPLOY / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = [DOCKER / "compose.yml", DOCKER / "cluster.yml"]
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
USER = 10001
OWN = f"holdfast:{__version__}"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return re.findall(r"^([A-Z]+) +(.*)$", joined, re.MULTILINE)


def services(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["services"]
    return found


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path.name, each


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Name, specification and labels of every pod that some object makes."""
    for file, each in objects():
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield f"{file} {each['kind']} {each['metadata']['name']}", template["spec"], template["metadata"]["labels"]


PODS = [pytest.param(*rest, id=name) for name, *rest in pods()]
SERVERS = [
    pytest.param(pod, labels, id=name)
    for name, pod, labels in pods()
    if labels["app.kubernetes.io/component"] == "server"
]


@pytest.mark.parametrize("path", [*COMPOSE, *MANIFESTS, DOCKER / "Dockerfile"], ids=lambda path: path.name)
def test_settings_that_a_file_names_exist(path: Path) -> None:
    known = {setting.variable for setting in describe_settings()}
    assert set(re.findall(r"\bHOLDFAST_[A-Z0-9_]+", path.read_text(encoding="utf-8"))) <= known


def test_every_image_has_a_version() -> None:
    named = re.findall(r"^(?:FROM| *image:) *(\S+)", "\n".join(p.read_text() for p in every_file()), re.MULTILINE)
    assert len(named) > 10
    for image in named:
        _, _, tag = image.partition(":")
        assert re.search(r"\d+\.\d+|\d{4}-\d\d-\d\d", tag), image
        assert image == OWN or not image.startswith("holdfast")


def every_file() -> list[Path]:
    return [DOCKER / "Dockerfile", *COMPOSE, *MANIFESTS]


def test_the_image_is_built_from_the_lock_and_runs_as_nobody_in_particular() -> None:
    steps = instructions()
    last = max(at for at, (name, _) in enumerate(steps) if name == "FROM")
    assert len({value.split()[0] for name, value in steps if name == "FROM"}) == 1
    (install,) = [value for name, value in steps if name == "RUN" and "run.lock" in value]
    assert "--require-hashes" in install
    final = dict(steps[last:])
    assert final["USER"] == f"{USER}:{USER}"
    assert final["STOPSIGNAL"] == "SIGTERM"
    assert "/health/ready" in final["HEALTHCHECK"]
    assert (final["ENTRYPOINT"], final["CMD"]) == ('["holdfast"]', '["serve"]')
    assert f"--uid {USER}" in DOCKERFILE


def test_what_the_image_copies_is_there_and_is_not_ignored() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [word for name, value in instructions() if name == "COPY" and "--from" not in value
              for word in value.split()[:-1]]  # fmt: skip
    assert copied
    for source in copied:
        assert (PROJECT / source).exists(), source
        assert f"!{source}" in ignored, source


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_compose_file_is_careful(path: Path) -> None:
    found = services(path)
    for name, service in found.items():
        assert set(service.get("depends_on", {})) <= set(found)
        if "build" in service:
            context = (path.parent / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).exists()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (path.parent / source).exists(), source
        if service.get("image") == OWN:
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
    server = found["holdfast"]
    assert int(server["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS
    assert server["ulimits"]["nofile"]["soft"] == 65536


def test_the_cluster_has_three_servers_behind_the_nginx_of_the_project() -> None:
    found = services(DOCKER / "cluster.yml")
    assert found["holdfast"]["deploy"]["replicas"] == 3
    (script,) = [word for word in found["nginx"]["command"] if "sed" in word]
    pattern = re.search(r"s/(.*?)/(.*?)/", script)
    assert pattern is not None
    text = (DEPLOY / "nginx" / "holdfast.conf").read_text(encoding="utf-8")
    assert text.count(f"    {pattern[1]}\n") == 1
    assert pattern[2] == "server holdfast:8080;"
    trusted = found["holdfast"]["environment"]["HOLDFAST_TRUSTED_PROXIES"]
    assert trusted == found["nginx"]["networks"]["front"]["ipv4_address"]


@pytest.mark.parametrize(("pod", "labels"), PODS)
def test_a_pod_runs_as_nobody_in_particular(pod: dict[str, Any], labels: dict[str, str]) -> None:
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"]) == (True, USER)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    # A Service of this name would put HOLDFAST_PORT and its like into every container: settings, or unknown ones.
    assert pod["enableServiceLinks"] is False
    declared = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        assert container["image"] == OWN
        own = container["securityContext"]
        assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= declared | {"data"}


@pytest.mark.parametrize(("pod", "labels"), SERVERS)
def test_a_server_is_asked_whether_it_is_ready_and_has_time_to_end(pod: dict[str, Any], labels: dict[str, str]) -> None:
    (server,) = pod["containers"]
    paths = {name: server[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {
        "startupProbe": "/health/live",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",
    }
    pause = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause + DRAIN_SECONDS
    (port,) = server["ports"]
    assert port == {"name": "http", "containerPort": 8080}


def test_selectors_find_the_servers() -> None:
    servers = [labels for _, _, labels in pods() if labels["app.kubernetes.io/component"] == "server"]
    assert len(servers) == 2
    selectors = []
    for _, each in objects():
        spec = each.get("spec", {})
        selectors += [spec["selector"].get("matchLabels", spec["selector"])] if "selector" in spec else []
        selectors += [spec["podSelector"]["matchLabels"]] if "podSelector" in spec else []
    assert len(selectors) == 6
    assert all(selector == labels for selector in selectors for labels in servers)


def test_there_is_one_sqlite_server_and_several_of_the_others() -> None:
    replicas = {each["kind"]: each["spec"]["replicas"] for _, each in objects() if "replicas" in each.get("spec", {})}
    assert replicas == {"StatefulSet": 1, "Deployment": 3}
