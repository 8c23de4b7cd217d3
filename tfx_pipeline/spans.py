"""New data in folders of its own: the newest one is taken."""

import pathlib
import re

from fer_keras.errors import InputError

_PLACES = ("{SPAN}", "{VERSION}")


def newest_span(path):
    """Finds the newest folder of a pattern.

    Args:
        path: path of a corpus; in the names of folders `{SPAN}` stands for a number, that of the data's share of time,
            and `{VERSION}` for another one, of how often it was delivered: `/data/ck-{SPAN}/v{VERSION}`.

    Returns:
        The path with the greatest span that there is, and the greatest version of that; a path without such places as
        it is.

    Raises:
        InputError: no folder fits.
    """
    path, found = pathlib.Path(path), [((), pathlib.Path(pathlib.Path(path).anchor or "."))]
    if not any(place in str(path) for place in _PLACES):
        return path
    for part in path.parts[1:] if path.anchor else path.parts:
        if any(place in part for place in _PLACES):
            pattern = re.compile(re.sub(r"\\{(SPAN|VERSION)\\}", "([0-9]+)", re.escape(part)))
            found = [
                ((*numbers, *map(int, match.groups())), child)
                for numbers, folder in found
                if folder.is_dir()
                for child in folder.iterdir()
                if (match := pattern.fullmatch(child.name))
            ]
        else:
            found = [(numbers, folder / part) for numbers, folder in found if (folder / part).exists()]
    found = [(numbers, folder) for numbers, folder in found if folder.is_dir()]
    if not found:
        raise InputError(f"{path}: no folder fits; expected numbers in place of {' and '.join(_PLACES)}")
    return max(found)[1]
