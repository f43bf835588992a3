"""The operator, the namespace of the demonstration, and what its jobs need; and their removal."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from examples.demo.clusters import (
    FLINK_IMAGE,
    NODE_VOLUME,
    ROOT,
    Cluster,
    flink_home,
    image_help,
    operator_image,
)
from examples.demo.console import DemoError, Screen
from examples.demo.feed import FILES_POD
from examples.demo.kubectl import NAMESPACE, OPERATOR_NAMESPACE, OPERATOR_PODS, Kubectl

JAR = ROOT / "build/numbered-records.jar"
_PULL_FAILURES = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}


def install_operator(cluster: Cluster, screen: Screen) -> None:
    """Apply `deploy/` and wait until the operator is ready. Raises DemoError."""
    kubectl = cluster.kubectl
    again = kubectl.exists("deployment", "streamjob-operator", "-n", OPERATOR_NAMESPACE)
    if "STREAMJOB_IMAGE" in os.environ:
        _apply_with_image(kubectl, operator_image())
    else:
        kubectl.shown("apply", "-k", "deploy/")
    if again and cluster.own:
        # The image may be a new one under the same name.
        kubectl.run("rollout", "restart", "deployment", "-n", OPERATOR_NAMESPACE)
    with screen.waiting(lambda: "the operator starts"):
        _wait_for_pods(kubectl, OPERATOR_NAMESPACE, OPERATOR_PODS)
        kubectl.run(
            *("wait", "--for=condition=Established", "crd/streamjobs.streamjob.dev"),
            *("--timeout", "60s"),
            timeout=70,
        )
        kubectl.run(
            *("rollout", "status", "deployment/streamjob-operator", "-n", OPERATOR_NAMESPACE),
            *("--timeout", "120s"),
            timeout=130,
        )
    kubectl.shown("get", "pods", "-n", OPERATOR_NAMESPACE)


def check_images(cluster: Cluster, screen: Screen) -> None:
    """Start a pod with both images that ends at once. Raises DemoError if one can't be had."""
    container = {"command": ["sh", "-c", "exit 0"], "imagePullPolicy": "IfNotPresent"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "streamjob-image-check", "labels": {"check": "images"}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {"name": "operator", "image": operator_image()} | container,
                {"name": "flink", "image": FLINK_IMAGE} | container,
            ],
        },
    }
    screen.say("Asking the cluster whether it has, or can pull, both images.")
    _apply(cluster.kubectl, pod, "-n", NAMESPACE)
    with screen.waiting(lambda: "the node gets the images"):
        _wait_for_pods(cluster.kubectl, NAMESPACE, "check=images", timeout=300)
    cluster.kubectl.run("delete", "pod", "streamjob-image-check", "-n", NAMESPACE, "--now")
    screen.good(f"The cluster has {operator_image()} and {FLINK_IMAGE}.")


def prepare_namespace(cluster: Cluster, screen: Screen) -> None:
    """Make the namespace, empty: what an earlier demonstration left is removed."""
    if cluster.kubectl.exists("namespace", NAMESPACE):
        screen.say("Removing what an earlier demonstration left.")
        remove_jobs(cluster, screen)
    cluster.kubectl.shown("create", "namespace", NAMESPACE)


def prepare_volume(cluster: Cluster, screen: Screen) -> None:
    """Make the volume that the jobs share, and bring the jar there. Raises DemoError."""
    kubectl = cluster.kubectl
    if cluster.own:
        kubectl.shown("apply", "-f", "examples/node-volume.yaml")
    elif not _volume_to_be_had(kubectl):
        raise DemoError(
            "The cluster has no default storage class (kubectl get storageclass) and no free"
            " volume: the jobs would have nowhere to keep state.\n"
            "Install a provisioner, or, on a cluster of one node:"
            " kubectl apply -f examples/node-volume.yaml"
        )
    kubectl.shown("apply", "-n", NAMESPACE, "-f", "examples/volume.yaml")
    with screen.waiting(lambda: "the volume and the pod that looks after its files"):
        kubectl.run(
            *("wait", "-n", NAMESPACE, f"pod/{FILES_POD}", "--for=condition=Ready"),
            *("--timeout", "180s"),
            timeout=190,
        )
    # A node's directory may still hold an earlier demonstration's files.
    _in_files_pod(kubectl, "find /data -mindepth 2 -delete")
    screen.say("Compiling examples/numbered-records with javac.")
    build = ROOT / "examples/numbered-records/build"
    screen.stream("compiling", [build, flink_home(screen), JAR])
    script = "cat >/data/jars/numbered-records.jar"
    kubectl.run_bytes(
        *("exec", "-i", "-n", NAMESPACE, FILES_POD, "--", "sh", "-c", script),
        given=JAR.read_bytes(),
    )
    screen.say("The jar is on the volume.")


def remove_jobs(cluster: Cluster, screen: Screen) -> None:
    """Delete the jobs, their files, the namespace and its volume. Raises DemoError."""
    kubectl = cluster.kubectl
    with screen.waiting(lambda: "the jobs and their namespace go"):
        if kubectl.exists("crd", "streamjobs.streamjob.dev"):
            kubectl.run(
                *("delete", "streamjobs", "--all", "-n", NAMESPACE, "--timeout", "120s"),
                timeout=130,
            )
        if kubectl.exists("pod", FILES_POD, "-n", NAMESPACE):
            _in_files_pod(kubectl, "find /data -mindepth 1 -delete", check=False)
        kubectl.run(
            *("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout", "120s"),
            timeout=130,
        )
        if cluster.own:
            kubectl.run("delete", "-f", "examples/node-volume.yaml", "--ignore-not-found")
            if NODE_VOLUME.is_dir() and not any(NODE_VOLUME.iterdir()):
                NODE_VOLUME.rmdir()


def remove_operator(cluster: Cluster, screen: Screen) -> None:
    """Delete the operator and the CRD, unless somebody else's StreamJobs need them."""
    kubectl = cluster.kubectl
    if kubectl.exists("crd", "streamjobs.streamjob.dev"):
        others = kubectl.get("streamjobs", "--all-namespaces")["items"]
        if others:
            screen.say(f"The operator stays: there are {len(others)} other StreamJobs.")
            screen.say("Once they are deleted: kubectl delete -k deploy/")
            return
    with screen.waiting(lambda: "the operator goes"):
        kubectl.run(
            *("delete", "-k", "deploy/", "--ignore-not-found", "--timeout", "120s"), timeout=130
        )


def _volume_to_be_had(kubectl: Kubectl) -> bool:
    default = "storageclass.kubernetes.io/is-default-class"
    classes = kubectl.get("storageclasses")["items"]
    volumes = kubectl.get("persistentvolumes")["items"]
    return any(
        (item["metadata"].get("annotations") or {}).get(default) == "true" for item in classes
    ) or any(
        item["status"].get("phase") == "Available" and not item["spec"].get("storageClassName")
        for item in volumes
    )


def _in_files_pod(kubectl: Kubectl, script: str, *, check: bool = True) -> None:
    kubectl.run("exec", "-n", NAMESPACE, FILES_POD, "--", "sh", "-c", script, check=check)


def _apply(kubectl: Kubectl, manifest: dict[str, Any], *arguments: str) -> None:
    kubectl.run("apply", "-f", "-", *arguments, given=json.dumps(manifest))


def _apply_with_image(kubectl: Kubectl, image: str) -> None:
    """As `apply -k deploy/`, with the operator's image under another name."""
    name, _, tag = image.rpartition(":")
    if not name or "/" in tag:
        raise DemoError(f"STREAMJOB_IMAGE={image} has no tag: write NAME:TAG")
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as directory:
        Path(directory, "kustomization.yaml").write_text(
            "resources: [../../deploy]\n"
            f"images: [{{name: streamjob-operator, newName: {name}, newTag: {tag!r}}}]\n",
            "utf-8",
        )
        kubectl.shown("apply", "-k", directory)


def _wait_for_pods(kubectl: Kubectl, namespace: str, selector: str, timeout: float = 120) -> None:
    """Wait until every container has its image. Raises DemoError with help if it can't be had."""
    deadline = time.monotonic() + timeout
    while True:
        pods = kubectl.get("pods", "-n", namespace, "-l", selector)["items"]
        statuses = [
            status for pod in pods for status in pod["status"].get("containerStatuses") or []
        ]
        waiting = [status["state"].get("waiting") or {} for status in statuses]
        for status, reason in zip(statuses, waiting, strict=True):
            if reason.get("reason") in _PULL_FAILURES:
                why = f"{status['image']}: {reason.get('message') or reason['reason']}"
                raise DemoError(image_help(why))
        if statuses and not any(
            reason.get("reason") in {"ContainerCreating", "PodInitializing"} for reason in waiting
        ):
            return
        if time.monotonic() > deadline:
            raise DemoError(f"No pod {selector} in {namespace} has started in {timeout:.0f} s")
        time.sleep(1)
