"""`python -m nirgan demo`: a page in the browser, for this machine alone."""

from collections.abc import Sequence

from nirgan.errors import NirganError
from nirgan.experiment.config_errors import VerbParser, add_trust, parse
from nirgan.inference.demo.server import run_demo


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
    return run_demo(options.model, options.port, options.trust)
