// QR codes for the verify page, read in the browser. What is read goes the way of what is pasted:
// into the form, and then to this service. Without this script the page does the same by hand.

import { decodeQR } from "./qr/decode.js";

const SIDE_MAX = 1280; // pixels; more takes longer and finds no more
const BETWEEN_LOOKS_MS = 120;

const scan = document.getElementById("scan");
const video = document.getElementById("camera");
const start = document.getElementById("camera-start");
const stop = document.getElementById("camera-stop");
const picture = document.getElementById("picture");
const told = document.getElementById("camera-told");
const canvas = document.createElement("canvas");
let stream = null;

function tell(name) {
  told.textContent = name === null ? "" : scan.dataset[name];
}

// The text of a QR code in what `source` shows, or null.
function read(source, width, height) {
  const scale = Math.min(1, SIDE_MAX / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const drawing = canvas.getContext("2d", { willReadFrequently: true });
  drawing.fillStyle = "#fff";
  drawing.fillRect(0, 0, canvas.width, canvas.height);
  drawing.drawImage(source, 0, 0, canvas.width, canvas.height);
  try {
    return decodeQR(drawing.getImageData(0, 0, canvas.width, canvas.height));
  } catch {
    return null; // no code in this picture: that is most of them
  }
}

function check(text) {
  tell("found");
  document.getElementById("file").value = "";
  document.getElementById("text").value = text;
  document.getElementById("check").requestSubmit();
}

function stopCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  video.srcObject = null;
  video.hidden = true;
  stop.hidden = true;
  start.hidden = false;
}

function look() {
  if (stream === null) return;
  const text = video.videoWidth > 0 ? read(video, video.videoWidth, video.videoHeight) : null;
  if (text === null) {
    setTimeout(look, BETWEEN_LOOKS_MS);
  } else {
    stopCamera();
    check(text);
  }
}

start.addEventListener("click", async () => {
  start.hidden = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: SIDE_MAX } },
    });
    video.srcObject = stream;
    video.hidden = false;
    stop.hidden = false;
    stop.focus();
    await video.play();
  } catch {
    stopCamera();
    tell("refused");
    return;
  }
  tell("running");
  look();
});

stop.addEventListener("click", () => {
  stopCamera();
  tell(null);
  start.focus();
});

picture.addEventListener("change", async () => {
  const [file] = picture.files;
  if (file === undefined) return;
  let text = null;
  try {
    const bitmap = await createImageBitmap(file);
    text = read(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
  } catch {
    text = null; // not a picture
  }
  if (text === null) tell("none");
  else check(text);
});

if (navigator.mediaDevices?.getUserMedia === undefined) start.hidden = true;
scan.hidden = false;
