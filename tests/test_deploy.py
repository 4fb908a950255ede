"""What `deploy/` holds is what Kubernetes and our own commands take."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from oddpixel import __version__
from tests.conftest import ROOT
from tests.patience import PATIENCE

FOLDER = ROOT / "deploy/kubernetes"
LISTED = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
OBJECTS = [each for name in LISTED for each in yaml.safe_load_all((FOLDER / name).read_text())]
WORKLOADS = [each for each in OBJECTS if each["kind"] in ("Deployment", "StatefulSet")]


def named(found: Any) -> str:
    return f"{found['kind']}-{found['metadata']['name']}"


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for workload in WORKLOADS:
        pod = workload["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield pod, container


def test_every_file_is_listed() -> None:
    assert {*LISTED, "kustomization.yaml"} == {path.name for path in FOLDER.iterdir()}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("found", OBJECTS, ids=named)
@pytest.mark.parametrize("version", ["1.29", "1.32"])
def test_objects_are_what_kubernetes_describes(found: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(found, version, strict=True)


def test_nothing_runs_with_rights_or_without_bounds() -> None:
    for pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert "readinessProbe" in container
        assert "livenessProbe" in container
        mounted = {each["name"] for each in container["volumeMounts"]}
        claimed = {"data"} if container["name"] == "postgresql" else set()
        assert mounted == {each["name"] for each in pod["volumes"]} | claimed


def test_our_containers_are_of_this_version_and_their_options_exist() -> None:
    ours = [container for _, container in containers() if container["name"] == "oddpixel"]
    assert len(ours) == 3
    for container in ours:
        assert container["image"] == f"oddpixel:{__version__}"
        command, *options = container["args"]
        told = subprocess.run(
            [sys.executable, "-m", "oddpixel", command, "--help"],
            capture_output=True, text=True, check=True, timeout=PATIENCE,
        ).stdout  # fmt: skip
        known = set(re.findall(r"--[a-z-]+", told))
        assert {option.partition("=")[0] for option in options} <= known
        assert all("=" in option for option in options)


def test_services_lead_to_pods_and_policies_to_labels() -> None:
    labels = [workload["spec"]["template"]["metadata"]["labels"] for workload in WORKLOADS]
    for found in OBJECTS:
        if found["kind"] == "Service":
            assert any(found["spec"]["selector"].items() <= each.items() for each in labels)
    assert all(each["app.kubernetes.io/part-of"] == "oddpixel" for each in labels)


def test_no_secret_stands_in_a_file() -> None:
    assert not [found for found in OBJECTS if found["kind"] == "Secret"]
    for _, container in containers():
        for each in container.get("env", []):
            if re.search("PASSWORD|TOKEN", each["name"]):
                assert "value" not in each
