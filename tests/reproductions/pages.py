"""The studio: texts from outside, trainings without a limit, tracebacks, ports and foreign names."""

import json
import re
import socket

from tests.reproductions.inputs import exported
from tests.reproductions.reproduction import Reproduction
from tests.reproductions.studio import EXPORTED, NETWORK, Studio

HOSTILE = "![x](http://h.test/i) <a href='//h.test'>a</a> :material/home: $l$"
LIVE = ("![x](", ":material/home", "$l$")
TRAININGS = "3"


def _texts(texts: list[str]) -> None:
    for text in texts:
        bare = re.sub(r"\\.", "", text)
        found = [part for part in LIVE if part in bare]
        assert not found, f"a page shows {found[0]} as Markdown: {text[:80]!r}"


def a_picture_in_an_address(studio: Studio) -> None:
    _texts(studio.pages({"query": {"run": HOSTILE}})["texts"])


def a_link_in_a_runs_error(studio: Studio) -> None:
    studio.trained()
    studio.change("UPDATE runs SET status = 'failed', error = ?", HOSTILE)
    number = str(studio.rows("id")[0][0])
    _texts(studio.pages({}, {"page": "runs", "query": {"runs": number, "show": number}}, {"page": "train"})["texts"])


def a_picture_in_an_uploads_name(studio: Studio) -> None:
    name = HOSTILE.replace("/", "_") + ".png"
    _texts(studio.pages({"query": {"run": NETWORK}}, {"upload": name})["texts"])


def a_link_in_a_legend(studio: Studio) -> None:
    studio.works("import", exported(studio.tree / EXPORTED, studio.folder / "it.safetensors"), "--name", "<a href='h.test'>x</a>")
    number = str(studio.rows("id")[0][0])
    charts = studio.pages({}, {"page": "sweep"}, {"page": "runs", "query": {"runs": number, "show": number}})["charts"]
    assert not any("<a href" in chart for chart in charts), "a chart makes a link of a run's name"


def six_clicks_on_start(studio: Studio) -> None:
    studio.extra["GATESCOPE_TRAININGS"] = TRAININGS
    press = {"set": {"form-training-epochs": 300}, "press": "start"}
    try:
        studio.drawn({}, {"page": "train"}, press, *[{"press": "start"}] * 5)
        rows = studio.rows("id", "status IN ('running', 'queued')")
        assert len(rows) == 6, f"{len(rows)} trainings were started"
        most = 0
        for _ in range(8):
            most = max(most, len(studio.rows("id", "status = 'running'")))
            studio.python("-c", "import time; time.sleep(1)")
        assert most <= int(TRAININGS), f"{most} trainings at once"
    finally:
        for _ in range(2):
            for (number,) in studio.rows("id", "status IN ('running', 'queued')"):
                studio.command("stop", number)
        studio.until(lambda: not studio.rows("id", "status = 'running'"), 60, "trainings that were stopped go on")


def an_unexpected_error(studio: Studio) -> None:
    shown = studio.drawn({"break": True})["tracebacks"]
    assert not any("secret" in text or "File " in text for text in shown), "a visitor sees the traceback"


def a_taken_port(studio: Studio) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("localhost", 8501))
            taken.listen(1)
        except OSError:  # another program has it, which serves as well
            pass
        done = studio.python("-m", "app", "--server.headless", "true", limit=20)
    assert "8501 is taken" in done.out, "it takes another port without a word"


def another_hosts_name(studio: Studio) -> None:
    with studio.serving("-m", "app", "--server.port", "{port}", "--server.headless", "true", path="/_stcore/health") as port:
        upgrade = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec_WebSocket_Version": "13",
        }
        own, _ = studio.asked(port, "/_stcore/stream", **upgrade, Origin=f"http://localhost:{port}")
        assert own == 101, f"the studio's own page gets {own}"
        foreign, _ = studio.asked(port, "/_stcore/stream", "evil.test", **upgrade, Origin=f"http://evil.test:{port}")
        assert foreign != 101, "a page of another name gets the data"


def a_foreign_folder_in_explore(studio: Studio) -> None:
    secret = studio.folder / "secret"
    (secret / "private class").mkdir(parents=True)

    def run(run: dict[str, object]) -> None:
        run["config"]["dataset"] = {"name": "folder", "path": str(secret), "size": 48, "channels": 1}  # type: ignore[index]
        run["dataset"] = "folder"

    studio.works("import", exported(studio.tree / EXPORTED, studio.folder / "it.safetensors", run=run), "--name", "foreign")
    shown = studio.drawn({"query": {"run": "foreign"}})
    assert not any(str(secret) in text for text in shown["texts"] + shown["errors"]), "the page looks into the folder that the file names"


def a_run_called_a_nan(studio: Studio) -> None:
    code = (
        "from types import SimpleNamespace as S; from app.trace import trace_json; "
        "print(trace_json('a: NaN', 'it', None, {}, S(starts=[0], traces=[S(to_json=lambda: {'rate': float('nan')})]), True))"
    )
    trace = json.loads(studio.python("-c", code).out)
    assert trace["run"] == "a: NaN", f"the run is called {trace['run']!r} in the trace"
    assert trace["intervals"][0]["rate"] is None, "NaN is not null"


REPRODUCTIONS = (
    Reproduction("5", "Markdown in the address of a page", a_picture_in_an_address),
    Reproduction("5", "Markdown in a run's error", a_link_in_a_runs_error),
    Reproduction("5", "Markdown in an upload's name", a_picture_in_an_uploads_name),
    Reproduction("5", "a run's name in the legend of a chart", a_link_in_a_legend),
    Reproduction("6", f"six clicks on Start training, places for {TRAININGS}", six_clicks_on_start),
    Reproduction("6", "an error that nobody has foreseen", an_unexpected_error),
    Reproduction("9", "a run called a: NaN in a trace", a_run_called_a_nan),
    Reproduction("9", "port 8501 taken", a_taken_port),
    Reproduction("9", "a connection to the studio that names another host", another_hosts_name),
    Reproduction("9", "an imported run that names a folder", a_foreign_folder_in_explore),
)
