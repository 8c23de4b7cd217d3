"""The page in headless Chromium, end to end, on a phone and on a desk, by mouse and by keyboard."""

import base64
import contextlib
import pathlib
import shutil
import struct

import cv2
import numpy as np
import pytest
from demo_testing import FRAMES, LABELS, TinyClip, TinyFace, clip, draw, no_face, one_face, two_faces

from fer_keras.corpora.motion_jpeg import encode_avi
from serving.demo.card import find_card
from serving.demo.server import DemoServer
from serving.server.model_config import ModelConfig
from serving.server.server import Server

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium here: install Debian's package chromium", allow_module_level=True)
playwright_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

pytestmark = pytest.mark.slow

PATIENCE = 60_000  # milliseconds; a busy machine is slow, and what does not come at all is an error all the same
playwright_api.expect.set_options(timeout=PATIENCE)

# Nothing that Chromium does of its own accord, and no name that leads off this machine.
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
CAMERA = ["--use-fake-device-for-media-stream"]
LOOKS = [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")]
HEIGHTS = {1280: 900, 390: 844, 320: 568}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    base = tmp_path_factory.mktemp("demo")
    for name, model in (("faces", TinyFace()), ("clips", TinyClip())):
        model.save(base / name / "1")
    return [ModelConfig(name, base / name) for name in ("faces", "clips")]


@pytest.fixture(scope="module")
def demo(models):
    with DemoServer(models, cards={"faces": find_card("alexnet_emotion_fer2013")}, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def playwright():
    with playwright_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright, tmp_path_factory):
    """Chromium whose camera sees a drawn face."""
    film = tmp_path_factory.mktemp("camera") / "face.y4m"
    with film.open("wb") as file:
        file.write(b"YUV4MPEG2 W320 H320 F8:1 Ip A1:1 C420jpeg\n")
        for frame in draw(side=320):
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())
    arguments = [*QUIET, *CAMERA, f"--use-file-for-fake-video-capture={film}"]
    started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield started
    started.close()


class Visit:
    """A page that was opened, and what it should not have done."""

    def __init__(self, browser, url, width=1280, scheme="light", permissions=()):
        self.context = browser.new_context(viewport={"width": width, "height": HEIGHTS[width]}, color_scheme=scheme)
        self.context.set_default_timeout(PATIENCE)
        self.context.grant_permissions(list(permissions) or ["geolocation"])  # what is not granted is refused
        self.page = self.context.new_page()
        self.url, self.width, self.errors, self.requests = url, width, [], []
        self.page.on(
            "console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text)
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("#abilities li")

    def upload(self, name, content, kind="image/png"):
        self.page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})

    def shows(self, selector):
        return self.page.wait_for_selector(selector, state="visible")

    def text(self, selector):
        return self.page.inner_text(selector).replace("\N{NO-BREAK SPACE}", " ")

    def focus(self):
        return self.page.evaluate("document.activeElement.id")

    def hold(self, address):
        """Keeps requests from the demo; returns the list that they come into."""
        held = []
        self.page.route(address, lambda route: held.append(route))
        return held

    def close(self, refusals=0):
        """Ends the visit; `refusals` answers were errors, of which Chromium tells the console."""
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width
        foreign = [url for url in self.requests if not url.startswith((self.url, "data:", "blob:" + self.url))]
        assert not foreign
        told = [text for text in self.errors if "Failed to load resource" in text]
        assert len(told) == refusals
        assert self.errors == told
        self.context.close()

    def check_accessibility(self):
        found = axe.Axe().run(self.page).response["violations"]
        assert not [(one["id"], one["impact"], [node["html"][:200] for node in one["nodes"]]) for one in found]


@pytest.fixture
def visit(browser, demo):
    return lambda *arguments, **options: Visit(browser, demo.url, *arguments, **options)


def box_of(page, selector):
    return page.eval_on_selector(
        selector, "node => { const b = node.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; }"
    )


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_picture_of_two(visit, width, scheme):
    one = visit(width, scheme)
    page = one.page
    one.check_accessibility()
    assert "never written to a disk" in one.text("#privacy")
    assert "cannot know" in one.text(".notes")
    assert page.get_attribute("#card", "href") == "/card/faces"
    one.upload("two.png", two_faces())
    one.shows(".face:nth-child(2)")
    assert one.text("#panel-title") == "2 faces"
    assert page.locator(".box").count() == 2
    assert page.locator(".face").first.locator(".name").all_inner_texts() == list(LABELS)
    values = page.locator(".face").first.locator(".value").all_inner_texts()
    assert sum(int(value.removesuffix("\N{NO-BREAK SPACE}%")) for value in values) == pytest.approx(100, abs=2)
    assert "2 faces: face 1: " in one.text("#status")
    # The boxes lie on the picture, the first on its left half.
    picture, first, second = (box_of(page, f"{one}") for one in ("#picture", ".box:nth-child(1)", ".box:nth-child(2)"))
    middle = (picture[0] + picture[2]) / 2
    assert picture[0] < first[0] < first[2] < middle + 20
    assert middle - 20 < second[0] < second[2] < picture[2]
    assert picture[1] <= first[1] < first[3] <= picture[3]
    # What the model paints, and where it looked, for the best and for another class.
    assert "50 %" in one.text(".face figure")
    page.locator(".face").first.get_by_role("button", name="Where the model looked", exact=True).click()
    one.shows("img[alt^='Where the model looked for']")
    page.locator(".face").first.locator(".bar", has_text="neutral").click()
    one.shows("text=Nothing in this face speaks for neutral.")
    one.check_accessibility()
    one.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS[:2])
def test_a_clip_with_attention(visit, width, scheme):
    one = visit(width, scheme)
    page = one.page
    page.select_option("#model", "clips")
    assert "With attention" in one.text("#abilities")
    one.upload("clip.avi", clip(), "video/x-msvideo")
    one.shows("#timeline")
    assert f"{FRAMES} frames" in one.text("#timeline-note")
    assert page.locator(".plot").count() == 2
    assert "Most, 22 %, at 0.88 s" in one.text("#charts")
    assert page.locator("#legend li").all_inner_texts() == list(LABELS)
    # The frame that is shown follows the slider, the chart and the time.
    page.locator("#seek").focus()
    page.keyboard.press("Home")
    assert one.text("#clock") == f"0.00 s, 1 of {FRAMES}"
    first = page.get_attribute("#picture", "src")
    page.keyboard.press("ArrowRight")
    assert one.text("#clock") == f"0.13 s, 2 of {FRAMES}"
    assert page.get_attribute("#picture", "src") != first
    assert "frame 2 of 8, 0.13 seconds, face 1: " in page.get_attribute("#seek", "aria-valuetext")
    plot = page.locator(".plot").first
    plot.click(position={"x": 0.7 * plot.bounding_box()["width"], "y": 20})
    assert one.text("#clock") == f"0.63 s, 6 of {FRAMES}"
    page.click("#play")
    playwright_api.expect(page.locator("#clock")).to_have_text(f"0.88 s, {FRAMES} of {FRAMES}")
    playwright_api.expect(page.locator("#play")).to_have_text("Play")
    page.click("summary")
    playwright_api.expect(page.locator("#table tbody tr")).to_have_count(FRAMES)
    one.check_accessibility()
    # Another model reads the same clip.
    page.select_option("#model", "faces")
    playwright_api.expect(page.locator("#timeline-note")).to_contain_text("this model has no attention")
    assert page.locator(".plot").count() == 1
    one.close()


def test_a_card_of_a_clip_tells_the_clip_from_the_frame(visit):
    one = visit()
    one.upload("clip.avi", clip(), "video/x-msvideo")
    one.shows("#timeline")
    assert one.text(".says .number") == "Face 1 in the whole clip"
    assert one.text(".says .sure").startswith("probability ")
    assert one.text(".now").startswith("In this frame: ")
    whole = one.text(".says")
    one.page.locator("#seek").focus()
    one.page.keyboard.press("Home")
    assert one.text(".says") == whole
    assert one.text(".now") == f"In this frame: {one.page.locator('.is-best .name').inner_text()}"
    one.page.select_option("#model", "clips")
    playwright_api.expect(one.page.locator(".now")).to_contain_text("Up to this frame: ")
    one.close()


def test_a_part_of_a_clip(visit, monkeypatch):
    monkeypatch.setattr("serving.demo.readings.MOST_FRAMES", 6)
    one = visit(390, "dark")
    one.upload("clip.avi", encode_avi(draw() * 5, 5), "video/x-msvideo")
    one.shows("#timeline")
    assert one.text("#remark") == "The first 1 of 8 seconds were read."
    assert one.text("#timeline-note").startswith("Read: 6 frames, the first 1 of 8 seconds.")
    assert one.text(".says .number") == "Face 1 in the first 1 of 8 seconds"
    one.check_accessibility()
    one.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS[:2])
def test_a_frame_looked_at_closer_and_back(visit, width, scheme):
    one = visit(width, scheme)
    page = one.page
    one.upload("clip.avi", clip(), "video/x-msvideo")
    one.shows("#timeline")
    page.locator("#seek").focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.click("#closer")
    one.shows(".face .more button")
    assert page.locator("#timeline").is_hidden()
    one.check_accessibility()
    read = len(one.requests)
    page.click("#back")
    one.shows("#timeline")
    assert one.text("#clock") == f"0.25 s, 3 of {FRAMES}"
    assert page.locator("#back").is_hidden()
    assert not [url for url in one.requests[read:] if "/api/" in url]  # nothing had to be asked again
    # By another model the frame, and then the clip, are read anew.
    page.click("#closer")
    one.shows("#back")
    page.select_option("#model", "clips")
    playwright_api.expect(page.locator(".face .more")).to_have_count(0)
    page.click("#back")
    one.shows("#timeline")
    assert "weighs frames by attention" in one.text("#timeline-note")
    # A picture of its own has no way back.
    one.upload("face.png", one_face())
    playwright_api.expect(page.locator("#timeline")).to_be_hidden()
    assert page.locator("#back").is_hidden()
    one.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS[:2])
def test_the_card_of_the_shipped_model(visit, width, scheme):
    one = visit(width, scheme)
    one.page.goto(f"{one.url}/card/faces")
    assert "alexnet_emotion_fer2013" in one.text("h1")
    one.check_accessibility()
    one.close()


def test_a_narrow_page(visit):
    one = visit(320)
    one.upload("two.png", two_faces())
    one.shows(".face:nth-child(2)")
    lines = one.page.evaluate(
        """() => {
            const words = document.createRange();
            for (const heading of document.querySelectorAll(".says h3")) heading.textContent = "happiness";
            return [...document.querySelectorAll(".says h3, .bar .name, .bar .value")].map((node) => {
                words.selectNodeContents(node);
                return words.getClientRects().length;
            });
        }"""
    )
    assert set(lines) == {1}
    one.close()


def photo(width, height):
    """A JPEG of a phone held upright: pixels lie on their side, as EXIF says. A face is in its upper left quarter."""
    scene = np.full((height, width, 3), (180, 190, 200), np.uint8)
    scene[: width // 2, : width // 2] = cv2.resize(draw()[FRAMES // 2], (width // 2, width // 2))
    jpeg = cv2.imencode(".jpg", cv2.rotate(scene, cv2.ROTATE_90_COUNTERCLOCKWISE))[1].tobytes()
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def test_a_photo_of_more_pixels_than_the_server_takes(visit):
    one = visit()
    boxes = []
    for width, height in ((450, 600), (4500, 6000)):
        one.upload("photo.jpg", photo(width, height), "image/jpeg")
        one.shows(".box")
        assert one.page.evaluate("[picture.naturalWidth / picture.naturalHeight]") == [pytest.approx(0.75, abs=0.01)]
        (left, top, right, bottom), outer = box_of(one.page, ".box"), box_of(one.page, ".boxes")
        boxes.append([left - outer[0], top - outer[1], right - outer[0], bottom - outer[1]])
        one.page.reload()
        one.shows("#abilities li")
    assert boxes[1] == pytest.approx(boxes[0], abs=8)
    one.close()


def test_a_picture_of_more_bytes_than_the_server_takes(visit):
    noise = np.random.default_rng(0).integers(0, 256, (2400, 2400, 3), np.uint8)
    noise[:240, :240] = draw()[FRAMES // 2]
    picture = cv2.imencode(".png", noise)[1].tobytes()
    assert len(picture) > 16 * 2**20
    one = visit()
    one.upload("noise.png", picture)
    one.shows("#view")
    assert one.text("#panel-title") in ("1 face", "No face found")
    one.close()


def test_keyboard_alone(visit):
    one = visit()
    page = one.page
    # Asked for early: a chooser that opens before Playwright has told Chromium would be lost.
    picture = {"name": "two.png", "mimeType": "image/png", "buffer": two_faces()}
    page.on("filechooser", lambda chooser: chooser.set_files(picture))

    def tab_to(selector, limit=20):
        for _ in range(limit):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"the keyboard does not come to {selector}")

    tab_to(".skip")
    tab_to("#model")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.input_value("#model") == "faces"
    tab_to("#choose")
    page.keyboard.press("Enter")
    one.shows(".face")
    assert page.evaluate("document.activeElement.id") == "stage"  # the button that had it is gone
    tab_to(".box:nth-child(2)")
    page.keyboard.press("Enter")
    assert "is-chosen" in page.get_attribute(".face:nth-child(2)", "class")
    tab_to("#another")
    tab_to(".bar")
    page.keyboard.press("Enter")
    one.shows(".bar[aria-pressed='true']")
    tab_to("#card", 40)
    page.keyboard.press("Enter")
    page.wait_for_url("**/card/faces")
    one.check_accessibility()
    one.close()


def test_dropped_and_pasted(visit):
    one = visit()
    give = """([content, kind]) => {
        const data = new DataTransfer();
        const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
        data.items.add(new File([bytes], "face.png", { type: "image/png" }));
        if (kind === "paste") dispatchEvent(Object.assign(new Event("paste"), { clipboardData: data }));
        else for (const type of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
            if (type === "dragover" && document.getElementById("over").hidden) throw new Error("no sign");
        }
    }"""
    for kind in ("drop", "paste"):
        one.page.evaluate(give, [base64.b64encode(one_face()).decode(), kind])
        one.shows(".face")
        assert one.page.locator("#over").is_hidden()
        one.page.reload()
        one.shows("#abilities li")
    one.close()


def test_several_files(visit):
    one = visit()
    one.page.evaluate(
        """content => {
            const data = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
            for (const name of ["a.png", "b.png"]) data.items.add(new File([bytes], name, { type: "image/png" }));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(one_face()).decode(),
    )
    one.shows(".face")
    assert one.text("#remark") == "2 files came; only the first, “a.png”, is read."
    one.check_accessibility()
    one.upload("face.png", one_face())
    playwright_api.expect(one.page.locator("#remark")).to_be_hidden()
    one.close()


def test_a_folder_and_a_file_that_has_gone(visit, tmp_path):
    one = visit()
    (tmp_path / "holiday").mkdir()
    devtools = one.context.new_cdp_session(one.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(tmp_path / "holiday")], "dragOperationsMask": 1}
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 500, "data": data})
    one.shows("#banner[data-code='unreadable']")
    assert "“holiday” cannot be read." in one.text("#banner")
    one.check_accessibility()
    (tmp_path / "face.png").write_bytes(one_face())
    one.page.set_input_files("#file", tmp_path / "face.png")
    one.shows(".face")
    (tmp_path / "face.png").unlink()
    one.page.select_option("#model", "clips")
    one.shows("#banner[data-code='unreadable']")
    assert "“face.png” cannot be read." in one.text("#banner")
    one.close(refusals=1)  # Chromium's own word on the file


def test_drawn_samples(visit):
    one = visit()
    one.page.click("[data-sample='picture']")
    one.shows(".face")
    one.close()


# Camera -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), LOOKS[:2])
def test_camera(visit, width, scheme):
    one = visit(width, scheme, permissions=["camera"])
    page = one.page
    one.hold("**/api/read*")
    page.click("#camera")
    one.shows("#video")
    assert one.text("#panel-title") == "Looking for faces…"
    page.unroute("**/api/read*")  # what was held goes on
    one.shows(".face .name")
    assert one.text("#panel-title") == "1 face"
    video, box = box_of(page, "#video"), box_of(page, ".box")
    assert video[0] <= box[0] < box[2] <= video[2]
    one.check_accessibility()
    page.click("#freeze")
    one.shows("#picture")
    one.shows(".face .more button")
    assert page.evaluate("document.getElementById('video').srcObject") is None  # the camera is off
    page.click("#again")
    one.shows("#record")
    if width == 1280:
        page.click("#record")
        one.shows("#timeline")
        assert page.evaluate("document.getElementById('video').srcObject") is None
    else:
        page.click("#stop")
        one.shows("#drop")
        assert page.evaluate("document.getElementById('video').srcObject") is None
    one.close()


def test_refused_camera(visit):
    one = visit()
    one.page.click("#camera")
    one.shows("#banner[data-code='camera_refused']")
    assert "did not allow the camera" in one.text("#banner")
    one.check_accessibility()
    one.upload("face.png", one_face())
    one.shows(".face")
    assert one.page.locator("#banner").is_hidden()
    one.close()


def test_camera_of_a_page_from_another_machine(visit):
    one = visit()
    one.page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    one.page.click("#camera")
    one.shows("#banner[data-code='camera_insecure']")
    one.close()


# What goes wrong ----------------------------------------------------------------------------------------------------


def test_no_face(visit):
    one = visit(390)
    one.upload("wall.png", no_face())
    one.shows("#advice")
    assert one.text("#panel-title") == "No face found"
    assert "No face was found." in one.text("#status")
    one.check_accessibility()
    one.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS[:2])
def test_unreadable_and_too_large(visit, tmp_path, width, scheme):
    one = visit(width, scheme)
    one.upload("notes.txt", b"no picture at all", "text/plain")
    one.shows("#banner[data-code='undecodable']")
    one.check_accessibility()
    (tmp_path / "huge.png").write_bytes(bytes(17 * 2**20))
    sent = len(one.requests)
    one.page.set_input_files("#file", tmp_path / "huge.png")
    one.shows("#banner[data-code='too_large']")
    assert "17 MiB; at most 16" in one.text("#banner")
    assert not [url for url in one.requests[sent:] if "/api/read" in url]
    one.shows("#drop")
    one.close(refusals=1)


def test_loading_is_seen(visit):
    one = visit()
    page = one.page
    held = one.hold("**/api/read*")
    one.upload("face.png", one_face())
    one.shows("#loading")
    assert one.text("#loading-text") == "Looking for faces…"
    assert page.get_attribute("#stage", "aria-busy") == "true"
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    one.shows(".face")
    assert page.locator("#loading").is_hidden()
    one.close()


@pytest.mark.parametrize("way", ["click", "Enter", "Escape"])
@pytest.mark.parametrize("held", ["**/api/sample/*", "**/api/read*"])
def test_loading_is_cancelled(visit, held, way):
    one = visit()
    page = one.page
    requests = one.hold(held)
    page.focus("[data-sample='clip']")
    page.keyboard.press("Enter")
    one.shows("#loading")
    assert one.focus() == "cancel"
    while not requests:
        page.wait_for_timeout(50)
    one.check_accessibility()
    if way == "click":
        page.click("#cancel")
    else:
        page.keyboard.press(way)
    playwright_api.expect(page.locator("#loading")).to_be_hidden()
    assert page.evaluate("document.activeElement.dataset.sample") == "clip"
    page.unroute(held)
    page.wait_for_timeout(500)
    assert page.locator("#drop").is_visible()
    # Nothing is left that the next file would stumble over.
    one.upload("face.png", one_face())
    one.shows(".face")
    assert one.focus() == "stage"  # the button that had it is gone
    one.close()


def test_a_sample_that_does_not_come(visit):
    one = visit()
    one.page.route("**/api/sample/*", lambda route: route.fulfill(status=500, body="not JSON"))
    one.page.click("[data-sample='clip']")
    one.shows("#banner[data-code='internal']")
    one.shows("#drop")
    one.close(refusals=1)


def test_a_stopped_demo_comes_back(browser, models):
    demo = DemoServer(models[:1], port=0)
    demo.start()
    port = int(demo.url.rpartition(":")[2])
    one = Visit(browser, demo.url)
    assert one.page.locator("#model").is_hidden()  # there is nothing to choose
    assert one.text("#only") == "faces"
    demo.stop()
    one.upload("face.png", one_face())
    one.shows("#banner[data-code='stopped']")
    assert "fer-keras demo" in one.text("#banner")
    one.check_accessibility()
    with DemoServer(models[:1], port=port):
        one.page.wait_for_selector("#banner", state="hidden")
        one.upload("face.png", one_face())
        one.shows(".face")
    one.errors = [text for text in one.errors if "ERR_CONNECTION" not in text]
    one.close()


def test_a_stopped_model_server(browser, models):
    with contextlib.ExitStack() as stack:
        server = Server(models=models, grpc_port=0, rest_port=0)
        server.start()
        demo = stack.enter_context(DemoServer(address=f"127.0.0.1:{server.grpc_port}", names=["faces"], port=0))
        one = Visit(browser, demo.url)
        assert f"the model server 127.0.0.1:{server.grpc_port}" in one.text("#privacy")
        server.stop()
        one.upload("face.png", one_face())
        one.shows("#banner[data-code='model_server']")
        assert one.page.get_by_role("button", name="Try again").is_visible()
        one.close(refusals=1)


# Real faces ---------------------------------------------------------------------------------------------------------


def test_real_faces_with_the_preset(browser, tmp_path, monkeypatch):
    import os

    from fer_keras.export import export_version
    from fer_keras.models.preset import load_preset

    folder = os.environ.get("FER_TEST_FACES")
    if not folder:
        pytest.skip("FER_TEST_FACES names no folder of real faces")
    images = pathlib.Path(folder) / "london_faces" / "images"
    pair = [cv2.imread(str(images / name)) for name in ("001_03.jpg", "002_08.jpg")]
    export_version(load_preset("alexnet_emotion_fer2013")[0], tmp_path / "alexnet_emotion_fer2013")
    with DemoServer([ModelConfig("alexnet_emotion_fer2013", tmp_path / "alexnet_emotion_fer2013")], port=0) as demo:
        one = Visit(browser, demo.url)
        one.upload("pair.png", cv2.imencode(".png", np.hstack(pair))[1].tobytes())
        one.shows(".face:nth-child(2)")
        assert one.page.locator(".face h3").all_inner_texts() == ["neutral", "happiness"]
        one.page.locator(".face").nth(1).get_by_role("button", name="Where the model looked", exact=True).click()
        one.shows("img[alt='Where the model looked for happiness']")
        one.close()
