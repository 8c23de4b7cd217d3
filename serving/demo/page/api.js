// What the page asks the demo, and what can go wrong, as a `Failure` with a code.

export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const STOPPED = "The program behind this page does not answer.";
const WRONG = "Something went wrong in the demo.";

// A request; `take` gets what is wanted from the response.
async function ask(path, options, take = (response) => response.json()) {
  try {
    const response = await fetch(path, options);
    if (response.ok) return await take(response);
    const { error } = await response.json();
    throw new Failure(error?.code ?? "internal", error?.message ?? WRONG);
  } catch (error) {
    if (error instanceof Failure || error.name === "AbortError") throw error;
    // TypeError is what `fetch` says of a network that fails; anything else, an answer of another program.
    throw error.name === "TypeError" ? new Failure("stopped", STOPPED) : new Failure("internal", WRONG);
  }
}

// Read before it is sent: of a body that cannot be read `fetch` says what it says of a network that fails.
async function contentOf(file) {
  try {
    return await file.arrayBuffer();
  } catch {
    const name = file.name ? `“${file.name}”` : "This file";
    throw new Failure("unreadable", `${name} cannot be read. It may be a folder, or no longer be where it was.`);
  }
}

export const askModels = () => ask("/api/models");

export async function askReading(file, model, { picture = true, signal } = {}) {
  const body = await contentOf(file);
  const query = new URLSearchParams({ model, ...(picture ? {} : { picture: "no" }) });
  const headers = { "content-type": "application/octet-stream" };
  return ask(`/api/read?${query}`, { method: "POST", body, headers, signal });
}

export function askWhere(model, face, label) {
  const body = JSON.stringify({ model, crop: face.crop, landmarks: face.landmarks, label });
  return ask("/api/explain", { method: "POST", body, headers: { "content-type": "application/json" } });
}

export const askSample = (kind, signal) => ask(`/api/sample/${kind}`, { signal }, (response) => response.blob());
