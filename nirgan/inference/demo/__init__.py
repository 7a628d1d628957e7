"""The page in the browser, with Gradio."""
