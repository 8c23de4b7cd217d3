// The camera: started by the visitor alone, one frame at a time, stopped whenever the page shows something else.

import { Failure } from "./api.js";

const WIDTH = 640;

export class Camera {
  constructor(video) {
    this.video = video;
    this.canvas = document.createElement("canvas");
    this.stream = null;
  }

  get isOn() {
    return this.stream !== null;
  }

  async start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Failure("camera_insecure", "Browsers give the camera to pages of this machine or with https only. Open the page on the machine that it runs on, or choose a photo.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH }, facingMode: "user" }, audio: false });
    } catch (error) {
      throw refusal(error);
    }
    this.stop(); // one that was asked for twice would stay on
    this.stream = stream;
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
    this.stream = null;
  }

  get size() {
    return [this.video.videoWidth, this.video.videoHeight];
  }

  grab() {
    const scale = Math.min(1, WIDTH / this.video.videoWidth);
    this.canvas.width = Math.round(scale * this.video.videoWidth);
    this.canvas.height = Math.round(scale * this.video.videoHeight);
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/jpeg", 0.9));
  }

  get canRecord() {
    return typeof MediaRecorder !== "undefined";
  }

  record(seconds) {
    const recorder = new MediaRecorder(this.stream);
    const pieces = [];
    recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
    return new Promise((resolve, reject) => {
      recorder.addEventListener("stop", () => resolve(new Blob(pieces, { type: recorder.mimeType })));
      recorder.addEventListener("error", () => reject(new Failure("camera_lost", "The camera could not be recorded.")));
      recorder.start();
      setTimeout(() => recorder.state !== "inactive" && recorder.stop(), 1000 * seconds);
    });
  }
}

function refusal(error) {
  if (error.name === "NotAllowedError") {
    return new Failure("camera_refused", "The browser did not allow the camera. To use it, allow it beside the address of this page; files work without.");
  }
  if (error.name === "NotFoundError") return new Failure("camera_none", "No camera was found. Choose a file instead.");
  return new Failure("camera_lost", "The camera cannot be used now; perhaps another program has it.");
}
