"""The inspector's program, compiled and run as in its pod, by Flink's own jars."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import ROOT, TESTBED

SOURCES = ROOT / "operator" / "streamjob_operator" / "builders"

WRITER = """
import java.io.FileOutputStream;
import java.util.ArrayList;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;

public class Writer {
    public static void main(String[] args) throws Exception {
        for (int i = 0; i < args.length; i += 2) {
            Checkpoints.storeCheckpointMetadata(
                new CheckpointMetadata(
                    Long.parseLong(args[i]), new ArrayList(), new ArrayList()),
                new FileOutputStream(args[i + 1]));
        }
    }
}
"""


@pytest.fixture(scope="session")
def flink_home() -> Path:
    done = subprocess.run([TESTBED, "flink-home"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def _java(flink_home: Path, sources: Path, *args: str) -> subprocess.CompletedProcess[str]:
    loader = "org.codehaus.janino.JavaSourceClassLoader"
    places = {"FLINK_CONF_DIR": f"{flink_home}/conf", "FLINK_PLUGINS_DIR": f"{flink_home}/plugins"}
    return subprocess.run(
        ["java", "-cp", f"{flink_home}/lib/*", loader, "-sourcepath", str(sources), *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **places},
    )


@pytest.fixture
def storage(flink_home: Path, tmp_path: Path) -> Path:
    """Checkpoints 9 and 10, one that was never completed and one cut off, and savepoint 11."""
    (tmp_path / "Writer.java").write_text(WRITER)
    states = {9: "chk/chk-9", 10: "chk/chk-10", 12: "chk/chk-12", 11: "svp/savepoint-ab-1"}
    args = []
    for number, name in states.items():
        (tmp_path / name).mkdir(parents=True)
        args += [str(number), str(tmp_path / name / "_metadata")]
    done = _java(flink_home, tmp_path, "Writer", *args)
    assert done.returncode == 0, done.stderr
    cut = tmp_path / "chk/chk-12/_metadata"
    cut.write_bytes(cut.read_bytes()[:12])
    (tmp_path / "chk/chk-13").mkdir()
    return tmp_path


def _inspect(flink_home: Path, storage: Path, *directories: str) -> tuple[int, Any]:
    result = storage / "result"
    done = _java(flink_home, SOURCES, "StateInspector", str(result), *directories)
    assert result.exists(), done.stderr
    return done.returncode, json.loads(result.read_text())


def test_the_newest_complete_checkpoint_is_found(flink_home: Path, storage: Path) -> None:
    code, found = _inspect(flink_home, storage, f"file://{storage}/chk", f"file://{storage}/nope")
    newest = storage / "chk" / "chk-10"
    assert (code, found) == (
        0,
        {
            "newest": {
                "path": f"file:{newest}",
                "id": 10,
                "at": int((newest / "_metadata").stat().st_mtime_ns / 1_000_000),
                "savepoint": False,
            },
            "missing": [f"file://{storage}/nope"],
            "unreadable": [f"file:{storage}/chk/chk-12"],
        },
    )


def test_a_savepoint_is_newer_by_its_number_and_not_by_its_time(
    flink_home: Path, storage: Path
) -> None:
    os.utime(storage / "svp/savepoint-ab-1/_metadata", (0, 0))
    _, found = _inspect(flink_home, storage, f"file://{storage}/chk", f"file://{storage}/svp")
    expected = {
        "path": f"file:{storage}/svp/savepoint-ab-1",
        "id": 11,
        "at": 0,
        "savepoint": True,
    }
    assert found["newest"] == expected


def test_storage_that_is_gone_holds_nothing(flink_home: Path, storage: Path) -> None:
    shutil.rmtree(storage / "chk")
    code, found = _inspect(flink_home, storage, f"file://{storage}/chk")
    assert (code, found["newest"]) == (0, None)
    assert found["missing"] == [f"file://{storage}/chk"]


def test_storage_that_does_not_answer_is_a_problem_and_not_an_empty_one(
    flink_home: Path, storage: Path
) -> None:
    code, found = _inspect(flink_home, storage, f"file://{storage}/chk", "nowhere://bucket/svp")
    assert code == 1
    assert "nowhere" in found["problem"]
