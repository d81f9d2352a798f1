"""The image and its compose file: what they promise, and its steps done in a fresh folder."""

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile import Image, copied, ignored, stages

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
PATTERNS = [line for line in (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
PACKAGES, STUDIO = stages(DOCKERFILE)
USER = 10001
PATIENCE = 120  # seconds until the studio must answer


def test_lines_are_joined_and_comments_left_out() -> None:
    (stage,) = stages('FROM a AS b\n# no\nRUN one \\\n    two\nCMD ["x", "y"]\n')
    assert (stage.name, stage.image, stage.steps) == ("b", "a", [("RUN", "one two"), ("CMD", '["x", "y"]')])
    assert stage.words("CMD") == ["x", "y"]


@pytest.mark.parametrize(
    ("path", "left_out"),
    [("app/main.py", False), ("app/__pycache__/main.pyc", True), ("runs.db", True), ("tests/graphs.py", True), (".git/HEAD", True)],
)
def test_only_what_the_image_needs_is_sent_to_the_builder(path: str, left_out: bool) -> None:
    assert ignored(path, PATTERNS) is left_out


def test_what_is_copied_is_there_and_sent() -> None:
    sources = [source for stage in (PACKAGES, STUDIO) for many, _ in copied(stage) for source in many]
    assert {"app", "core", "assets", "requirements.txt"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        files = [ROOT / source] if (ROOT / source).is_file() else list((ROOT / source).glob("**/*.*"))
        assert any(not ignored(file.relative_to(ROOT).as_posix(), PATTERNS) for file in files), source


def test_the_studio_runs_without_rights_keeps_its_state_in_a_volume_and_has_a_health_check() -> None:
    assert STUDIO.last("USER") == str(USER)
    steps = [name for name, _ in STUDIO.steps]
    assert steps.index("USER") > max(index for index, name in enumerate(steps) if name in ("RUN", "COPY"))
    assert STUDIO.last("VOLUME") == "/data"
    assert re.findall(r"GATESCOPE_\w+=(\S+)", STUDIO.last("ENV")) == ["sqlite:////data/runs.db", "/data/weights", "/data/cache"]
    assert STUDIO.words("HEALTHCHECK") == ["python", "docker/health.py"]
    assert "_stcore/health" in (FOLDER / "health.py").read_text(encoding="utf-8")
    assert {stage.image for stage in (PACKAGES, STUDIO)} == {"python:3.11-slim-bookworm"}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    found = subprocess.run([str(hadolint), str(FOLDER / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_compose_joins_the_studio_with_postgresql() -> None:
    compose: Any = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    studio, server, database = (compose["services"][name] for name in ("studio", "server", "database"))
    assert studio["environment"]["GATESCOPE_DB"].startswith("postgresql+psycopg://gatescope:${POSTGRES_PASSWORD:?")
    assert studio["environment"]["GATESCOPE_DB"].endswith("@database/gatescope")
    assert server["command"][:2] == ["core", "serve"]
    for service in (studio, server):
        assert service["depends_on"] == {"database": {"condition": "service_healthy"}}
        assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == FOLDER / "Dockerfile"
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])  # a proxy stands between it and others
        assert service["volumes"] == ["data:/data"]
    assert "pg_isready" in " ".join(database["healthcheck"]["test"])
    assert {volume.partition(":")[0] for service in (studio, database) for volume in service["volumes"]} == set(compose["volumes"])


@pytest.fixture
def fresh() -> Iterator[Path]:
    """An empty folder that any user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def programs(folder: Path) -> Path:
    """A folder with the image's python, and a useradd that leaves this machine's users as they are."""
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
    (folder / "bin" / "useradd").write_text("#!/bin/sh\n")
    (folder / "bin" / "useradd").chmod(0o755)
    return folder / "bin"


def other_user(python: Path) -> dict[str, Any]:
    """What makes a process that of the image's user; nothing where that user may not enter the folder of the interpreter."""
    folders = python.resolve().parents
    return {"user": USER, "group": USER, "extra_groups": []} if all(folder.stat().st_mode & 0o001 for folder in folders) else {}


def state(folder: Path) -> dict[Path, tuple[int, int]]:
    """The owner and the time of the last change of all files and folders."""
    return {path: (path.stat().st_uid, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="the image is made by root, on Linux")
def test_the_steps_of_the_image_make_a_studio_that_is_healthy(fresh: Path) -> None:
    image = Image(ROOT, fresh, {"TORCH_INDEX": "https://pypi.org/simple"}, programs(fresh))
    image.build([PACKAGES, STUDIO], PATTERNS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    health = image.inside("docker/health.py")
    health.write_text(health.read_text(encoding="utf-8").replace("8501", port), encoding="utf-8")
    command = [word.replace("8501", port) for word in (*STUDIO.words("ENTRYPOINT"), *STUDIO.words("CMD"))]
    place, python = image.inside("."), image.inside("/opt/venv/bin/python")
    assert command[0] == "python"
    assert image.inside("/data").stat().st_uid == USER
    before, user = state(place), other_user(python)
    variables = image.variables() | {"HOME": str(fresh)}
    variables.pop("GATESCOPE_DATA", None)

    def as_user(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([str(python), *words], cwd=place, env=variables, **user)

    assert as_user("docker/health.py").wait() == 1  # nothing answers yet
    studio = as_user(*command[1:])
    try:
        deadline = time.monotonic() + PATIENCE
        while as_user("docker/health.py").wait():
            assert studio.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.5)
        with urllib.request.urlopen(f"http://localhost:{port}/", timeout=20) as page:
            assert b"<title>" in page.read()
    finally:
        studio.terminate()
        studio.wait(timeout=30)
    listed = as_user("-m", "core", "runs")
    assert listed.wait() == 0
    assert image.inside("/data/runs.db").stat().st_uid == user.get("user", os.geteuid())
    assert state(place) == before  # the program is not changed by running it
    assert not [path for path, (owner, _) in before.items() if owner == USER]
