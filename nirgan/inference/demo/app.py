"""The page of `python -m nirgan demo`: its layout, and the server that shows it.

Gradio's picture inputs reduce 16 bits to 8, so the page takes files, and offers results of the same
depth for download.
"""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from nirgan.errors import NirganError
from nirgan.inference.demo.service import TRAINED_SCALE, DemoService, legend
from nirgan.inference.images.files import PICTURES

UPLOAD_LIFETIME_S = 86400
"""Seconds until uploads and results are deleted, at the latest when the server stops."""
MAX_UPLOAD_SIZE = "200mb"
"""Size of the largest file that is accepted, as Gradio writes it."""
MAX_WAITING_PICTURES = 100
"""Length of the queue of pictures; the page shows the position in it."""
QUEUE_FULL_MESSAGE = (
    f"{MAX_WAITING_PICTURES} pictures are waiting already: wait a minute, then try again"
)
MAX_SESSIONS = 256
"""Number of visits whose state is kept."""
SCALES = [
    ("as the model was trained", TRAINED_SCALE),
    ("range of the file's type", "dtype"),
    ("percentiles of the picture", "percentile"),
    ("10 bits: 0,1023", "0,1023"),
    ("12 bits: 0,4095", "0,4095"),
    ("14 bits: 0,16383", "0,16383"),
]
INTRODUCTION = (
    "# Near-infrared into color\n"
    "**The colors are guesses**: a network has learned what such scenes look like, and has seen "
    "nothing of the colors of this one. The file that you download says so too."
)


def build_page(service: DemoService) -> gr.Blocks:
    """Build the page of a service."""
    names = list(service.colorizers)
    page = gr.Blocks(
        title="nirgan",
        analytics_enabled=False,
        delete_cache=(UPLOAD_LIFETIME_S // 24, UPLOAD_LIFETIME_S),
    )
    with page:
        gr.Markdown(INTRODUCTION)
        given = gr.State()
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                drop = gr.File(
                    label="Near-infrared picture",
                    file_types=list(PICTURES),
                    height=180,
                    elem_id="drop",
                )
                model = gr.Dropdown(names, value=names[0], label="Model", elem_id="model")
                scale = gr.Dropdown(
                    SCALES,
                    value=TRAINED_SCALE,
                    label="What is black, what is white",
                    info="Choose, or write two values of your camera: LOW,HIGH",
                    allow_custom_value=True,
                    elem_id="scale",
                )
                unsure = gr.Checkbox(label="Uncertainty map", elem_id="unsure")
            with gr.Column(scale=3):
                slider = gr.ImageSlider(
                    label="Near-infrared | color",
                    interactive=False,
                    buttons=["fullscreen"],
                    max_height=680,
                    elem_id="slider",
                )
                note = gr.HTML(elem_id="note")
                download = gr.DownloadButton(
                    "Download the colors",
                    variant="primary",
                    visible=False,
                    elem_id="download",
                )
                with gr.Column(visible=False) as below:
                    picture = gr.Image(
                        label="Uncertainty",
                        interactive=False,
                        buttons=["fullscreen"],
                        elem_id="heat",
                    )
                    key = gr.HTML(elem_id="legend")

        def show(path: str | None, model: str, scale: str, uncertainty: bool) -> dict[Any, Any]:
            result, line = None, ""
            if path is not None:
                file = Path(path)
                try:
                    result = service.colorize(file, model, scale, uncertainty)
                except NirganError as error:
                    # Without the path of the uploaded file.
                    why = str(error).replace(str(file), file.name).replace("--scale ", "")
                    line = f"<b role='alert' style='color: #c22'>{escape(why)}</b>"
            heat = result.heat if result else None
            return {
                slider: (str(result.nir), str(result.rgb)) if result else None,
                note: escape(result.note) if result else line,
                download: gr.DownloadButton(
                    value=str(result.file) if result else None, visible=result is not None
                ),
                below: gr.Column(visible=heat is not None),
                picture: str(heat) if heat else None,
                key: legend(result.top) if result else "",
            }

        # The input is cleared at once, so that the next file can be dropped there.
        drop.upload(lambda path: (None, path), drop, [drop, given], api_visibility="private")
        gr.on(
            [given.change, model.input, scale.input, unsure.input],
            show,
            [given, model, scale, unsure],
            [slider, note, download, below, picture, key],
            concurrency_limit=1,
            trigger_mode="always_last",
            show_progress_on=[slider],
            api_visibility="private",
        )
    return page


def serve(page: gr.Blocks, host: str, port: int) -> str:
    """Start the server of a page; returns its address. A port that is taken is a `NirganError`."""
    sans, mono = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    page.queue(max_size=MAX_WAITING_PICTURES, api_open=False)
    push = page._queue.push

    async def push_or_explain(*args: Any, **options: Any) -> tuple[bool, Any, Any]:
        accepted, message, state = await push(*args, **options)
        return accepted, QUEUE_FULL_MESSAGE if state == "queue_full" else message, state

    page._queue.push = push_or_explain  # type: ignore[method-assign]  # Gradio's message does not help
    try:
        _, address, _ = page.launch(
            state_session_capacity=MAX_SESSIONS,
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            enable_monitoring=False,
            max_file_size=MAX_UPLOAD_SIZE,
            footer_links=[],
            theme=gr.themes.Default(primary_hue="slate", font=sans, font_mono=mono),
        )
    except OSError as error:
        raise NirganError(f"--port {port}: taken already; choose another") from error
    return str(address)
