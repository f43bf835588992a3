"""Which cluster the demonstration runs on, and how the images get there."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from examples.demo.console import DemoError, Screen
from examples.demo.kubectl import Kubectl

ROOT = Path(__file__).resolve().parents[2]
TESTBED = ROOT / "tests/testbed/testbed"
ARCHIVE = ROOT / "build/streamjob-operator.tar"
NODE_VOLUME = Path("/var/lib/streamjob-data")
"""The directory of examples/node-volume.yaml: on the project's own cluster the node is this
machine."""

FLINK_IMAGE = "flink:2.3.0"


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers."""

    kubectl: Kubectl
    own: bool
    """The project's own one-node cluster, started by the demonstration."""
    how_to_use: tuple[str, ...]
    """Shell commands after which the user's own kubectl speaks to it."""


def open_cluster(screen: Screen) -> Cluster:
    """Start the project's own cluster, or find the one that KUBE_CONTEXT names.

    Raises DemoError where there is none.
    """
    context = os.environ.get("KUBE_CONTEXT")
    if context:
        return _existing(screen, context)
    if os.geteuid() != 0:
        raise DemoError(
            "The project's own cluster needs root (it makes a network namespace and mounts).\n"
            "Run this as root, or name a cluster of yours: KUBE_CONTEXT=name make demo"
        )
    screen.say("No KUBE_CONTEXT is given: starting the project's own one-node Kubernetes.")
    screen.say("Nothing of it is kept running after `make demo-down`.")
    screen.stream("starting Kubernetes", [TESTBED, "up"])
    return own_cluster(screen)


def own_cluster(screen: Screen) -> Cluster:
    """Give the project's own cluster, which has to be up."""
    kube, kubeconfig = _ask("binary"), _ask("kubeconfig")
    program = (kube, "kubectl", "--kubeconfig", kubeconfig)
    exports = (f"export KUBECONFIG={kubeconfig}", f"export PATH={Path(kube).parent}:$PATH")
    return Cluster(Kubectl(program, screen), own=True, how_to_use=exports)


def _existing(screen: Screen, context: str) -> Cluster:
    program = shutil.which("kubectl")
    if not program:
        raise DemoError("KUBE_CONTEXT is given, and there is no kubectl on the PATH: install it")
    kubectl = Kubectl((program, "--context", context), screen)
    contexts = Kubectl((program,), screen).run("config", "get-contexts", "-o", "name").split()
    if context not in contexts:
        raise DemoError(
            f"There is no context {context!r}: KUBE_CONTEXT has to be one of"
            f" {', '.join(contexts) or '(your kubeconfig has none)'}"
        )
    try:
        kubectl.run("get", "--raw", "/readyz", timeout=20)
    except DemoError as error:
        raise DemoError(f"The cluster {context!r} does not answer.\n{error}") from error
    screen.good(f"Using the cluster of context {context}; nothing else will be started.")
    return Cluster(kubectl, own=False, how_to_use=(f"kubectl config use-context {context}",))


def operator_image() -> str:
    """Name the operator's image: STREAMJOB_IMAGE, or the one that `make image` builds."""
    text = (ROOT / "operator/streamjob_operator/__init__.py").read_text("utf-8")
    version = text.split('__version__ = "')[1].split('"')[0]
    return os.environ.get("STREAMJOB_IMAGE") or f"streamjob-operator:{version}"


def bring_images(cluster: Cluster, screen: Screen) -> None:
    """Build the operator's image and load it into the own cluster. Raises DemoError."""
    if not cluster.own:
        screen.say(f"The cluster has to find these images: {operator_image()} and {FLINK_IMAGE}.")
        return
    screen.say("Building the operator's image from the Dockerfile.")
    screen.stream("building the operator's image", ["make", "image"])
    screen.stream("loading the operator's image", [TESTBED, "load-image", ARCHIVE])


def image_help(context_images: str) -> str:
    """Say how a cluster of the user's comes by the images that it could not get."""
    archive = ARCHIVE.relative_to(ROOT)
    return f"""The cluster can't get an image: {context_images}
The operator's image is built by `make image` into the archive {archive}
(or by `docker build -t {operator_image()} .`). Bring it there:
  kind       kind load image-archive {archive} --name CLUSTER
  minikube   minikube image load {archive}
  k3d        k3d image import {archive} --cluster CLUSTER
  any other  push it to a registry that the cluster reads, then
             STREAMJOB_IMAGE=REGISTRY/streamjob-operator:TAG KUBE_CONTEXT=... make demo
{FLINK_IMAGE} is Docker Hub's official image; where that can't be reached, load it the same way."""


def flink_home(screen: Screen) -> str:
    """Give a directory with Flink's jars: FLINK_HOME, or a download. Raises DemoError."""
    given = os.environ.get("FLINK_HOME")
    if given:
        return given
    screen.stream("getting Flink's jars", [TESTBED, "flink-home"])
    return _ask("flink-home")


def _ask(*command: str) -> str:
    done = subprocess.run([TESTBED, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"{TESTBED.name} {' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout.strip()
