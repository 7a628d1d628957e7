import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
import tifffile
import torch
from torch import nn

from nirgan.cli import demo as verb
from nirgan.cli.main import main
from nirgan.errors import NirganError
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.demo.service import DemoService, heat_map, legend
from nirgan.inference.uncertainty import expected_error

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
pytestmark = pytest.mark.xdist_group("demo")  # Gradio takes seconds to import
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)


class Tint(nn.Module):
    def __init__(self, blue):
        super().__init__()
        self.register_buffer("tint", torch.tensor([1, 0.5, blue])[:, None, None])

    def forward(self, x):
        return x * self.tint


@pytest.fixture
def environment():
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def desk_in(folder):
    folder.mkdir()
    names = {"warm": 0.1, "cold <b>": -0.9}
    return DemoService({n: Colorizer(Tint(b), n, device="cpu") for n, b in names.items()}, folder)


@pytest.fixture
def service(tmp_path):
    return desk_in(tmp_path / "kept")


def draw(file, dtype=np.uint16, size=(48, 64)):
    """Noise of 12 bits, or 8."""
    most = 255 if dtype == np.uint8 else 4095
    pixels = np.random.default_rng(0).integers(0, most, size).astype(dtype)
    assert cv2.imwrite(str(file), pixels)
    return pixels


def read(file):
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[..., ::-1]


def test_all_pictures_are_colorized_in_one_thread(service, tmp_path):
    threads = set()
    draw(tmp_path / "a.png")
    for colorizer in service.colorizers.values():
        colorizer.generator.register_forward_hook(lambda *_: threads.add(threading.get_ident()))

    def ask(name):
        return service.colorize(tmp_path / "a.png", name, "dtype", False).file

    with ThreadPoolExecutor(8) as people:
        files = list(people.map(ask, ["warm", "cold <b>"] * 4))
    assert len(threads) == 1
    assert len({file.parent for file in files}) == 8


def test_what_is_downloaded_is_what_the_model_gives_in_full_depth(service, tmp_path):
    pixels = draw(tmp_path / "field.tif")
    result = service.colorize(tmp_path / "field.tif", "warm", "0,4095", False)
    nir = torch.from_numpy(pixels / 4095).float()
    expected = (
        (service.colorizers["warm"].colorize_bands(nir[None])[0] * 65535).round().permute(1, 2, 0)
    )
    assert read(result.file).dtype == np.uint16
    np.testing.assert_allclose(read(result.file), expected, atol=1)
    np.testing.assert_allclose(read(result.nir)[..., 1] / 255, nir, atol=0.003)
    np.testing.assert_allclose(read(result.rgb) / 255, expected / 65535, atol=0.003)
    assert result.file.name == "field_color.png"
    assert b"rainedAlgorithmicMedia" in result.file.read_bytes()
    assert result.heat is None


def test_the_page_says_what_black_and_white_were(service, tmp_path):
    draw(tmp_path / "a.png")
    note = service.colorize(tmp_path / "a.png", "warm", "dtype", False).note
    assert "64 x 48 pixels, uint16; 0 is black, 65535 is white" in note
    assert (
        "No value above 4094, where 65535 is white: if it is 12-bit, choose the range 0,4095."
        in note
    )
    assert "model warm" in note
    assert "bit, choose" not in service.colorize(tmp_path / "a.png", "warm", "0,4095", False).note


def test_the_page_says_that_a_raster_loses_its_place(service, tmp_path):
    no_data = [(42113, "s", 0, "0", True)]  # by which it counts as a GeoTIFF
    for tags, told in ((no_data, True), ([], False)):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((48, 64), np.uint16), extratags=tags)
        note = service.colorize(tmp_path / "a.tif", "warm", "dtype", False).note
        assert ("A GeoTIFF: only `python -m nirgan colorize`" in note) == told


def test_the_screen_gets_a_smaller_picture_than_the_file(service, tmp_path):
    draw(tmp_path / "wide.png", np.uint8, (20, 3200))
    result = service.colorize(tmp_path / "wide.png", "warm", "dtype", True)
    for file in (result.nir, result.rgb, result.heat):
        assert read(file).shape == (10, 1600, 3)
    assert read(result.file).shape == (20, 3200, 3)
    assert read(result.file).dtype == np.uint8


def test_uncertainty_is_drawn_between_nought_and_a_round_number(service, tmp_path):
    pixels = draw(tmp_path / "a.png", np.uint8)
    result = service.colorize(tmp_path / "a.png", "cold <b>", "dtype", True)
    unit = torch.from_numpy(pixels / 255).float()[None]
    degrees = expected_error(service.colorizers["cold <b>"].colorize_bands(unit))[0].numpy()
    expected, top = heat_map(degrees)
    np.testing.assert_array_equal(read(result.heat), expected)
    assert result.top == top
    drawn, top = heat_map(np.array([[0.0, 2.5, 4.4, 5.7]]))
    assert top == 6
    brightness = drawn[0].sum(1).tolist()
    assert brightness == sorted(brightness)
    assert brightness[0] < 13
    assert heat_map(np.full((2, 2), 130.0))[1] == 90


def test_the_legend_has_degrees():
    assert [f"{d}°" in legend(5) for d in (0, 1.25, 2.5, 3.75, 5)] == [True] * 5


def test_one_line_where_the_verb_cannot_begin(monkeypatch, environment, service):
    with pytest.raises(NirganError, match="--port: expected 1 to 65535, got 0"):
        verb.main(["--port=0"])
    from nirgan.inference.demo import app

    with socket.create_server((verb.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NirganError, match=f"--port {port}: taken already; choose another"):
            app.serve(app.build_page(service), verb.HOST, port)
    monkeypatch.delitem(sys.modules, app.__name__)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(NirganError, match=r"gradio is not installed.*pip install 'nirgan\[demo\]'"):
        verb.main([])


def test_the_page_ends_where_it_is_interrupted_and_leaves_nothing(
    monkeypatch, environment, service, tmp_path, capsys
):
    kept = []

    def interrupt(seconds):
        kept.extend(tmp_path.glob("nirgan-demo-*"))
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(verb, "time", SimpleNamespace(sleep=interrupt))
    monkeypatch.setattr("nirgan.inference.load.load", lambda name, trust: service.colorizers[name])
    handler, port = signal.getsignal(signal.SIGTERM), free_port()
    try:
        assert main(["demo", "--model", "warm", "cold <b>", f"--port={port}"]) == 0
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert f"http://127.0.0.1:{port}/ is open" in capsys.readouterr().out
    assert len(kept) == 1
    assert not kept[0].exists()
    with pytest.raises(ConnectionRefusedError), socket.create_connection((verb.HOST, port)):
        pass


def free_port():
    with socket.create_server((verb.HOST, 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A desk, and the address of its page."""
    before, connect, reached = dict(os.environ), socket.socket.connect, set()

    def noted(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            reached.add(address[0])
        return connect(self, address)

    service = desk_in(tmp_path_factory.mktemp("demo") / "kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", noted)
        os.environ |= {"GRADIO_SHARE": "True", "GRADIO_ALLOWED_PATHS": "/"}
        os.environ["HTTP_PROXY"] = "http://127.0.0.1:9"  # is no way to this machine
        verb.set_gradio_environment(service.folder)
        from nirgan.inference.demo import app  # Gradio looks at the environment

        patch.setattr(app, "MAX_UPLOAD_SIZE", "50kb")
        page = app.build_page(service)
        yield service, app.serve(page, verb.HOST, free_port()), page
        page.close(verbose=False)
    os.environ.clear()
    os.environ.update(before)
    assert reached == {verb.HOST}


@pytest.fixture(scope="module")
def context(served):
    if BROWSER is None:
        pytest.skip(f"there is no browser ({', '.join(BROWSERS)})")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        context = browser.new_context()
        context.set_default_timeout(15_000)
        hosts = set()
        context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        yield context
        browser.close()
    assert hosts == {verb.HOST}


def test_in_a_browser(served, context, tmp_path):
    service = served[0]
    pixels = draw(tmp_path / "field.tif")
    page = context.new_page()
    page.goto(served[1])
    page.locator("#drop input[type=file]").wait_for(state="attached")
    page.get_by_text("colors are guesses").wait_for()
    page.set_input_files("#drop input[type=file]", tmp_path / "field.tif")
    page.locator("#slider img").first.wait_for()
    assert page.locator("#slider img").count() == 2

    choose(page, "#scale", "0,4095", "4095 is white")
    choose(page, "#model", "cold <b>", "model cold <b>")
    page.locator("#unsure input").check()
    page.locator("#heat img").wait_for()
    assert "0°" in page.inner_text("#legend")
    assert len(page.screenshot(path=tmp_path / "page.png")) > 10_000
    with page.expect_download() as download:
        page.click("#download")
    nir = torch.from_numpy(pixels / 4095).float()[None]
    expected = (
        (service.colorizers["cold <b>"].colorize_bands(nir)[0] * 65535).round().permute(1, 2, 0)
    )
    assert download.value.suggested_filename == "field_color.png"
    np.testing.assert_allclose(read(download.value.path()), expected, atol=1)

    (tmp_path / "torn.png").write_bytes((tmp_path / "field.tif").read_bytes()[:99])
    page.set_input_files("#drop input[type=file]", tmp_path / "torn.png")
    page.get_by_role("alert").filter(has_text="torn.png: ").wait_for()
    assert str(service.folder) not in page.inner_text("body")

    # What a person writes comes back as text, not as HTML.
    choose(page, "#scale", "<img src=x>", "<img src=x>: expected dtype")
    assert page.locator("#note img, #slider img, #heat img").count() == 0
    (tmp_path / "notes.txt").write_text("no picture")
    page.set_input_files("#drop input[type=file]", tmp_path / "notes.txt")
    page.get_by_text("Invalid file type").wait_for()
    draw(tmp_path / "large.png", np.uint8, (300, 300))
    page.set_input_files("#drop input[type=file]", tmp_path / "large.png")
    page.get_by_text("exceed the maximum allowed size").wait_for()


def choose(page, field, value, sign):
    page.fill(f"{field} input", value)
    page.keyboard.press("Enter")
    page.locator("#note").get_by_text(sign).wait_for()


def test_twenty_at_once_wait_and_where_too_many_do_they_are_told_to(served, monkeypatch):
    import httpx

    from nirgan.inference.demo.app import MAX_SESSIONS

    _, address, page = served
    functions = httpx.get(f"{address}config").json()["dependencies"]
    number = next(f["id"] for f in functions if len(f["inputs"]) == 4)
    at_work, go_on = threading.Event(), threading.Event()
    function = page.fns[number]
    monkeypatch.setattr(function, "fn", lambda *_: (at_work.set(), go_on.wait(60))[1:] * 6)

    def join(visit):
        body = {"fn_index": number, "session_hash": f"visit{visit}", "data": [None, "warm"]}
        body["data"] += ["dtype", False]
        return httpx.post(f"{address}gradio_api/queue/join", json=body, timeout=60)

    try:
        assert {join(visit).status_code for visit in range(20)} == {200}
        monkeypatch.setattr(page._queue, "max_size", 10)
        refused = join(20)
        assert refused.status_code == 503
        assert refused.json()["detail"] == (
            "100 pictures are waiting already: wait a minute, then try again"
        )
    finally:
        go_on.set()
    assert page.app.state_holder.capacity == MAX_SESSIONS


def test_no_other_file_is_served(served, tmp_path):
    import httpx

    (tmp_path / "secret.txt").write_text("secret")
    for path in (tmp_path / "secret.txt", Path(__file__), "pyproject.toml"):
        assert httpx.get(f"{served[1]}gradio_api/file={path}").status_code == 403
