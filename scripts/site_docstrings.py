"""Makes docstrings in Keras's form readable to mkdocstrings: a Griffe extension, see mkdocs.yml.

Keras writes `Call arguments:` and `Reference:`, and examples as `>>>` lines that are not indented. Griffe knows
neither.
"""

import re

import griffe

SECTIONS = ("Call arguments", "Returns", "Yields", "Example", "Reference", "References")


class KerasDocstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_instance(self, *, obj, **_):
        """Rewrites the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = rewrite(obj.docstring.value)


def rewrite(text):
    """A docstring with its examples fenced and the sections that Google's form lacks as headings with lists."""
    out, lines, at = [], text.split("\n"), 0
    while at < len(lines):
        line = lines[at]
        heading = re.match(r"^(\w[\w ]*):(.*)$", line)
        if line.lstrip().startswith(">>> "):
            start = at
            while at < len(lines) and lines[at].strip():
                at += 1
            indent = line[: len(line) - len(line.lstrip())]
            out += [f"{indent}```pycon", *lines[start:at], f"{indent}```"]
            continue
        if heading and heading[1] in SECTIONS:
            out += ["", f"**{heading[1]}:**{heading[2]}", ""]
            at += 1
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                out.append(_item(lines[at][4:], heading[1]))
                at += 1
            continue
        out.append(line)
        at += 1
    return "\n".join(out)


def _item(line, section):
    """`name: what it is` of a section of arguments as a list item; what follows it indented stays with it."""
    if section == "Call arguments" and (match := re.match(r"^(\*{0,2}\w+):\s*(.*)$", line)):
        return f"- `{match[1]}`: {match[2]}"
    return line
