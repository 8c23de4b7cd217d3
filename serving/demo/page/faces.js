// Faces: the boxes on the picture, and a card for each with its named probabilities.

import { askWhere } from "./api.js";
import { el, percent } from "./dom.js";

const bestOf = (row) => row.indexOf(Math.max(...row));

// The boxes lie over what is seen of the picture, which is fitted into the frame.
export function placeBoxes(layer, media, size) {
  const [width, height] = size;
  const scale = Math.min(media.clientWidth / width, media.clientHeight / height);
  Object.assign(layer.style, {
    width: `${width * scale}px`,
    height: `${height * scale}px`,
    left: `${media.offsetLeft + (media.clientWidth - width * scale) / 2}px`,
    top: `${media.offsetTop + (media.clientHeight - height * scale) / 2}px`,
  });
}

// Shows boxes; those that are there are moved, so that the keyboard's focus stays where it is.
export function showBoxes(layer, faces, model, { mirrored = false, choose }) {
  while (layer.children.length > faces.length) layer.lastChild.remove();
  faces.forEach((face, place) => {
    let box = layer.children[place];
    if (!box) {
      box = el("button", { class: "box", type: "button" }, el("span", { class: "tag" }, el("span", { class: "dot" }), el("b"), el("span", { class: "words" })));
      layer.append(box);
    }
    let [left, top, right, bottom] = face.box.map((edge) => Math.min(1, Math.max(0, edge)));
    if (mirrored) [left, right] = [1 - right, 1 - left];
    Object.assign(box.style, {
      left: percentOf(left), top: percentOf(top), width: percentOf(right - left), height: percentOf(bottom - top),
    });
    const best = bestOf(face.probabilities);
    box.classList.toggle("is-high", top < 0.1);
    box.classList.toggle("is-right", left > 0.6);
    box.querySelector(".dot").style.background = model.colours[model.labels[best]];
    box.querySelector(".tag b").textContent = face.number;
    const named = face.label === model.labels[best] ? `${face.label} ${percent(face.probabilities[best])}` : face.label;
    box.querySelector(".words").textContent = faces.length > 1 ? `${face.number}: ${named}` : named;
    box.setAttribute("aria-label", `Face ${face.number}: ${describe(face, model)}`);
    box.onclick = () => choose(face.number);
  });
}

const percentOf = (share) => `${100 * share}%`;

// In words: the label, and what the best guess is where it is none.
export function describe(face, model) {
  const best = bestOf(face.probabilities);
  const guess = `${model.labels[best]} ${percent(face.probabilities[best])}`;
  return face.label === model.labels[best] ? guess : `${face.label}, perhaps ${guess}`;
}

// One face's card. `show` fills it anew without making new elements.
export class FaceCard {
  // `explains`: whether the card offers to show where the model looked.
  constructor(number, model, explains) {
    this.number = number;
    this.model = model;
    this.explains = explains;
    this.face = null;
    const title = `face-${number}`;
    this.crop = el("img", { class: "crop", alt: `Face ${number} as the model gets it`, hidden: true });
    this.heading = el("h3", { id: title });
    this.kind = el("p", { class: "number" });
    this.sure = el("p", { class: "sure" });
    this.now = el("p", { class: "now", hidden: true });
    this.rows = model.labels.map((label) => this.#row(label));
    this.restored = el("figure", { class: "shown", hidden: true });
    this.where = el("figure", { class: "shown", hidden: true, "aria-live": "polite" });
    this.looked = el("button", { type: "button", "aria-pressed": "false", text: "Where the model looked", on: { click: () => this.#toggle() } });
    this.node = el(
      "article", { class: "face", "aria-labelledby": title },
      el("div", { class: "says" }, this.crop, el("div", {}, this.kind, this.heading, this.sure)),
      this.now,
      el("ul", { class: "bars" }, ...this.rows.map((row) => el("li", {}, row.node))),
      this.restored,
      this.where,
      ...(explains ? [el("div", { class: "more" }, this.looked)] : []),
    );
  }

  // `face`: label, probabilities, and perhaps crop, restored, covered.
  show(face) {
    this.#head(`Face ${this.number}`, face);
    this.#fill(face);
  }

  // A face of a clip: above, the answer to `part` of the clip; below, that at the frame which is shown.
  showOfClip(face, track, { part, isSeen }) {
    this.#head(`Face ${this.number} in ${part}`, track);
    this.now.hidden = false;
    const when = this.model.clips ? "Up to this frame" : "In this frame";
    this.now.replaceChildren(...(isSeen ? [`${when}: `, el("b", { text: face.label })] : ["Not in this frame"]));
    this.#fill(face);
  }

  choose(isChosen) {
    this.node.classList.toggle("is-chosen", isChosen);
  }

  #head(kind, { label, probabilities }) {
    const best = bestOf(probabilities);
    this.kind.textContent = kind;
    this.heading.textContent = label;
    this.sure.textContent = label === this.model.labels[best]
      ? `probability ${percent(probabilities[best])}`
      : `the best guess is ${this.model.labels[best]}, ${percent(probabilities[best])}`;
  }

  #fill(face) {
    this.face = face;
    const best = bestOf(face.probabilities);
    this.rows.forEach((row, place) => row.show(face.probabilities[place], place === best));
    this.crop.hidden = !face.crop;
    if (face.crop) this.crop.src = face.crop;
    this.#hideWhere();
    this.restored.hidden = !face.restored;
    this.restored.replaceChildren(...(face.restored ? [
      el("img", { src: face.restored, alt: `Face ${this.number}, restored` }),
      el("figcaption", {}, el("b", { text: "Restored before it was read" }),
        `The model took ${percent(face.covered)} of this face for covered and painted it anew: a guess, not what is behind.`),
    ] : []));
  }

  #row(label) {
    const fill = el("span", { class: "fill", style: { background: this.model.colours[label] } });
    const value = el("span", { class: "value" });
    const parts = [el("span", { class: "name", text: label }), el("span", { class: "rail", "aria-hidden": "true" }, fill), value];
    const node = this.explains
      ? el("button", { class: "bar", type: "button", "aria-pressed": "false", title: `Where the model looked for ${label}`, on: { click: () => this.#explain(label) } }, ...parts)
      : el("div", { class: "bar" }, ...parts);
    const show = (probability, isBest) => {
      fill.style.width = `${100 * probability}%`;
      value.textContent = percent(probability);
      node.classList.toggle("is-best", isBest);
    };
    return { label, node, show };
  }

  #toggle() {
    if (this.where.hidden) this.#explain(this.model.labels[bestOf(this.face.probabilities)]);
    else this.#hideWhere();
  }

  #hideWhere() {
    this.where.hidden = true;
    this.looked.setAttribute("aria-pressed", "false");
    for (const row of this.rows) if (this.explains) row.node.setAttribute("aria-pressed", "false");
  }

  async #explain(label) {
    const face = this.face;
    let parts;
    try {
      const { overlay, empty } = await askWhere(this.model.name, face, label);
      const text = empty
        ? `Nothing in this face speaks for ${label}.`
        : `Orange is where the picture speaks for ${label}. Where, not why.`;
      parts = [el("img", { src: overlay, alt: `Where the model looked for ${label}` }), el("figcaption", {}, el("b", { text: `Looked at for ${label}` }), text)];
    } catch (error) {
      parts = [el("figcaption", { text: error.message })];
    }
    if (face !== this.face) return; // another face is shown by now
    this.#hideWhere();
    this.where.replaceChildren(...parts);
    this.where.hidden = false;
    this.looked.setAttribute("aria-pressed", "true");
    this.rows.find((row) => row.label === label).node.setAttribute("aria-pressed", "true");
  }
}
