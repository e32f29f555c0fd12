// Talking to the server: answers, or errors whose message can be shown.

export async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options || {});
  } catch {
    throw new Error("The server does not answer.");
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok) return content;
  const error = content?.error;
  throw new Error(error ? `${error.message} (request ${error.request_id})` : `Error ${answer.status}`);
}

// Runs one call at a time; of those that come meanwhile only the last is kept.
export function latest(work) {
  let running = false;
  let next = null;
  return async function run(...values) {
    if (running) {
      next = values;
      return;
    }
    running = true;
    try {
      await work(...values);
    } finally {
      running = false;
    }
    if (next) {
      const waiting = next;
      next = null;
      run(...waiting);
    }
  };
}

export function note(element, text, wrong = false) {
  element.textContent = text;
  element.classList.toggle("wrong", wrong);
}

export function quoted(value) {
  return `'${String(value).replaceAll("'", "'\\''")}'`;
}
