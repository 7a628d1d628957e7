"""Runs the demo's Gradio server, for this machine only."""

import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nirgan.errors import NirganError, needs_extra

if TYPE_CHECKING:
    import gradio as gr

HOST = "127.0.0.1"
MAX_UPLOAD = "200mb"
"""The largest file that is accepted."""
MAX_WAITING_PICTURES = 100
"""Length of the queue of pictures; the page shows the position in it."""
QUEUE_FULL_MESSAGE = (
    f"{MAX_WAITING_PICTURES} pictures are waiting already: wait a minute, then try again"
)
MAX_SESSIONS = 256
"""Number of visits whose state is kept."""


def run_demo(models: Sequence[str], port: int, trust: bool) -> int:
    """Serve the page of models, names or files, until it is interrupted; returns the exit status.

    Raises:
        NirganError: A model cannot be used, the port is taken, or Gradio is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="nirgan-demo-", ignore_cleanup_errors=True) as folder:
        set_gradio_environment(Path(folder))
        with needs_extra("demo", "the page"):
            import gradio  # noqa: F401, PLC0415 (the environment is settled now)
        return _run_demo(models, port, Path(folder), trust)


def _run_demo(models: Sequence[str], port: int, folder: Path, trust: bool) -> int:
    from nirgan.inference.demo.app import build_page  # noqa: PLC0415 (seconds of imports)
    from nirgan.inference.demo.service import DemoService  # noqa: PLC0415
    from nirgan.inference.load import load  # noqa: PLC0415

    loaded = [load(model, trust=trust) for model in models]
    page = build_page(DemoService({f"{one.name} ({one.digest})": one for one in loaded}, folder))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the folder is removed
    try:
        print(f"{serve(page, port)} is open; Ctrl-C ends it", flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    finally:
        page.close(verbose=False)


def set_gradio_environment(folder: Path) -> None:
    """Set the environment variables that Gradio reads; the folder is for uploads."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # settings of other pages, which may be public
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_RUN_HISTORY": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), HOST])),
    }


def serve(page: "gr.Blocks", port: int) -> str:
    """Start the server of a page; returns its address. A port that is taken is a `NirganError`."""
    import gradio as gr  # noqa: PLC0415 (an extra, and seconds)

    sans, mono = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    page.queue(max_size=MAX_WAITING_PICTURES, api_open=False)
    push = page._queue.push

    async def told(*args: Any, **options: Any) -> tuple[bool, Any, Any]:
        taken, said, state = await push(*args, **options)
        return taken, QUEUE_FULL_MESSAGE if state == "queue_full" else said, state

    page._queue.push = told  # type: ignore[method-assign]  # Gradio's own words are of sizes
    try:
        _, address, _ = page.launch(
            state_session_capacity=MAX_SESSIONS,
            server_name=HOST,
            server_port=port,
            share=False,
            quiet=True,
            inline=False,
            prevent_thread_lock=True,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            pwa=False,
            max_file_size=MAX_UPLOAD,
            footer_links=[],
            theme=gr.themes.Default(primary_hue="slate", font=sans, font_mono=mono),
        )
    except OSError as error:
        raise NirganError(f"--port {port}: taken already; choose another") from error
    return str(address)
