"""`python -m nirgan demo`: a page in the browser, for this machine alone."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from nirgan.errors import NirganError, needs_extra
from nirgan.experiment.config_errors import VerbParser, add_trust, parse

HOST = "127.0.0.1"


def main(arguments: Sequence[str]) -> int:
    """Run the verb, until it is interrupted."""
    parser = VerbParser(
        prog="python -m nirgan demo",
        description="A page in the browser that colorizes what is dropped on it. "
        "Only this machine sees it, and no picture leaves this machine.",
    )
    parser.add_argument(
        "--model", nargs="+", default=["default"], help="names or files; the page lets choose"
    )
    parser.add_argument("--port", type=int, default=7860)
    add_trust(parser, "the models")
    options = parse(parser, arguments)
    if not 0 < options.port < 65536:
        raise NirganError(f"--port: expected 1 to 65535, got {options.port}")
    with tempfile.TemporaryDirectory(prefix="nirgan-demo-", ignore_cleanup_errors=True) as folder:
        set_gradio_environment(Path(folder))
        with needs_extra("demo", "the page"):
            # Gradio reads the environment when it is imported, which takes seconds.
            from nirgan.inference.demo.app import build_page, serve  # noqa: PLC0415
        from nirgan.inference.demo.service import DemoService  # noqa: PLC0415
        from nirgan.inference.load import load  # noqa: PLC0415

        loaded = [load(model, trust=options.trust) for model in options.model]
        colorizers = {f"{one.name} ({one.digest})": one for one in loaded}
        page = build_page(DemoService(colorizers, Path(folder)))
        try:
            print(f"{serve(page, HOST, options.port)} is open; Ctrl-C ends it", flush=True)
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
