"""The web demo: one page to try served models on pictures, clips and the camera.

`web_app` answers the page's requests, `guard` keeps other pages out, `remote_model` is a served model as the library's
recogniser, `offer` the models that the page may choose from, `readings` what is read from a file, `samples` drawn
faces, `card` the model cards, `server` the whole. `page/` is what the browser gets: plain HTML, CSS and JavaScript
modules, nothing else.
docs/decisions/0005-web-demo.md says why.
"""
