// What of the picture is to be painted anew: marked by the same pen, on a sheet above it.

import { $ } from "/static/dom.js";
import { base64, pngOf } from "/static/pictures.js";

const sheet = $("mask");
const pen = sheet.getContext("2d");
// Shown over the picture; only where it is, not its colour, counts.
const COLOUR = "#ff5a45";
let marked = false;

export const isMarked = () => marked;

export function mark(from, to, width) {
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = width;
  pen.strokeStyle = COLOUR;
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
  marked = true;
}

export function unmark() {
  pen.clearRect(0, 0, sheet.width, sheet.height);
  marked = false;
}

// As base64 of a PNG of a size, or null: where it is transparent, the picture is painted anew.
export async function maskOf(width, height) {
  if (!marked) return null;
  const copy = Object.assign(document.createElement("canvas"), { width, height });
  const ink = copy.getContext("2d");
  ink.drawImage(sheet, 0, 0, width, height);
  const pixels = ink.getImageData(0, 0, width, height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const touched = pixels.data[i + 3] > 127;
    pixels.data.set([0, 0, 0, touched ? 0 : 255], i);
  }
  ink.putImageData(pixels, 0, 0);
  return base64(await pngOf(copy));
}
