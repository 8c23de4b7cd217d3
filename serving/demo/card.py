"""Model cards: what a model was trained on, what it gets wrong."""

import html
import pathlib

from markdown_it import MarkdownIt

from fer_keras.models.preset import MODEL_FILE, SHIPPED

_PAGE = pathlib.Path(__file__).parent / "page" / "card.html"


def find_card(model):
    """Finds the card of a model that `fer_keras.models.preset.load_preset` loads.

    Args:
        model: the path or preset name that it was given.

    Returns:
        A path, or `None` where the model came without one.
    """
    model = pathlib.Path(model)
    folders = [model.parent if model.suffix == ".keras" else model, model / "model"]
    if not model.exists():
        folders.append(SHIPPED / model)
    for folder in folders:
        if (folder / MODEL_FILE).exists() and (folder / "README.md").exists():
            return folder / "README.md"
    return None


def card_page(name, card):
    """Makes the page with a model's card.

    Args:
        name: str, the model's.
        card: path of a Markdown file, or `None`: the page then says what to ask for.

    Returns:
        str, HTML.
    """
    # HTML within is shown as text: a model may come from anywhere.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(card.read_text() if card else _NO_CARD)
    for token in tokens:
        token.attrs.pop("style", None)  # of aligned columns; the page allows no inline style
    body = markdown.renderer.render(tokens, markdown.options, {})
    for tag, better in _FOR_EVERYONE.items():  # in the texts of the card `<` is escaped
        body = body.replace(tag, better)
    return _PAGE.read_text().replace("{name}", html.escape(name)).replace("{body}", body)


# What is wider than a phone is scrolled, by the keyboard where it can have the focus; an empty cell heads nothing.
_FOR_EVERYONE = {
    "<pre>": '<pre tabindex="0">',
    "<table>": '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>',
    "</table>": "</table></div>",
    "<th></th>": "<td></td>",
}

_NO_CARD = """# This model came without a card

Nothing is known here of what it was trained on, for whom it works, or how often it is wrong. Ask who trained it for:

- the pictures that it learnt from, who is on them and who is not, and whether they agreed;
- how it was measured: on other people than those it learnt from?
- which expressions it takes for each other, and how often;
- what it is meant for, and what not.

Until then take its answers for what they are: the numbers of an unknown model.
"""
