// The page as a whole: what is shown, and what each button does.

import { Failure, askModels, askReading, askSample } from "./api.js";
import { Camera } from "./camera.js";
import { byId, el, plural, sentence } from "./dom.js";
import { FaceCard, describe, placeBoxes, showBoxes } from "./faces.js";
import { shrink } from "./shrink.js";
import { Timeline, extent } from "./timeline.js";

const RECORD_SECONDS = 3;
const SPOKEN_EVERY = 3000; // milliseconds between two lines that a screen reader reads out from the camera

const [picture, video, boxes] = ["picture", "video", "boxes"].map(byId);
const [seek, clock, play] = ["seek", "clock", "play"].map(byId);
const camera = new Camera(video);
const timeline = new Timeline({
  section: byId("timeline"), note: byId("timeline-note"), legend: byId("legend"), charts: byId("charts"), table: byId("table"),
});

let models = [];
let limits = {};
let model = null; // the chosen one
let last = null; // the file that was read last, to be read again by another model
let reading = null; // what is shown
let origin = null; // of a frame that is looked at closer, the clip: its `file`, and `answer`, `model`, `index` as shown
let cards = [];
let chosen = null; // number of the face
let asking = null; // AbortController of the question under way
let focused = null; // what had the focus before the loading layer came over it
let timer = null; // of the player
let ready = null; // a promise: the models are known, or what is wrong with them is said

// What is shown ------------------------------------------------------------------------------------------------------

const TITLES = {
  stopped: "The demo has stopped",
  model_server: "The model server does not answer",
  undecodable: "This cannot be read",
  unreadable: "This cannot be read",
  too_large: "Too large",
  camera_refused: "The camera was refused",
  camera_insecure: "No camera on this page",
  camera_none: "No camera",
  camera_lost: "The camera does not work",
};

function complain(error) {
  const actions = [];
  if (error.code === "stopped" || error.code === "model_server") {
    actions.push(el("button", { type: "button", text: "Try again", on: { click: retry } }));
  }
  const advice = error.code === "stopped" ? " Start it again with fer-keras demo; this page waits for it." : "";
  byId("banner").replaceChildren(
    el("h2", { text: TITLES[error.code] ?? "That did not work" }), el("p", { text: error.message + advice }), ...actions,
  );
  byId("banner").hidden = false;
  byId("banner").dataset.code = error.code;
}

function calm() {
  byId("banner").hidden = true;
  byId("banner").replaceChildren();
}

function busy(text) {
  const layer = byId("loading");
  const cancel = byId("cancel");
  const comes = text && layer.hidden;
  const goes = !text && document.activeElement === cancel;
  const had = document.activeElement;
  layer.hidden = !text;
  byId("loading-text").textContent = text ?? "";
  byId("stage").setAttribute("aria-busy", String(Boolean(text)));
  for (const id of ["drop", "view"]) byId(id).inert = Boolean(text);
  if (text) say(text);
  // Who is elsewhere, at the models for one, stays there.
  if (comes && (had === document.body || byId("stage").contains(had))) {
    focused = had;
    cancel.focus({ preventScroll: true });
  }
  if (goes) {
    // Hidden by what is shown now, it gives way to the first button, or to the picture.
    const next = focused?.offsetParent ? focused : byId(byId("drop").hidden ? "stage" : "choose");
    next.focus({ preventScroll: true });
  }
}

function cancel() {
  clear();
  stage("drop");
  busy(null);
}

// What there is to know beside the answer.
function remark(text) {
  byId("remark").hidden = false; // first, for what changes while it is hidden is not read out
  byId("remark").append(`${text} `);
}

function say(text) {
  byId("status").textContent = text;
}

// `what`: drop, picture, clip or camera
function stage(what) {
  document.body.dataset.shows = what;
  byId("drop").hidden = what !== "drop";
  byId("view").hidden = what === "drop";
  picture.hidden = what === "camera";
  video.hidden = what !== "camera";
  byId("player").hidden = what !== "clip";
  for (const id of ["another", "again"]) byId(id).hidden = what === "camera";
  for (const id of ["freeze", "stop"]) byId(id).hidden = what !== "camera";
  byId("record").hidden = what !== "camera" || !camera.canRecord;
  byId("closer").hidden = what !== "clip" || !(model.explains || model.restores);
  byId("back").hidden = what !== "picture" || !origin;
  byId("panel").classList.toggle("is-reading", what !== "drop");
  byId("abilities").hidden = what !== "drop";
  byId("panel-title").textContent = what === "drop" ? "What you will see" : "Faces";
  byId("advice").hidden = true;
  byId("work").classList.remove("is-many");
  if (what !== "clip") timeline.hide();
  if (what === "drop") say("");
}

function clear() {
  asking?.abort();
  asking = null;
  pause();
  camera.stop();
  reading = null;
  origin = null;
  chosen = null;
  cards = [];
  byId("remark").replaceChildren();
  byId("remark").hidden = true;
  byId("cards").replaceChildren();
  boxes.replaceChildren();
}

// A still face can be explained; a frame that is gone by the time of the answer cannot.
function showCards(numbers, explains) {
  const kept = new Map(cards.map((card) => [card.number, card]));
  cards = numbers.map((number) => kept.get(number) ?? new FaceCard(number, model, explains && model.explains));
  const nodes = cards.map((card) => card.node);
  const holder = byId("cards");
  if (nodes.length !== holder.children.length || nodes.some((node, place) => node !== holder.children[place])) holder.replaceChildren(...nodes);
}

function choose(number) {
  chosen = number;
  for (const card of cards) card.choose(card.number === number);
  for (const box of boxes.children) box.classList.remove("is-chosen");
  const place = cards.findIndex((card) => card.number === number);
  boxes.children[place]?.classList.add("is-chosen");
  cards[place]?.node.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function place() {
  if (!reading) return;
  const isCamera = !video.hidden;
  placeBoxes(boxes, isCamera ? video : picture, isCamera ? camera.size : reading.size);
}

// The panel's heading, and advice where there is no face.
function head(count, advice = "") {
  byId("panel-title").textContent = count ? plural(count, "face") : "No face found";
  byId("advice").textContent = advice;
  byId("advice").hidden = !advice || count > 0;
}

const NO_FACE = "Faces are found where they are upright enough, in light, and wider than a twentieth of the picture.";

function summary(faces) {
  if (!faces.length) return `No face was found. ${NO_FACE}`;
  const each = faces.map((face) => (faces.length > 1 ? `face ${face.number}: ` : "") + describe(face, model)).join("; ");
  return `${plural(faces.length, "face")}: ${each}.`;
}

// Pictures -----------------------------------------------------------------------------------------------------------

function showPicture(answer) {
  reading = answer;
  const faces = answer.faces.map((face, index) => ({ ...face, number: index + 1 }));
  picture.src = answer.picture;
  picture.alt = summary(faces);
  stage("picture");
  showCards(faces.map((face) => face.number), true);
  cards.forEach((card, index) => card.show(faces[index]));
  byId("work").classList.toggle("is-many", faces.length > 1);
  showBoxes(boxes, faces, model, { choose });
  head(faces.length, NO_FACE);
  say(summary(faces));
  picture.decode().catch(() => {}).finally(place);
}

// Clips --------------------------------------------------------------------------------------------------------------

function showClip(answer, index = strongest(answer.tracks[0])) {
  reading = answer;
  stage("clip");
  seek.max = answer.frames.length - 1;
  const { tracks } = answer;
  timeline.show(answer, model, (index) => { pause(); showFrame(index); });
  showCards(tracks.map((track) => track.number), false);
  byId("work").classList.toggle("is-many", tracks.length > 1);
  head(tracks.length, NO_FACE);
  if (!answer.whole) remark(`${sentence(extent(answer))} were read.`);
  say(tracks.length
    ? `${plural(tracks.length, "face")} in ${plural(answer.frames.length, "frame")}: ${tracks.map((track) => `face ${track.number}, ${track.label}`).join("; ")}.`
    : "No face was found in this clip.");
  showFrame(index);
}

// The frame that shows the clip's answer best.
function strongest(track) {
  if (!track) return 0;
  const best = track.probabilities.indexOf(Math.max(...track.probabilities));
  const values = track.rows.map((row) => row[best]);
  return track.frames[values.indexOf(Math.max(...values))];
}

function showFrame(index) {
  const frame = reading.frames[index];
  picture.src = frame.picture;
  seek.value = index;
  const faces = [];
  reading.tracks.forEach((track, which) => {
    const at = track.frames.indexOf(index);
    const face = { number: track.number, box: track.boxes[at], label: track.labels[at], probabilities: track.rows[at] ?? track.rows[0].map(() => 0) };
    cards[which].showOfClip(face, track, { part: reading.whole ? "the whole clip" : extent(reading), isSeen: at >= 0 });
    if (at >= 0) faces.push(face);
  });
  showBoxes(boxes, faces, model, { choose });
  clock.textContent = `${frame.seconds.toFixed(2)} s, ${index + 1} of ${reading.frames.length}`;
  const heard = faces.map((face) => `face ${face.number}: ${describe(face, model)}`).join("; ") || "no face";
  seek.setAttribute("aria-valuetext", `frame ${index + 1} of ${reading.frames.length}, ${frame.seconds.toFixed(2)} seconds, ${heard}`);
  picture.alt = `Frame ${index + 1}: ${heard}`;
  timeline.move(index);
  picture.decode().catch(() => {}).finally(place);
}

function start() {
  if (Number(seek.value) === reading.frames.length - 1) showFrame(0);
  play.textContent = "Pause";
  play.setAttribute("aria-pressed", "true");
  const next = () => {
    const index = Number(seek.value) + 1;
    if (index >= reading.frames.length) return pause();
    showFrame(index);
    wait(index);
  };
  const wait = (index) => {
    const { frames } = reading;
    const pauseFor = index + 1 < frames.length ? frames[index + 1].seconds - frames[index].seconds : 0;
    timer = setTimeout(next, 1000 * Math.min(1, Math.max(0.02, pauseFor)));
  };
  wait(Number(seek.value));
}

function pause() {
  clearTimeout(timer);
  timer = null;
  play.textContent = "Play";
  play.setAttribute("aria-pressed", "false");
}

// Files --------------------------------------------------------------------------------------------------------------

// Of a data: address, which the page's own policy does not let it fetch.
function blobOf(address) {
  const [kind, content] = address.split(",");
  return new Blob([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], { type: kind.slice(5).split(";")[0] });
}

const isClip = (file) => !/^image\//.test(file.type) || /gif|tiff|svg|heic|heif|avif/.test(file.type);

// Does what a visitor may cancel; what comes next cancels it too.
async function working(job) {
  clear();
  calm();
  const mine = (asking = new AbortController());
  try {
    await ready;
    if (!model) await loadModels(); // what was wrong then may be over
    if (!mine.signal.aborted) await job(mine.signal);
  } catch (error) {
    if (mine.signal.aborted) return;
    stage("drop");
    fail(error);
  } finally {
    if (asking === mine) {
      asking = null;
      busy(null);
    }
  }
}

async function read(given, signal) {
  busy(isClip(given) ? "Reading the clip frame by frame…" : "Looking for faces…");
  const file = isClip(given) ? given : await shrink(given, limits);
  const most = isClip(given) ? limits.clip_bytes : limits.picture_bytes;
  if (file.size > most) {
    throw new Failure("too_large", `This file has ${(file.size / 2 ** 20).toFixed(0)} MiB; at most ${most / 2 ** 20} are taken.`);
  }
  last = file;
  const answer = await askReading(file, model.name, { signal });
  if (signal.aborted) return;
  if (answer.kind === "clip") showClip(answer);
  else showPicture(answer);
}

const readFile = (file) => working((signal) => read(file, signal));

const readSample = (kind) => working(async (signal) => {
  busy(kind === "clip" ? "Drawing a clip…" : "Drawing a face…");
  await read(await askSample(kind, signal), signal);
});

function readFiles(files) {
  if (!files.length) return;
  const [first] = files;
  working((signal) => {
    if (files.length > 1) remark(`${files.length} files came; only the first, “${first.name}”, is read.`);
    return read(first, signal);
  });
}

// A frame of a clip as a picture, with the way back.
function readFrame(frame, clip) {
  working((signal) => {
    origin = clip;
    return read(frame, signal);
  });
}

function lookCloser() {
  readFrame(blobOf(picture.src), { file: last, answer: reading, model, index: Number(seek.value) });
}

function goBack() {
  const { file, answer, model: reader, index } = origin;
  if (reader !== model) return readFile(file); // the answer is another model's
  clear();
  last = file;
  showClip(answer, index);
  byId("closer").focus();
}

// Camera -------------------------------------------------------------------------------------------------------------

const useCamera = () => working(async (signal) => {
  busy("Waiting for the camera. Your browser may ask you first…");
  await camera.start();
  if (signal.aborted) return camera.stop(); // the visitor has gone on to something else
  stage("camera");
  byId("panel-title").textContent = "Looking for faces…";
  say("Looking for faces…");
  last = null;
  const { stream } = camera;
  stream.getVideoTracks()[0].addEventListener("ended", () => {
    if (camera.stream !== stream) return;
    clear();
    stage("drop");
    fail(new Failure("camera_lost", "The camera has gone."));
  });
  watch(stream);
});

// Reads frame after frame, each when the one before is answered.
async function watch(stream) {
  let spoken = "", spokenAt = 0;
  while (camera.stream === stream) {
    if (document.hidden) {
      await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
      continue;
    }
    let answer;
    try {
      answer = await askReading(await camera.grab(), model.name, { picture: false });
    } catch (error) {
      if (error.code === "busy") {
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      if (camera.stream !== stream) return;
      clear();
      stage("drop");
      return fail(error);
    }
    if (camera.stream !== stream) return;
    reading = answer;
    const faces = answer.faces.map((face, index) => ({ ...face, number: index + 1 }));
    showCards(faces.map((face) => face.number), false);
    cards.forEach((card, index) => card.show(faces[index]));
    showBoxes(boxes, faces, model, { mirrored: true, choose });
    place();
    head(faces.length, NO_FACE);
    const line = faces.length ? `${plural(faces.length, "face")}: ${faces.map((face) => face.label).join(", ")}.` : "No face in sight.";
    if (line !== spoken && performance.now() - spokenAt > SPOKEN_EVERY) {
      say(line);
      [spoken, spokenAt] = [line, performance.now()];
    }
  }
}

async function freeze() {
  const frame = await camera.grab();
  await readFile(frame);
}

async function record() {
  const button = byId("record");
  const text = button.textContent;
  button.disabled = true;
  button.textContent = "Recording…";
  try {
    const clip = await camera.record(RECORD_SECONDS);
    if (camera.isOn) await readFile(clip);
  } catch (error) {
    fail(error);
  } finally {
    button.disabled = false;
    button.textContent = text;
  }
}

// Models -------------------------------------------------------------------------------------------------------------

async function loadModels() {
  const answer = await askModels();
  limits = answer.limits;
  models = answer.models.filter((one) => !one.problem);
  byId("clip-limit").textContent = limits.clip_bytes / 2 ** 20;
  tellWhere(answer.address);
  const select = byId("model");
  select.replaceChildren(...answer.models.map((one) =>
    el("option", { value: one.name, disabled: Boolean(one.problem), text: one.problem ? `${one.name} (not ready)` : one.name })));
  model = models.find((one) => one.name === model?.name) ?? models[0] ?? null;
  select.disabled = models.length < 2;
  select.hidden = answer.models.length < 2;
  byId("only").hidden = !select.hidden;
  byId("only").textContent = answer.models[0].name;
  if (!model) throw new Failure("model_server", answer.models.map((one) => one.problem).join(" "));
  select.value = model.name;
  tellAbilities();
}

function tellWhere(address) {
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const machine = here ? "this machine" : `the machine ${location.hostname}`;
  byId("where").textContent = machine;
  byId("privacy").textContent = `Pictures go from this page to the program on ${machine} and ${address ? `the faces in them on to the model server ${address}` : "nowhere else"}. `
    + "They are kept in memory until they are read, never written to a disk or a log, and never used to learn from. Nothing on this page comes from, or goes to, any other place.";
}

function tellAbilities() {
  const able = (is, title, text) => el("li", { class: is ? "" : "is-absent" }, el("div", {}, el("b", { text: title }), el("span", { text })));
  byId("abilities").replaceChildren(
    able(true, "Every face, named", `${model.labels.length} expressions, each with a probability: ${model.labels.join(", ")}.`),
    able(true, "Clips, frame by frame", model.clips ? "With attention: how much each frame counted." : "Each frame on its own; this model has no attention."),
    able(model.explains, "Where the model looked", model.explains ? "A heat map for any of the expressions." : "This model does not show it."),
    able(model.restores, "Covered faces, restored", model.restores ? "What the model paints where a face is covered." : "This model does not restore."),
  );
  byId("card").href = `/card/${encodeURIComponent(model.name)}`;
}

function changeModel() {
  model = models.find((one) => one.name === byId("model").value);
  tellAbilities();
  if (camera.isOn) {
    cards = []; // made for the other model's labels; the next frame brings new ones
    boxes.replaceChildren();
  } else if (last && document.body.dataset.shows !== "drop") readFrame(last, origin);
}

// What went wrong, and coming back from it ---------------------------------------------------------------------------

function fail(error) {
  if (!(error instanceof Failure)) throw error;
  busy(null);
  complain(error);
  if (error.code === "stopped") waitForServer();
}

let waiting = false;
async function waitForServer() {
  if (waiting) return;
  waiting = true;
  while (byId("banner").dataset.code === "stopped" && !byId("banner").hidden) {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    try {
      await loadModels();
      calm();
      say("The demo is back.");
    } catch { /* still away */ }
  }
  waiting = false;
}

async function retry() {
  try {
    await loadModels();
    calm();
    if (last) await readFile(last);
  } catch (error) {
    fail(error);
  }
}

// Wiring -------------------------------------------------------------------------------------------------------------

const file = byId("file");
byId("choose").addEventListener("click", () => file.click());
byId("another").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  readFiles([...file.files]);
  file.value = ""; // the same file may be chosen again
});
for (const id of ["camera", "again"]) byId(id).addEventListener("click", useCamera);
for (const button of document.querySelectorAll("[data-sample]")) button.addEventListener("click", () => readSample(button.dataset.sample));
byId("stop").addEventListener("click", () => { clear(); stage("drop"); byId("camera").focus(); });
byId("cancel").addEventListener("click", cancel);
addEventListener("keydown", (event) => { if (event.key === "Escape" && !byId("loading").hidden) cancel(); });
byId("freeze").addEventListener("click", freeze);
byId("record").addEventListener("click", record);
byId("closer").addEventListener("click", lookCloser);
byId("back").addEventListener("click", goBack);
byId("model").addEventListener("change", changeModel);
play.addEventListener("click", () => (timer ? pause() : start()));
seek.addEventListener("input", () => { pause(); showFrame(Number(seek.value)); });
new ResizeObserver(place).observe(byId("frame"));

let depth = 0; // of drag events, which come for every element that is entered
const over = (is) => { byId("over").hidden = !is; };
addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; over(true); });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("dragleave", () => { depth -= 1; over(depth > 0); });
addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  over(false);
  readFiles([...event.dataTransfer.files]);
});
addEventListener("paste", (event) => readFiles([...event.clipboardData.files]));

stage("drop");
ready = loadModels().catch(fail);
