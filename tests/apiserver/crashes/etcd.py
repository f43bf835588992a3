"""What an API server has stored of one namespace: kept, and put back."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

import urllib3

_ALL: Final = (b"/registry/", b"/registry0")
"""Where the API server keeps all objects: from the first key to before the second."""

Stored = dict[bytes, bytes]
"""Objects by their keys, as the API server has written them."""


class Etcd:
    """The store behind an API server, through etcd's JSON gateway.

    To put a namespace back is to turn back time: uids, owners and who manages which field are as
    they were. Resource versions alone are new ones, and what a Service's address is kept in lies
    outside of the namespace: the server finds that out by itself, and says so in an event.
    https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager()

    def stored(self, namespace: str) -> Stored:
        """Everything in the namespace."""
        keys = self._keys(namespace)
        if not keys:
            return {}
        found = self._transact({"request_range": {"key": _text(key)}} for key in keys)
        pairs = [each["response_range"]["kvs"][0] for each in found]
        return {_bytes(pair["key"]): _bytes(pair["value"]) for pair in pairs}

    def put_back(self, namespace: str, stored: Stored) -> None:
        """Make the namespace what it was, in one transaction."""
        gone = [key for key in self._keys(namespace) if key not in stored]
        self._transact(
            [
                *({"request_delete_range": {"key": _text(key)}} for key in gone),
                *(
                    {"request_put": {"key": _text(key), "value": _text(value)}}
                    for key, value in stored.items()
                ),
            ]
        )

    def _keys(self, namespace: str) -> list[bytes]:
        begin, end = _ALL
        asked = {"key": _text(begin), "range_end": _text(end), "keys_only": True}
        found = self._ask("/v3/kv/range", asked).get("kvs") or []
        keys = [_bytes(each["key"]) for each in found]
        return [key for key in keys if f"/{namespace}/".encode() in key]

    def _transact(self, operations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        done = self._ask("/v3/kv/txn", {"success": list(operations)})
        return list(done.get("responses") or [])

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self._http.request("POST", self._url + path, json=body)
        answer: dict[str, Any] = response.json()
        assert response.status == 200, answer
        return answer


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
