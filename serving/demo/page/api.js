// What the page asks the demo, and what can go wrong, as a `Failure` with a code.

export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function ask(path, options) {
  let response, answer;
  try {
    response = await fetch(path, options);
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("stopped", "The program behind this page does not answer.");
  }
  if (!response.ok) throw new Failure(answer.error?.code ?? "internal", answer.error?.message ?? "Something went wrong.");
  return answer;
}

export const askModels = () => ask("/api/models");

export function askReading(file, model, { picture = true, signal } = {}) {
  const query = new URLSearchParams({ model, ...(picture ? {} : { picture: "no" }) });
  const headers = { "content-type": "application/octet-stream" };
  return ask(`/api/read?${query}`, { method: "POST", body: file, headers, signal });
}

export function askWhere(model, face, label) {
  const body = JSON.stringify({ model, crop: face.crop, landmarks: face.landmarks, label });
  return ask("/api/explain", { method: "POST", body, headers: { "content-type": "application/json" } });
}

export async function askSample(kind) {
  let response;
  try {
    response = await fetch(`/api/sample/${kind}`);
  } catch {
    throw new Failure("stopped", "The program behind this page does not answer.");
  }
  return response.blob();
}
