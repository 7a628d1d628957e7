"""The page of `python -m nirgan demo`, in Gradio's words.

Gradio's own fields for pictures bring 16 bits down to 8, so a file is taken as a file here, and
what can be downloaded is as deep as what was dropped.
"""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nirgan.errors import NirganError
from nirgan.inference.demo.service import TRAINED_SCALE, DemoService, legend
from nirgan.inference.images.files import PICTURES

if TYPE_CHECKING:
    import gradio as gr

UPLOAD_LIFETIME_S = 86400
"""Seconds until uploads and results are deleted; all of them are when the page ends."""
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


def build_page(service: DemoService) -> "gr.Blocks":
    """The page.

    Args:
        service: What does the work. One picture at a time goes over it.
    """
    import gradio as gr  # noqa: PLC0415 (an extra, and seconds)

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

        def nothing(line: str = "") -> dict[Any, Any]:
            return {
                slider: None,
                note: line,
                download: gr.DownloadButton(value=None, visible=False),
                below: gr.Column(visible=False),
            }

        def show(path: str | None, model: str, scale: str, uncertainty: bool) -> dict[Any, Any]:
            if path is None:
                return nothing()
            file = Path(path)
            try:
                result = service.colorize(file, model, scale, uncertainty)
            except NirganError as error:
                # The former picture must not stand beside it. Of the path, only the name is known.
                line = str(error).replace(str(file), file.name).replace("--scale ", "")
                return nothing(f"<b role='alert' style='color: #c22'>{escape(line)}</b>")
            shown: dict[Any, Any] = {
                slider: (str(result.nir), str(result.rgb)),
                note: escape(result.note),
                download: gr.DownloadButton(value=str(result.file), visible=True),
                below: gr.Column(visible=result.heat is not None),
            }
            if result.heat is not None:
                shown |= {picture: str(result.heat), key: legend(result.top)}
            return shown

        # The file goes on at once, so that the next one can be dropped on the same place.
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
