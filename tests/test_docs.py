"""The documentation holds: the site builds without a warning; commands, messages, links and citation are right."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import yaml

import fer_keras

TOP = pathlib.Path(__file__).parent.parent
DOCS = sorted((TOP / "docs").rglob("*.md"))
PAGES = [TOP / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nobody(tmp_path):
    pytest.importorskip("mkdocs")
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=TOP, env=env, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    assert "WARNING" not in built.stderr
    pages = {str(page.relative_to(tmp_path)): page.read_text() for page in tmp_path.rglob("*.html")}
    assert len(pages) > len(DOCS) - 1
    for name, text in pages.items():
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*src="(https?://[^"]*)"', text)
        loaded += re.findall(r'<link(?![^>]*rel="(?:canonical|prev|next)")[^>]*href="(https?://[^"]*)"', text)
        assert not loaded, f"{name} asks another host: {loaded}"
        assert 'class="arithmatex"' not in text
    assert pages["equations.html"].count("<math") > 20
    for name in ("IslandLoss", "AttentionPooling"):
        assert f'id="fer_keras.layers.{name}"' in pages["reference/layers.html"]
    for argument in ("threshold", "pair_weight"):  # Keras's `Args:` were understood
        assert f"<code>{argument}</code>" in pages["reference/layers.html"]


def fenced(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def command_lines(file):
    """The commands `fer-keras ...` of a page: in indented and bash blocks, with lines that continue."""
    text = file.read_text()
    indented = re.findall(r"(?:^    .*\n)+", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    for line in "".join(fenced(text, "bash") + indented).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True) if "fer-keras" in line else []
        while words and "=" in words[0]:
            words.pop(0)
        if words[:1] == ["fer-keras"] and not {"...", "|"} & set(words):
            ends = [place for place, word in enumerate(words) if word in ("&", "||", "&&", ">")]
            yield words[1 : ends[0] if ends else None]


@pytest.mark.parametrize("file", [*PAGES, *DOCS], ids=lambda file: str(file.relative_to(TOP)))
def test_commands_and_options_exist(file):
    typer = pytest.importorskip("typer")
    from fer_keras import cli

    root = command_lines_root(cli, typer)
    for words in command_lines(file):
        command, rest = root, list(words)
        while hasattr(command, "commands"):
            name = rest.pop(0) if rest else ""
            assert name in command.commands, f"{file.name}: no command {shlex.join(words)}"
            command = command.commands[name]
        try:
            command.make_context(words[0], rest)
        except Exception as error:  # whatever the parser raises
            pytest.fail(f"{file.name}: {shlex.join(words)}: {error}")


ROOT = []


def command_lines_root(cli, typer):
    if not ROOT:
        cli._add_commands()
        ROOT.append(typer.main.get_command(cli.app))
    return ROOT[0]


def test_commands_are_found():
    assert sum(len(list(command_lines(file))) for file in [*PAGES, *DOCS]) > 80


def test_messages_of_troubleshooting_are_in_the_code():
    """Every heading's parts between `…` are in one string of the code, as far as f-strings leave them."""
    headings = re.findall(r"^### `(.*)`$", (TOP / "docs" / "troubleshooting.md").read_text(), re.M)
    assert len(headings) > 30
    files = [file for part in ("fer_keras", "serving", "tfx_pipeline") for file in (TOP / part).rglob("*.py")]
    code = "".join(file.read_text() for file in [*files, TOP / "scripts" / "setup"])
    code = re.sub(r'"\s*\n?\s*(?:f|r)?"', "", code)  # strings that Python joins
    code = re.sub(r"\s+", " ", re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "…", code))
    code = code.replace(
        "no … found; expected a folder with …", "no labels.csv found; expected a folder with labels.csv"
    )
    theirs = ("Could not locate class", "StatusCode.")  # Keras's and gRPC's
    for heading in headings:
        if not heading.startswith(theirs):
            for part in re.split(r"…", heading):
                part = part.strip(" ;:'")
                assert len(part) < 3 or part in code, f"no message in the code has {part!r}, of {heading!r}"


def anchors(file):
    text = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_of_pages_beside_the_site(file):
    """MkDocs checks those within docs/; these are read on their own."""
    for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text()):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            found = file.parent / path if path else file
            assert found.exists(), f"{file.name}: {target}"
            assert not anchor or anchor in anchors(found), f"{file.name}: {target}"


def test_every_preset_has_a_card_on_the_site():
    from fer_keras.models.preset import SHIPPED, preset_names

    for name in preset_names():
        assert (SHIPPED / name / "README.md").is_file()
        assert f"presets/{name}/README.md" in (TOP / "docs" / "cards" / f"{name}.md").read_text()
        assert f"({name}.md)" in (TOP / "docs" / "cards" / "index.md").read_text()


def test_citation():
    """The keys that CFF 1.2.0 requires, and figures that agree with the package's."""
    citation = yaml.safe_load((TOP / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == fer_keras.__version__
    assert citation["license"] == "Apache-2.0"
    for work in [citation, *citation["references"]]:
        assert work["authors"]
        for who in work["authors"]:
            assert {"name"} <= set(who) or {"family-names", "given-names"} <= set(who)
    for work in citation["references"]:
        assert {"type", "title", "authors"} <= set(work)
        assert re.fullmatch(r"10\.\d{4,}/\S+", work["doi"])


@pytest.mark.parametrize("form", sorted((TOP / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda file: file.stem)
def test_issue_forms(form):
    content = yaml.safe_load(form.read_text())
    if form.stem == "config":
        assert set(content) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(content)
    ids = [part["id"] for part in content["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 1
    for part in content["body"]:
        assert part["type"] in ("markdown", "input", "textarea", "dropdown", "checkboxes")
        assert part["attributes"].get("label") or part["attributes"].get("value")
