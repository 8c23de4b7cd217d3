"""The colours of classes, the same in every plot and on every frame."""

from fer_keras.emotions import EMOTIONS

# After Okabe and Ito, told apart by colour-blind people; dark enough for lines on white.
_COLOURS = ("#6b7280", "#d55e00", "#8a6d1b", "#009e73", "#8b5fbf", "#d99a00", "#1a7bbd", "#cc5f9c")


def class_colours(label_names):
    """Colours of classes: every emotion has its own; other classes take those that are left, in turn.

    Args:
        label_names: names of classes.

    Returns:
        A dict of name to colour, such as `"#d55e00"`.
    """
    own = dict(zip(EMOTIONS, _COLOURS, strict=True))
    left = [colour for name, colour in own.items() if name not in label_names] or list(_COLOURS)
    others = [name for name in label_names if name not in own]
    return {
        **{name: own[name] for name in label_names if name in own},
        **{name: left[place % len(left)] for place, name in enumerate(others)},
    }
