"""A network as a web service: answers, batches, refusals, figures."""

import asyncio
import io
import json
import socket
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

from core.cli.main import app as commands
from core.cli.serve import MissingPackageError
from core.explain.classify import predict
from core.explain.model import load
from core.explain.predict import thresholds
from core.serving.application import ServingLimits, application
from core.serving.batching import Batcher, BusyError
from core.serving.predictor import PictureAnswer, PictureRequest, Predictor
from core.serving.server import ServingError, listening, server
from core.store.exchange import read_exported
from core.store.references import SHIPPED

NAME = "reference/cascade-digits"
Found = TypeVar("Found")
BOUNDARY = "a-boundary"


def picture(seed: int = 0) -> bytes:
    """A PNG file of random grey values."""
    pixels = torch.randint(0, 256, (48, 48), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(file, "PNG")
    return file.getvalue()


def form(data: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    """The body of a form with a file and these fields, and its headers."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'.encode() + data + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()]), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    header, _ = read_exported(SHIPPED / "cascade-digits.safetensors")
    return Predictor(load(NAME), SimpleNamespace(name=NAME, state="finished", figures=header.figures.model_dump()))


@contextmanager
def serving(predictor: Any, limits: ServingLimits | None = None) -> Iterator[int]:
    """The port of a server in a thread."""
    with listening("localhost", 0) as opened:
        running = server(application(predictor, limits or ServingLimits()))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [opened]})
        thread.start()
        yield opened.getsockname()[1]
        running.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port(predictor: Predictor) -> Iterator[int]:
    with serving(predictor) as found:
        yield found


def ask(
    port: int, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str = "POST"
) -> tuple[int, dict[str, str], Any]:
    """The status, headers and content of a response."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content, kind = response.read(), response.headers.get_content_type()
    connection.close()
    return response.status, dict(response.headers), json.loads(content) if kind == "application/json" else content.decode()


def expected(predictor: Predictor, data: bytes, lam: float, name: str) -> dict[str, Any]:
    """What `predict --json` prints for a picture, without times and thresholds."""
    trace = json.loads(json.dumps(predict(predictor.model, data, lam=lam).to_json()))
    return {"run": NAME, "image": name} | trace


def same(answer: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers differ in the rounding of numbers alone."""
    plain = {"label", "executed", "skipped", "gates", "macs", "macs_full", "macs_static", "lam", "image", "run"}
    close = all(abs(share - other["probabilities"][name]) < 1e-5 for name, share in answer["probabilities"].items())
    return close and all(answer[key] == other[key] for key in plain)


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_a_form_is_answered_like_predict(port: int, predictor: Predictor, lam: float) -> None:
    status, _, answer = ask(port, "/predict", *form(picture(), lam=str(lam)))
    wanted = expected(predictor, picture(), lam, "a.png")
    assert status == 200
    assert list(answer) == [*wanted, "seconds", "thresholds"]
    assert same(answer, wanted)
    assert answer["seconds"] > 0
    assert answer["thresholds"] is None


def test_a_picture_alone_is_answered_with_the_options_of_the_address(port: int, predictor: Predictor) -> None:
    status, _, answer = ask(port, "/predict?lam=0.4&thresholds=true", picture(1))
    image = predictor.read(picture(1), "x", 0.4, None).image
    assert status == 200
    assert same(answer, expected(predictor, picture(1), 0.4, "the picture"))
    assert answer["thresholds"] == thresholds(predictor.model, image)


def test_a_budget_chooses_lam(port: int, predictor: Predictor) -> None:
    _, _, answer = ask(port, "/predict?budget=0.2", picture())
    assert answer["lam"] == predictor.lam_of(None, 0.2) != 0.5
    _, _, answer = ask(port, "/predict", picture())
    assert answer["lam"] == 0.5


def test_pictures_of_one_batch_keep_their_own_lam(predictor: Predictor) -> None:
    lams = [0.0, 0.2, 0.5, 0.8, 1.0]
    together = predictor.answer([predictor.read(picture(seed), "x", lam, None) for seed, lam in enumerate(lams)])
    for seed, (lam, answer) in enumerate(zip(lams, together, strict=True)):
        assert same(answer.content, expected(predictor, picture(seed), lam, "x"))
        assert answer.cost_share == answer.content["macs"] / answer.content["macs_static"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "reason"),
    [
        ("/predict", b"no picture", {}, "not an image"),
        ("/predict", b"", {}, "empty"),
        ("/predict?lam=2", picture(), {}, "between 0"),
        ("/predict?lam=nan", picture(), {}, "between 0"),
        ("/predict?lam=much", picture(), {}, "must be a number"),
        ("/predict?thresholds=perhaps", picture(), {}, "true or false"),
        ("/predict?budget=0.2&lam=0.5", picture(), {}, "leave out lam"),
        ("/predict?budget=40", picture(), {}, "out of reach"),
        ("/predict", b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, "no file"),
        ("/predict", picture(), {"Content-Type": "multipart/form-data; boundary=x"}, "cannot be read"),
        ("/predict", picture(), {"Content-Type": "multipart/form-data"}, "cannot be read"),
        (
            "/predict",
            form(picture())[0],
            {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}; charset=unicode_escape"},
            "charset is not UTF-8",
        ),
    ],
)
def test_what_cannot_be_answered_gets_422_with_the_reason(port: int, path: str, body: bytes, headers: dict[str, str], reason: str) -> None:
    status, _, answer = ask(port, path, body, headers)
    assert status == 422
    assert reason in answer["error"]


def test_a_refusal_repeats_no_long_option(port: int) -> None:
    status, _, answer = ask(port, "/predict", *form(picture(), lam="x" * 500_000))
    assert status == 422
    assert len(answer["error"]) < 200


def test_a_large_picture_of_a_form_is_stored_in_no_file(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *words, **options: pytest.fail("a file was made"))
    assert ask(port, "/predict", *form(picture() + bytes(3_000_000)))[0] == 200


@pytest.mark.parametrize("first", [b"", b"POST /predict HTTP/1.1\r\nHost: local", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET"])
def test_a_connection_that_sends_no_headers_is_closed(predictor: Predictor, first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.serving.server.HEADER_SECONDS", 0.3)
    with serving(predictor) as own, socket.create_connection(("localhost", own), timeout=20) as opened:
        opened.sendall(first)
        received = b""
        while part := opened.recv(1000):
            received += part
        assert (b"200 OK" in received) == first.endswith(b"GET")


@pytest.mark.parametrize("path", ["/predict", "/health", "/nowhere"])
def test_a_body_that_is_sent_too_slowly_takes_no_place_for_ever(predictor: Predictor, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("core.serving.server.HEADER_SECONDS", "core.serving.body.LINGER"):
        monkeypatch.setattr(name, 0.3)
    with serving(predictor, ServingLimits(requests=1, seconds=0.5)) as own:
        with socket.create_connection(("localhost", own), timeout=20) as opened:
            opened.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode())
            ended = threading.Event()
            thread = threading.Thread(target=drip, args=(opened, ended))
            thread.start()
            received = b""
            with suppress(ConnectionError):
                while part := opened.recv(1000):
                    received += part
            ended.set()
            thread.join()
        assert received.startswith(b"HTTP/1.1 408" if path == "/predict" else b"HTTP/1.1 40")
        assert ask(own, "/predict", picture())[0] == 200, "its place is free"


def drip(opened: socket.socket, ended: threading.Event) -> None:
    """Send a byte every 20 ms until the connection is closed, for 10 seconds at most."""
    with suppress(OSError):
        for _ in range(500):
            opened.sendall(b"x")
            if ended.wait(0.02):
                return


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_30_megabytes_gets_413(port: int, chunked: bool) -> None:
    body = bytes(30_000_000)
    parts = iter([body[start : start + 1_000_000] for start in range(0, len(body), 1_000_000)])
    status, _, answer = ask(port, "/predict", parts if chunked else body)  # type: ignore[arg-type]
    assert status == 413
    assert "20 MB" in answer["error"]


def test_a_body_that_is_announced_as_too_large_is_refused_before_it_is_sent(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_another_host_or_page_is_refused(port: int) -> None:
    for headers in ({"Host": "evil.test"}, {"Host": f"evil.test:{port}"}, {"Origin": "http://evil.test"}, {"Host": "localhost.evil.test"}):
        assert ask(port, "/health", None, headers, "GET")[0] == 403
    for headers in ({"Host": f"localhost:{port}"}, {"Host": "[::1]:80"}, {"Origin": "http://localhost:1"}):
        assert ask(port, "/health", None, headers, "GET")[::2] == (200, {"status": "ok"})


@pytest.mark.parametrize("host", ["LOCALHOST", "127.0.0.2", "127.1", "::ffff:127.0.0.1"])
def test_any_address_of_this_computer_is_served_to_it_alone(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `serve --host` is given them; the headers that a browser then sends are answered, and no others."""
    made: list[Any] = []
    monkeypatch.setattr("core.cli.serve.network_of", lambda db, run: (SimpleNamespace(run=NAME), None))
    monkeypatch.setattr("core.serving.server.server", lambda app: made.append(app) or SimpleNamespace(run=lambda sockets: None))
    assert CliRunner().invoke(commands, ["serve", NAME, "--host", host, "--port", "0"]).exit_code == 0
    client = TestClient(made[0])
    named = f"[{host}]" if ":" in host else host
    for header in (f"{named}:80", named.lower(), "localhost", "127.0.0.1:80", "127.0.0.2", "[::1]"):
        assert client.get("/health", headers={"Host": header}).status_code == 200, header
    for header in ("evil.test", "127.0.0.1.evil.test", "10.0.0.1", "0.0.0.0"):
        assert client.get("/health", headers={"Host": header}).status_code == 403, header
    assert client.get("/health", headers={"Host": "localhost", "Origin": "http://evil.test"}).status_code == 403


def test_all_addresses_are_served_to_any_host(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr("core.cli.serve.network_of", lambda db, run: (SimpleNamespace(run=NAME), None))
    monkeypatch.setattr("core.serving.server.server", lambda app: made.append(app) or SimpleNamespace(run=lambda sockets: None))
    assert CliRunner().invoke(commands, ["serve", NAME, "--host", "0.0.0.0", "--port", "0"]).exit_code == 0
    assert TestClient(made[0]).get("/health", headers={"Host": "my.server.test"}).status_code == 200


def test_the_server_describes_itself(port: int, predictor: Predictor) -> None:
    status, _, content = ask(port, "/", None, {}, "GET")
    assert status == 200
    assert content["classes"] == list(predictor.model.classes)
    assert content["image"] == [1, 48, 48]
    assert content["lam"]["default"] == 0.5
    assert 0 < content["budget"]["lowest"] < content["budget"]["highest"]


def test_figures_count_requests_errors_costs_and_batches(predictor: Predictor) -> None:
    with serving(predictor) as port:
        shares = [ask(port, f"/predict?lam={lam}", picture())[2] for lam in (0, 1)]
        ask(port, "/predict", b"no picture")
        _, headers, text = ask(port, "/metrics", None, {}, "GET")
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert figures['gatescope_requests_total{status="200"}'] == "2"
    assert figures['gatescope_requests_total{status="422"}'] == figures["gatescope_errors_total"] == "1"
    assert figures['gatescope_request_seconds_bucket{le="+Inf"}'] == figures["gatescope_request_seconds_count"] == "3"
    assert figures['gatescope_batch_size_bucket{le="1"}'] == "2"
    mean = sum(one["macs"] / one["macs_static"] for one in shares) / 2
    assert float(figures["gatescope_mean_cost_share"]) == pytest.approx(mean)
    assert float(figures["gatescope_cost_share_sum"]) == pytest.approx(2 * mean)


class SlowPredictor:
    """A predictor that answers nothing before it may."""

    def __init__(self, predictor: Predictor) -> None:
        self.read, self.description, self.lam_of = predictor.read, predictor.description, predictor.lam_of
        self.may, self.sizes = threading.Event(), []

    def answer(self, requests: Sequence[PictureRequest]) -> list[PictureAnswer]:
        self.sizes.append(len(requests))
        self.may.wait(10)
        return [PictureAnswer({"image": one.name}, 1.0) for one in requests]


def test_a_full_queue_is_said_and_what_waited_is_answered_together(predictor: Predictor) -> None:
    slow = SlowPredictor(predictor)
    found: list[int] = []
    with serving(slow, ServingLimits(requests=4, wait=1.0)) as port:
        threads = [threading.Thread(target=lambda: found.append(ask(port, "/predict", picture())[0])) for _ in range(4)]
        for thread in threads:
            thread.start()
        while "gatescope_requests_open 4" not in ask(port, "/metrics", None, {}, "GET")[2]:
            time.sleep(0.005)
        status, headers, answer = ask(port, "/predict", picture())
        slow.may.set()
        for thread in threads:
            thread.join()
    assert (status, headers["retry-after"]) == (503, "1")
    assert "try again" in answer["error"]
    assert found == [200] * 4
    assert sum(slow.sizes) == 4
    assert len(slow.sizes) <= 2  # the first batch may begin before the others are there


def test_a_request_that_takes_too_long_gets_504(predictor: Predictor) -> None:
    slow = SlowPredictor(predictor)
    with serving(slow, ServingLimits(seconds=0.2)) as port:
        status, _, answer = ask(port, "/predict", picture())
        slow.may.set()
    assert status == 504
    assert "0.2 seconds" in answer["error"]


def outside_of_loops(work: Coroutine[Any, Any, Found]) -> Found:
    """Run a coroutine in a thread of its own: where the browser's tests ran before, this one has an event loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def test_batches_have_a_size_and_wait_only_for_what_is_being_read() -> None:
    sizes: list[int] = []

    def answer(questions: Sequence[int]) -> list[int]:
        sizes.append(len(questions))
        return [2 * one for one in questions]

    async def run() -> list[int]:
        batcher: Batcher[int, int] = Batcher(answer, size=3, wait=5.0, places=8)
        worker = asyncio.create_task(batcher.work())
        alone = await batcher.answer(1)
        together = await asyncio.gather(*(batcher.answer(one) for one in range(7)))
        with batcher.arrival():
            early = asyncio.create_task(batcher.answer(10))
            await asyncio.sleep(0.02)
            assert not early.done()
        late, first = await batcher.answer(11), await early
        worker.cancel()
        return [alone, *together, first, late]

    assert outside_of_loops(run()) == [2, 0, 2, 4, 6, 8, 10, 12, 20, 22]
    assert sizes == [1, 3, 3, 1, 2]


def test_a_failed_batch_fails_its_requests_and_no_others() -> None:
    def answer(questions: Sequence[int]) -> list[int]:
        return [6 // one for one in questions]

    async def run() -> list[Any]:
        batcher: Batcher[int, int] = Batcher(answer, size=1, wait=0.0, places=2)
        worker = asyncio.create_task(batcher.work())
        found = await asyncio.gather(*(batcher.answer(one) for one in (0, 3)), return_exceptions=True)
        with batcher.arrival(), batcher.arrival(), pytest.raises(BusyError), batcher.arrival():
            pass
        worker.cancel()
        return found

    failed, answered = outside_of_loops(run())
    assert isinstance(failed, ZeroDivisionError)
    assert answered == 2


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        with pytest.raises(ServingError, match="choose another --port"):
            listening("127.0.0.1", taken.getsockname()[1])


def test_without_its_packages_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(commands, ["serve", NAME])
    assert isinstance(result.exception, MissingPackageError)
    assert "pip install -r core/serving/requirements.txt" in str(result.exception)
