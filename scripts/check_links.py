"""Lists every link of the documentation to the world outside, with its pages, and asks whether it is there.

`--list` only lists. Needs the network, so that `make nightly` runs it and `make test` does not.
"""

import argparse
import collections
import concurrent.futures
import pathlib
import re
import sys
import urllib.error
import urllib.request

TOP = pathlib.Path(__file__).parent.parent
PAGES = [*TOP.glob("*.md"), TOP / "CITATION.cff", *(TOP / "docs").rglob("*.md"), *TOP.glob("fer_keras/presets/*/*.md")]
LINK = re.compile(r"\]\((https?://[^\s)]+)\)|<(https?://[^\s>]+)>")
DOI = re.compile(r"^\s*doi: (\S+)$", re.M)


def links():
    """A dict of address to the pages that have it."""
    found = collections.defaultdict(list)
    for page in PAGES:
        text = page.read_text()
        addresses = {one or other for one, other in LINK.findall(text)}
        addresses |= {f"https://doi.org/{doi}" for doi in DOI.findall(text)}
        for address in addresses:
            found[address].append(str(page.relative_to(TOP)))
    return dict(sorted(found.items()))


def fault(address):
    """What is wrong with an address, or `None`. Who refuses programs (403, 429) is taken to be there."""
    request = urllib.request.Request(address.partition("#")[0], headers={"User-Agent": "fer-keras link check"})
    try:
        with urllib.request.urlopen(request, timeout=30):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code in (401, 403, 418, 429) else f"HTTP {error.code}"
    except OSError as error:
        return str(error)


def main():
    """Prints the links, and which of them lead nowhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="ask nobody")
    asked = parser.parse_args()
    found = links()
    if asked.list:
        print("\n".join(f"{address}  {', '.join(pages)}" for address, pages in found.items()))
        return
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        faults = {address: why for address, why in zip(found, pool.map(fault, found), strict=True) if why}
    for address, why in faults.items():
        print(f"{address}: {why} ({', '.join(found[address])})")
    print(f"{len(found)} links, {len(faults)} of them lead nowhere")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
