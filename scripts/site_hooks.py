"""What mkdocs.yml's site does beside Markdown: equations as MathML, source code beside them, the list of decisions.

`$$ ... $$` and `$ ... $` become MathML, which browsers draw by themselves. A line
`<!-- source: package.module.name -->` becomes the code of that function or method as it is in the repository, without
its docstring; `<!-- commands -->` becomes the command line's options.
"""

import ast
import html
import pathlib
import re
import textwrap

import latex2mathml.converter

TOP = pathlib.Path(__file__).parent.parent


def on_config(config):
    """Puts the decisions into the navigation by their titles, so that a new one needs no line there."""
    files = sorted((TOP / "docs" / "decisions").glob("[0-9]*.md"))
    pages = [{_title(file): f"decisions/{file.name}"} for file in files]
    for section in config["nav"]:
        for entries in section.values():
            for entry in entries:
                if isinstance(entry, dict) and entry.get("Decisions") == "decisions/index.md":
                    entry["Decisions"] = ["decisions/index.md", *pages]
    return config


def on_page_markdown(markdown, page, **_):
    """Puts source code where a comment asks for it, and the list of decisions on its page."""
    if page.file.src_uri == "decisions/index.md":
        files = sorted((TOP / "docs" / "decisions").glob("[0-9]*.md"))
        markdown += "\n" + "\n".join(f"- [{_title(file)}]({file.name})" for file in files)
    if "<!-- commands -->" in markdown:
        markdown = markdown.replace("<!-- commands -->", _commands())
    return re.sub(r"^<!-- source: ([\w.]+) -->$", lambda match: _source(match[1]), markdown, flags=re.M)


def on_page_content(content, **_):
    """Draws the equations that arithmatex found."""
    return re.sub(r'<(div|span) class="arithmatex">(.*?)</\1>', _equation, content, flags=re.S)


def _title(file):
    return file.read_text().partition("\n")[0].removeprefix("# ")


def _equation(match):
    latex = html.unescape(match[2].strip())[2:-2].strip()  # without \( \) or \[ \]
    block = match[1] == "div"
    mathml = latex2mathml.converter.convert(latex, display="block" if block else "inline")
    return f'<div class="equation">{mathml}</div>' if block else mathml


def _commands():
    """Every command of `fer-keras` with its options, those of the other packages' included."""
    import typer.main

    from fer_keras import cli

    cli._add_commands()
    root = typer.main.get_command(cli.app)
    return "\n".join(_command(f"fer-keras {name}", root.commands[name]) for name in sorted(root.commands))


def _command(name, command, level=2):
    """One command as Markdown, and those below it."""
    about, _, example = " ".join((command.help or "").split()).partition("Example: ")
    lines = [f"{'#' * level} {name}", "", about, ""]
    if hasattr(command, "commands"):
        below = [_command(f"{name} {one}", command.commands[one], level + 1) for one in sorted(command.commands)]
        return "\n".join([*lines, *below])
    example = example or (command.epilog or "").removeprefix("Example: ").strip()
    if example:
        lines += [f"    {example}", ""]
    lines += ["| option | | default |", "|---|---|---|"]
    for option in command.params:
        if option.name == "help":
            continue
        names = (
            " ".join(f"`{one}`" for one in option.opts) if option.param_type_name == "option" else f"`{option.name}`"
        )
        default = "" if option.default in (None, False, "") or callable(option.default) else f"`{option.default}`"
        default = "required" if option.required else default
        about = html.escape((option.help or "").replace("\\[", "["))  # escaped for Rich, which the terminal's help is
        lines.append(f"| {names} | {about.replace('|', chr(92) + '|')} | {default} |")
    return "\n".join([*lines, ""])


def _source(name):
    """The code of `package.module.function` or `package.module.Class.method`, fenced."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        file = TOP.joinpath(*parts[:cut]).with_suffix(".py")
        if file.is_file():
            break
    else:
        raise ValueError(f"{name}: no such module")
    text = file.read_text()
    node = ast.parse(text)
    for part in parts[cut:]:
        found = [child for child in node.body if getattr(child, "name", "") == part]
        if not found:
            raise ValueError(f"{name}: {file.relative_to(TOP)} has no {part}")
        node = found[0]
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        del lines[first.lineno - node.lineno : first.end_lineno - node.lineno + 1]
    code = textwrap.dedent("\n".join(lines))
    return f'``` {{ .py title="{file.relative_to(TOP)}, line {node.lineno}" }}\n{code}\n```'
