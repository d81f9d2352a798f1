"""The studio behind nginx with a base path, as docs/serving-to-others.md configures it: pages, links to views, and uploads."""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import CROPPED, started
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from test_explore import lit, put

DOCUMENT = Path(__file__).parents[2] / "docs" / "serving-to-others.md"
BASE = "gate/x"
NAME = "studio.localhost"  # browsers take it for this computer; for the studio it is a name like any other
NGINX = shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx",) if Path(path).exists()), None)
PATIENCE = 20  # seconds until nginx must listen

pytestmark = [pytest.mark.long, pytest.mark.skipif(NGINX is None, reason="nginx is not installed: sh tests/install.sh nginx-light")]


def documented() -> str:
    """The configuration in the document."""
    (block,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def configuration(folder: Path, port: int, studio: str) -> str:
    """All of nginx's configuration: the document's with other ports, and files in a folder."""
    own, listens = re.subn(r"listen 80;", f"listen 127.0.0.1:{port};", documented())
    own, passes = re.subn(r"http://127\.0\.0\.1:8501", studio.removesuffix(f"/{BASE}"), own)
    assert (listens, passes) == (1, 1)
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    return f"{user}\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\n{own}\n}}\n"


@pytest.fixture(scope="module")
def proxy(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the studio behind nginx, by a name that the document's variables allow."""
    folder = tmp_path_factory.mktemp("nginx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patched, ExitStack() as stack:
        for variable, value in re.findall(r'--env (\w+)="?([^"\n]+?)"?(?= \\| gatescope)', DOCUMENT.read_text(encoding="utf-8")):
            patched.setenv(variable, value.replace("example.org", NAME))
        assert os.environ["STREAMLIT_SERVER_BASE_URL_PATH"] == BASE
        assert os.environ["STREAMLIT_SERVER_ALLOWED_HOSTS"] == f"{NAME} localhost"
        studio, _ = stack.enter_context(started(database, tmp_path_factory.mktemp("elsewhere"), BASE))
        (folder / "conf").write_text(configuration(folder, port, studio), encoding="utf-8")
        command = [str(NGINX), "-p", str(folder), "-c", str(folder / "conf"), "-e", str(folder / "error.log"), "-g", "daemon off;"]
        process = subprocess.Popen(command)
        try:
            deadline = time.monotonic() + PATIENCE
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield f"http://{NAME}:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def test_the_path_without_a_slash_leads_to_the_studio_and_others_do_not(proxy: str) -> None:
    local = proxy.replace(NAME, "localhost")
    with urllib.request.urlopen(f"{local}/{BASE}/_stcore/health", timeout=20) as answer:
        assert answer.read() == b"ok"
    with urllib.request.urlopen(f"{local}/{BASE}", timeout=20) as answer:
        assert answer.url == f"{local}/{BASE}/"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{local}/gate/_stcore/health", timeout=20)


def test_a_link_to_a_view_opens_it_and_the_slider_moves(page: Page, proxy: str) -> None:
    page.goto(f"{proxy}/{BASE}/?run=digits&lam=0.2")
    expect(page.locator(".gate-graph output")).to_have_text("λ = 0.20")
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()  # laid out by a file that the studio serves
    put(page, 1.0)
    assert lit(page)
    expect(page).to_have_url(re.compile(rf"^{re.escape(proxy)}/{BASE}/\?.*lam=1"))


def test_a_link_to_a_page_opens_it_and_its_links_stay_below_the_path(browser: Browser, proxy: str) -> None:
    page = browser.new_page()  # whose console has two lines on what Streamlit looks for below the page's own path first
    page.goto(f"{proxy}/{BASE}/runs")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    page.get_by_role("link", name="Explore").first.click()
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    assert page.url.startswith(f"{proxy}/{BASE}")
    page.close()


def test_a_picture_is_uploaded(page: Page, proxy: str, tmp_path: Path) -> None:
    """Also one that is larger than what nginx lets through without a limit of its own, 1 MB."""
    Image.effect_noise((2000, 1500), 90).save(tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size > 2**20
    page.goto(f"{proxy}/{BASE}/?run=digits")
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    page.locator("input[type=file]").set_input_files(tmp_path / "noise.png")
    expect(page.get_by_text(CROPPED, exact=True)).to_be_visible()
