"""The options with which the studio is served."""

import socket
from pathlib import Path

import pytest
from streamlit.config import get_option
from streamlit.web.server.starlette import starlette_websocket

from app.serving import PORT, free_port, options
from core.hosts import LOCAL_HOSTS, is_loopback, leads_here


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the person who runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ADDRESS", "PORT", "ALLOWED_HOSTS"):
        monkeypatch.delenv(f"STREAMLIT_SERVER_{name}", raising=False)


def test_the_studio_is_served_to_this_computer_alone() -> None:
    found = options(["--server.port", "9000"])
    assert found[-2:] == ["--server.port", "9000"]
    assert found[found.index("--server.address") + 1] == "localhost"
    assert [found[index + 1] for index, word in enumerate(found) if word == "--server.allowedHosts"] == list(LOCAL_HOSTS)
    assert found[found.index("--browser.gatherUsageStats") + 1] == "false"


def test_source_files_are_watched_only_where_asked() -> None:
    """Streamlit looks for the files of all modules for each session, and answers nobody meanwhile."""
    found = options([])
    assert found[found.index("--server.fileWatcherType") + 1] == "none"
    assert found[found.index("--runner.postScriptGC") + 1] == "false"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMLIT_RUNNER_POST_SCRIPT_GC", "true")
        assert "--runner.postScriptGC" not in options([])
    assert options(["--server.fileWatcherType=auto"]).count("--server.fileWatcherType") == 0


@pytest.mark.parametrize("given", [["--server.address", "0.0.0.0"], ["--server.address=0.0.0.0"]])
def test_an_address_that_is_given_is_kept_and_any_host_may_name_it(given: list[str]) -> None:
    found = options(["--server.port=9000", *given])
    assert "localhost" not in found
    assert found[-len(given) :] == given


def test_settings_of_the_environment_and_of_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit/config.toml").write_text('[server]\naddress = "0.0.0.0"\nport = 9001\n')
    assert "--server.address" not in options([])
    assert "--server.port" not in options([])
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "127.0.0.1")
    assert "--server.allowedHosts" in options([])


@pytest.mark.parametrize("address", ["LOCALHOST", "127.0.0.2", "127.1"])
def test_any_address_of_this_computer_is_named_by_allowed_hosts_alone(address: str) -> None:
    found = options(["--server.port", "9000", "--server.address", address])
    allowed = [found[index + 1] for index, word in enumerate(found) if word == "--server.allowedHosts"]
    assert set(allowed) == {*LOCAL_HOSTS, address.lower()}


def test_which_addresses_lead_to_this_computer_alone() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.3", "::1%lo")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "localhost.evil.test", "")))
    assert leads_here("LocalHost")
    assert not leads_here("0.0.0.0")
    assert not leads_here("a" * 300)


def test_a_port_that_is_taken_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port
    monkeypatch.setattr("app.serving.free_port", lambda address: PORT + 1)
    assert options([])[-1] == str(PORT + 1)
    assert f"Port {PORT} is taken" in capsys.readouterr().out


def test_streamlit_refuses_connections_that_name_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page gets comes over a connection that checks the host, so that another name for this computer leads to nothing."""
    known = get_option
    hosts = lambda name: list(LOCAL_HOSTS) if name == "server.allowedHosts" else known(name)  # noqa: E731
    monkeypatch.setattr(starlette_websocket.config, "get_option", hosts)
    for host in ("localhost:8501", "127.0.0.1:8501", "[::1]:8501"):
        assert starlette_websocket._is_origin_allowed(f"http://{host}", host)
    assert not starlette_websocket._is_origin_allowed("http://evil.test:8501", "evil.test:8501")
    assert not starlette_websocket._is_origin_allowed("http://evil.test", "localhost:8501")
