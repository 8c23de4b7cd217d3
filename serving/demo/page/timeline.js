// A clip over time: for every face its probabilities, stacked, and how much each frame counted.

import { el, percent, svg } from "./dom.js";

const MOST_CHARTS = 6;

export class Timeline {
  constructor({ section, note, legend, charts, table }) {
    Object.assign(this, { section, note, legend, charts, table });
    this.heads = [];
    table.addEventListener("toggle", () => this.#fillTable());
  }

  show(reading, model, seek) {
    this.reading = reading;
    this.model = model;
    const { frames, tracks } = reading;
    // Every frame lasts to the next one, the last as long as the others do on average.
    const step = frames.length > 1 ? frames.at(-1).seconds / (frames.length - 1) : 1;
    this.times = [...frames.map((frame) => frame.seconds), frames.at(-1).seconds + step];
    this.total = this.times.at(-1);
    this.heads = [];
    const longest = [...tracks].sort((one, other) => other.frames.length - one.frames.length).slice(0, MOST_CHARTS);
    const shown = tracks.filter((track) => longest.includes(track));
    this.note.textContent = noteOf(reading, model, tracks.length - shown.length);
    this.legend.replaceChildren(...model.labels.map((label) =>
      el("li", {}, el("span", { class: "dot", style: { background: model.colours[label] } }), label)));
    this.charts.replaceChildren(...shown.map((track) => this.#chart(track, seek)));
    this.table.open = false;
    this.section.hidden = false;
    this.move(0);
  }

  hide() {
    this.section.hidden = true;
    this.charts.replaceChildren();
  }

  move(index) {
    const left = `${(100 * (this.times[index] + this.times[index + 1])) / 2 / this.total}%`;
    for (const head of this.heads) head.style.left = left;
  }

  #chart(track, seek) {
    const parts = [this.#plot(track, seek, (place) => stack(track.rows[place]), this.model.labels.map((label) => this.model.colours[label]), "")];
    if (track.attention) {
      const most = Math.max(...track.attention);
      const peak = track.attention.indexOf(most);
      parts.push(
        el("p", { class: "hint", text: `Attention: how much each frame counts in the clip's answer. ${isEven(track.attention)
          ? "Here all count the same." : `Most, ${percent(most)}, at ${this.#at(track.frames[peak])}.`}` }),
        this.#plot(track, seek, (place) => [[0, track.attention[place] / most]], [null], "is-attention"),
      );
    }
    return el("div", { class: "chart" }, el("h3", { text: `Face ${track.number}: ${track.label}` }), ...parts);
  }

  // Columns, one a frame: `spansOf` gives the lower and upper end, 0-1, for each colour.
  #plot(track, seek, spansOf, colours, kind) {
    const paths = colours.map(() => []);
    track.frames.forEach((frame, place) => {
      const [left, right] = [this.times[frame], this.times[frame + 1]].map((time) => (1000 * time) / this.total);
      spansOf(place).forEach(([low, high], which) => {
        paths[which].push(`M${left} ${100 - 100 * low}V${100 - 100 * high}H${right}V${100 - 100 * low}Z`);
      });
    });
    const drawn = svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      ...paths.map((path, which) => svg("path", { d: path.join(""), ...(colours[which] ? { fill: colours[which] } : {}) })));
    const head = el("div", { class: "head" });
    this.heads.push(head);
    const node = el("div", { class: `plot ${kind}` }, drawn, head);
    const follow = (event) => {
      const box = node.getBoundingClientRect();
      const time = (this.total * (event.clientX - box.left)) / box.width;
      const after = this.times.findIndex((start) => start > time);
      seek(Math.min(this.reading.frames.length - 1, Math.max(0, (after < 0 ? this.times.length : after) - 1)));
    };
    node.addEventListener("pointerdown", (event) => {
      node.setPointerCapture(event.pointerId);
      follow(event);
    });
    node.addEventListener("pointermove", (event) => event.buttons && follow(event));
    return node;
  }

  #at(frame) {
    return `${this.times[frame].toFixed(2)} s`;
  }

  #fillTable() {
    if (!this.table.open) return;
    const { tracks } = this.reading;
    const attention = tracks.some((track) => track.attention);
    const head = ["Time", "Face", "Label", ...this.model.labels, ...(attention ? ["Attention"] : [])];
    const rows = tracks.flatMap((track) => track.frames.map((frame, place) => [
      this.#at(frame), track.number, track.labels[place], ...track.rows[place].map(percent),
      ...(attention ? [track.attention ? percent(track.attention[place]) : ""] : []),
    ]));
    this.table.querySelector(".scroll").replaceChildren(el("table", {},
      el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((text) => el("td", { text })))))));
  }
}

function stack(row) {
  let low = 0;
  return row.map((value) => [low, (low += value)]);
}

const isEven = (weights) => weights.length > 1 && Math.max(...weights) - Math.min(...weights) < 1e-3;

// How much of a clip was read that was not read to its end.
export function extent({ frames, seconds }) {
  const until = frames.at(-1).seconds.toFixed(0);
  return seconds ? `the first ${until} of ${seconds.toFixed(0)} seconds` : `the first ${until} seconds`;
}

function noteOf(reading, model, more) {
  const { frames, every, whole } = reading;
  const read = every === 1 ? `${frames.length} frames` : `${frames.length} frames, one in ${every}`;
  const parts = [`Read: ${read}${whole ? "" : `, ${extent(reading)}`}.`];
  parts.push(model.clips
    ? "At each frame: the answer to the frames up to there. The model weighs frames by attention."
    : "At each frame: the answer to that frame alone. The clip's answer is their mean; this model has no attention.");
  if (more) parts.push(`${more} more, seen for shorter, are not drawn.`);
  return parts.join(" ");
}
