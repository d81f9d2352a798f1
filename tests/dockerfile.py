"""Reads a Dockerfile and does its steps in a folder, where there is no Docker: absolute paths of the image lie below the folder."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

OWN_PATHS = ("/opt/venv", "/data", "/build", "/app")  # of the image, as commands name them
TIMEOUT = 600  # seconds of a step


@dataclass
class Stage:
    """One stage of a Dockerfile: its instructions in their order, as (name, text)."""

    name: str
    image: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        """Return the text of the last instruction of a name."""
        return [text for name, text in self.steps if name == instruction][-1]

    def words(self, instruction: str) -> list[str]:
        """Return the words of an instruction in the form of a JSON list."""
        text = self.last(instruction)
        words: list[str] = json.loads(text[text.index("[") :])
        return words


def stages(text: str) -> list[Stage]:
    """Return the stages of a Dockerfile. Comments are left out, and lines that end with a backslash are joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            image, _, alias = rest.partition(" AS ")
            found.append(Stage(alias or str(len(found)), image))
        elif name:
            found[-1].steps.append((name, rest.strip()))
    return found


def copied(stage: Stage) -> Iterator[tuple[list[str], str]]:
    """Yield the sources and the target of each COPY from the context."""
    for name, text in stage.steps:
        words = shlex.split(text)
        if name == "COPY" and not words[0].startswith("--from="):
            yield words[:-1], words[-1]


def ignored(path: str, patterns: list[str]) -> bool:
    """Return whether a .dockerignore leaves a path out of the context: of the patterns that match it or a folder above, the last counts."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    left_out = False
    for pattern in patterns:
        plain = pattern.removeprefix("!").rstrip("/")
        matched = any(fnmatch.fnmatch(one, plain) or fnmatch.fnmatch(f"./{one}", plain) for one in above)
        left_out = not pattern.startswith("!") if matched else left_out
    return left_out


class Image:
    """The folder in which the stages of a Dockerfile are made, each in a folder of its own.

    `arguments`: values of ARG. `programs`: a folder of programs that commands find before the system's.
    """

    def __init__(self, context: Path, folder: Path, arguments: Mapping[str, str], programs: Path) -> None:
        self._context, self._folder, self._arguments, self._programs = context, folder, arguments, programs
        self.environment: dict[str, str] = {}
        self.root = folder
        self._place = "/"

    def build(self, all_stages: list[Stage], patterns: list[str]) -> None:
        """Do the steps of all stages."""
        for stage in all_stages:
            self.root, self._place, self.environment = self._folder / stage.name, "/", {}
            self.root.mkdir()
            for name, text in stage.steps:
                self._step(name, text, patterns)

    def inside(self, path: str) -> Path:
        """Return where a path of the image lies, which may be relative to its working folder."""
        return self.root / str(Path(self._place) / path).lstrip("/")

    def mapped(self, text: str) -> str:
        """Return a text in which the paths of the image are those of the folder."""
        return re.sub(rf"(?<![\w.])({'|'.join(OWN_PATHS)})(?![\w-])", lambda found: f"{self.root}{found[1]}", text)

    def variables(self) -> dict[str, str]:
        """Return the environment of a command."""
        own = {name: self.mapped(value) for name, value in self.environment.items()}
        path = own.pop("PATH", "$PATH").replace("$PATH", f"{self._programs}:{os.environ['PATH']}")
        return os.environ | own | {"PATH": path, "PIP_NO_COMPILE": "1"}  # which saves a third of the time

    def _step(self, name: str, text: str, patterns: list[str]) -> None:
        if name == "ARG":
            key, _, default = text.partition("=")
            self.environment[key] = self._arguments.get(key, default)
        elif name == "ENV":
            self.environment |= dict(word.split("=", 1) for word in shlex.split(text.replace("$", r"\$")))
        elif name == "WORKDIR":
            self._place = text
            self.inside(".").mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            self._copy(shlex.split(text), patterns)
        elif name == "RUN":
            command = self.mapped(text).replace("--no-cache-dir ", "")
            subprocess.run(["sh", "-euc", command], cwd=self.inside("."), env=self.variables(), check=True, timeout=TIMEOUT)

    def _copy(self, words: list[str], patterns: list[str]) -> None:
        if words[0].startswith("--from="):
            source = self._folder / words[0].removeprefix("--from=") / words[1].lstrip("/")
            target = self.inside(words[2])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)  # a virtual environment knows its own place
            return
        *sources, to = words
        for source in sources:
            path = self._context / source
            target = self.inside(to) / path.name if to.endswith("/") else self.inside(to)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, ignore=lambda folder, names: self._left_out(folder, names, patterns))
            else:
                shutil.copy(path, target)

    def _left_out(self, folder: str, names: list[str], patterns: list[str]) -> list[str]:
        at = Path(folder).relative_to(self._context)
        return [name for name in names if (self._context / at / name).is_file() and ignored((at / name).as_posix(), patterns)]
