// The pen: strokes by mouse, by finger or by keyboard.

// How far an arrow key moves it, in pixels of the canvas; with Shift, for details.
const STEP = 10;
const FINE = 2;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// `draw(from, to)` gets each piece of a stroke; `cursor` shows where the keyboard's pen is.
export function startPen(canvas, cursor, draw) {
  // A line without length, as a tap makes it, would leave no dot.
  const stroke = (from, [x, y]) => draw(from, [x + 0.01, y]);
  byPointer(canvas, stroke);
  byKeyboard(canvas, cursor, stroke);
}

function byPointer(canvas, draw) {
  let last = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    draw(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last || !event.isPrimary) return;
    const point = at(event);
    draw(last, point);
    last = point;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => { last = null; });
  }
}

function byKeyboard(canvas, cursor, draw) {
  let spot = [canvas.width / 2, canvas.height / 2];
  let down = false;
  const show = () => {
    cursor.style.left = `${(100 * spot[0]) / canvas.width}%`;
    cursor.style.top = `${(100 * spot[1]) / canvas.height}%`;
    cursor.classList.toggle("down", down);
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const move = MOVES[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    const from = spot;
    if (move) {
      const step = event.shiftKey ? FINE : STEP;
      spot = [from[0] + step * move[0], from[1] + step * move[1]]
        .map((value) => Math.min(canvas.width, Math.max(0, value)));
    } else if (!event.repeat) {
      down = !down;
    }
    if (down) draw(from, spot);
    show();
  });
  canvas.addEventListener("blur", () => {
    down = false;
    show();
  });
  show();
}
