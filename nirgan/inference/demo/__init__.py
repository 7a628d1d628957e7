"""The demo: a page in the browser, with Gradio."""
