"""etcd and kube-apiserver from the test bed's one binary; no controllers, scheduler or nodes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

READY_SECONDS: Final = 60


class ApiServerError(Exception):
    """The API server can't be started; the message says why."""


def kube_binary() -> Path:
    """Where the test bed keeps its binary. Raises ApiServerError when it was not built yet."""
    home_cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = Path(os.environ.get("STREAMJOB_CACHE") or f"{home_cache}/streamjob")
    binary = cache / "bin" / "kube"
    if not binary.exists():
        raise ApiServerError(f"{binary} is not there: `make cluster` builds it")
    return binary


@dataclass(frozen=True)
class ApiServer:
    """A running API server; its one user may do everything."""

    binary: Path
    url: str
    etcd: str
    """Where its etcd answers, without any credentials."""
    token: str
    kubeconfig: Path
    """Names the server, its certificate authority and the token."""
    certificate_authority: Path

    def kubectl(
        self, *arguments: str, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the server's user, `text` on its standard input.

        Raises AssertionError with kubectl's own words when it fails and `check` is on.
        """
        done = subprocess.run(
            [self.binary, "kubectl", "--kubeconfig", self.kubeconfig, *arguments],
            input=text,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
            env=os.environ | {"KUBECACHEDIR": str(self.kubeconfig.parent / "kubectl-cache")},
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done

    def apply(
        self, manifest: dict[str, Any], *arguments: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Apply one object with kubectl."""
        return self.kubectl("apply", "-f", "-", *arguments, text=json.dumps(manifest), check=check)

    def post(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create one object without kubectl, in milliseconds; unknown fields are refused.

        Returns the object, or the API server's Status when it refuses.
        """
        request = urllib.request.Request(
            f"{self.url}{path}{'&' if '?' in path else '?'}fieldValidation=Strict",
            data=json.dumps(manifest).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=self.certificate_authority)
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as reply:
                answer: dict[str, Any] = json.load(reply)
        except urllib.error.HTTPError as refused:
            answer = json.load(refused)
        return answer

    def kubeconfig_of(self, namespace: str, service_account: str) -> Path:
        """Write a kubeconfig for an hour with the rights of a service account that exists."""
        created = self.kubectl("create", "token", "-n", namespace, service_account)
        path = self.kubeconfig.parent / f"kubeconfig-{namespace}-{service_account}"
        path.write_text(json.dumps(kubeconfig(self, created.stdout.strip())))
        return path

    def get(self, *arguments: str) -> dict[str, Any]:
        """Read one object with `kubectl get`."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)
        return found


@contextmanager
def running_apiserver(directory: Path, *flags: str) -> Iterator[ApiServer]:
    """Start both programs on free loopback ports with their data in `directory`; end them after.

    `flags` are the API server's, beside those of `apiserver_command`.

    Raises ApiServerError with the end of the log when one of them gives up or is not ready in time.
    """
    binary = kube_binary()
    etcd_port, peer_port, port = free_ports(3)
    etcd = f"http://127.0.0.1:{etcd_port}"
    peer = f"http://127.0.0.1:{peer_port}"
    token = secrets.token_hex(16)
    (directory / "tokens.csv").write_text(f'{token},test,test,"system:masters"\n')
    make_key(directory / "service-account.key")
    with ExitStack() as stack:
        stack.enter_context(running(etcd_command(binary, directory, etcd, peer), directory, "etcd"))
        command = [*apiserver_command(binary, directory, etcd, port), *flags]
        apiserver = stack.enter_context(running(command, directory, "apiserver"))
        server = ApiServer(
            binary=binary,
            url=f"https://127.0.0.1:{port}",
            etcd=etcd,
            token=token,
            kubeconfig=directory / "kubeconfig",
            certificate_authority=directory / "certificates" / "apiserver.crt",
        )
        server.kubeconfig.write_text(json.dumps(kubeconfig(server, token)))
        wait_until_ready(server, apiserver, directory / "apiserver.log")
        yield server


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on right now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def make_key(path: Path) -> None:
    """Write the RSA key that signs the tokens of service accounts."""
    subprocess.run(
        ["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True, timeout=60
    )


def etcd_command(binary: Path, directory: Path, client: str, peer: str) -> list[str]:
    """How etcd is started: one member, which need not survive the machine."""
    return [
        str(binary),
        "etcd",
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_command(binary: Path, directory: Path, etcd: str, port: int) -> list[str]:
    """How kube-apiserver is started. Pods may be made although nobody makes service accounts."""
    key = directory / "service-account.key"
    return [
        str(binary),
        "kube-apiserver",
        f"--etcd-servers={etcd}",
        f"--cert-dir={directory / 'certificates'}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--token-auth-file={directory / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
    ]


@contextmanager
def running(command: list[str], directory: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program with its output in `name`.log, and end it, also when the tests are killed."""
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        command = [setpriv, "--pdeathsig", "KILL", "--", *command]
    with (directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def kubeconfig(server: ApiServer, token: str) -> dict[str, Any]:
    """The kubeconfig of whoever the token belongs to."""
    cluster = {
        "server": server.url,
        "certificate-authority": str(server.certificate_authority),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "apiserver", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "apiserver", "context": {"cluster": "apiserver", "user": "test"}}],
        "current-context": "apiserver",
    }


def wait_until_ready(server: ApiServer, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server serves. Raises ApiServerError with the end of its log if it doesn't."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if server.certificate_authority.exists():
            ready = server.kubectl("get", "--raw", "/readyz", check=False)
            # The server makes this namespace shortly after it has called itself ready.
            made = server.kubectl("get", "namespace", "default", check=False)
            if ready.returncode == made.returncode == 0:
                return
        time.sleep(0.1)
    end = log.read_text(errors="replace")[-2000:]
    raise ApiServerError(f"kube-apiserver is not ready after {READY_SECONDS} s:\n{end}")
