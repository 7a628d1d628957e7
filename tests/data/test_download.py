import errno
import http.server
import os
import shutil
import stat
import threading
import zipfile

import pytest

from nirgan.cli.main import main
from nirgan.data import download
from nirgan.data.sources.epfl import CATEGORIES, Epfl
from nirgan.errors import NirganError

CONTENT = bytes(range(256)) * 4000


class Server(http.server.BaseHTTPRequestHandler):
    ranges, breaks, babbles = True, 0, 0

    def do_GET(self):
        cls = type(self)
        if cls.babbles:
            cls.babbles -= 1
            self.wfile.write(b"this is no HTTP\r\n\r\n")
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if cls.ranges else 0
        cls.starts.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        body = CONTENT[start:]
        if cls.breaks:
            cls.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(**options):
        handler = type("Handler", (Server,), {"starts": [], **options})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/file.zip", handler

    yield start
    for server in servers:
        server.shutdown()


def get(tmp_path, url, size=1_024_000):
    download.fetch(tmp_path / "file.zip", url, size, wait=0.01)
    return (tmp_path / "file.zip").read_bytes()


def test_a_download_goes_on_where_it_broke_off(serve, tmp_path):
    url, handler = serve(breaks=2, babbles=1)
    assert get(tmp_path, url) == CONTENT
    half = len(CONTENT) // 2
    assert handler.starts == [0, half, half + half // 2]
    assert [f.name for f in tmp_path.iterdir()] == ["file.zip"]


def test_a_server_without_ranges_sends_it_all_again(serve, tmp_path):
    url, handler = serve(ranges=False, breaks=1)
    assert get(tmp_path, url) == CONTENT
    assert handler.starts == [0, 0]


def test_what_has_come_is_kept_for_the_next_try(serve, tmp_path):
    url, _ = serve(breaks=99)
    with pytest.raises(NirganError, match=r"broke off at \d+ of 1024000 bytes .*--archive"):
        get(tmp_path, url)
    kept = (tmp_path / "file.zip.part").stat().st_size
    assert kept > len(CONTENT) // 2
    url, handler = serve()
    assert get(tmp_path, url) == CONTENT
    assert handler.starts == [kept]


def test_another_file_than_expected_is_refused(serve, tmp_path):
    url, _ = serve()
    with pytest.raises(NirganError, match="more than the 1000 bytes expected"):
        get(tmp_path, url, size=1000)
    assert not (tmp_path / "file.zip").exists()


def test_no_server_is_one_clear_error(tmp_path):
    with pytest.raises(NirganError, match="broke off at 0 of"):
        get(tmp_path, "http://127.0.0.1:9/file.zip")


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "nirscene1.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for category, count in CATEGORIES.items():
            for number in range(count):
                for band in ("nir", "rgb"):
                    packed.writestr(f"nirscene1/{category}/{number:04d}_{band}.tiff", b"x")
        packed.writestr("nirscene1/readme.txt", b"hello")
    return path


def test_a_local_archive_is_unpacked_whole(archive, tmp_path, capsys):
    root = tmp_path / "root"
    assert main(["download", "--root", str(root), "--archive", str(archive)]) == 0
    assert len(Epfl(root=root / "epfl").pairs()) == 477
    assert [f.name for f in root.iterdir()] == ["epfl"]
    assert (root / "epfl").stat().st_mode == root.stat().st_mode  # others of the group read it
    assert main(["download", "--root", str(root)]) == 2
    assert "it is there already" in capsys.readouterr().err


def test_missing_pairs_and_broken_archives_leave_nothing(archive, tmp_path):
    folder = tmp_path / "root/epfl"
    few = tmp_path / "few.zip"
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(few, "w") as packed:
        for name in whole.namelist():
            if "water/0007_nir" not in name:
                packed.writestr(name, whole.read(name))
    with pytest.raises(NirganError, match="50 pairs of water, expected 51"):
        download.unpack(few, folder)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(NirganError, match="cannot be unpacked"):
        download.unpack(cut, folder)
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["../../evil.png", "/evil.png", "urban\\..\\..\\evil.png"])
def test_an_archive_cannot_write_outside(tmp_path, name):
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as packed:
        packed.writestr(name, b"x")
    with pytest.raises(NirganError, match="points outside its folder"):
        download.unpack(evil, tmp_path / "root/epfl")
    assert not any(tmp_path.rglob("evil.png"))


def test_an_archive_cannot_hold_links(tmp_path):
    evil = tmp_path / "evil.zip"
    link = zipfile.ZipInfo("urban/0000_nir.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(evil, "w") as packed:
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(NirganError, match="points outside"):
        download.unpack(evil, tmp_path / "root/epfl")


def test_an_archive_that_unpacks_to_too_much_is_refused(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_UNPACKED_BYTES", 900)
    with pytest.raises(NirganError, match="954 bytes, more than 900"):
        download.unpack(archive, tmp_path / "root/epfl")


def test_a_full_disk_is_no_fault_of_the_archive(archive, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(NirganError, match=r"unpacked into .*No space left .*; make room there"):
        download.unpack(archive, tmp_path / "root/epfl")
    assert list((tmp_path / "root").iterdir()) == []


def test_archives_that_cannot_be_read_are_one_clear_error(archive, tmp_path):
    spoilt = tmp_path / "spoilt.zip"
    with (
        zipfile.ZipFile(archive) as packed,
        zipfile.ZipFile(spoilt, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for member in packed.namelist():
            copy.writestr(member, b"picture" * 50)
        first = copy.infolist()[0]
    data = bytearray(spoilt.read_bytes())
    start = first.header_offset + 30 + len(first.filename)
    data[start : start + 8] = b"\xff" * 8
    spoilt.write_bytes(data)
    with pytest.raises(NirganError, match=r"spoilt.zip: cannot be unpacked \(.*remove it to fetch"):
        download.unpack(spoilt, tmp_path / "epfl")
    assert not (tmp_path / "epfl").exists()


def test_what_macos_adds_to_archives_is_no_picture(archive, tmp_path):
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("__MACOSX/nirscene1/urban/._0000_nir.tiff", b"x")
        packed.writestr("__MACOSX/nirscene1/urban/._0000_rgb.tiff", b"x")
    download.unpack(archive, tmp_path / "epfl")
    assert not list((tmp_path / "epfl/urban").glob("._*"))


def test_a_mistyped_option_of_download_is_one_line(capsys):
    assert main(["download", "--rot=x"]) == 2
    assert "no key 'rot'; did you mean 'root'?" in capsys.readouterr().err
