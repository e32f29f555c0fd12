// Talking to the server: answers, or errors whose message can be shown.

import { eventsOf } from "/static/events.js";
import { askForKey, authorization, currentKey } from "/static/key.js";

// With a body it posts, without one it gets. An abort by `signal` stays an AbortError.
export async function ask(path, body, signal) {
  return (await reach(path, body, signal)).json();
}

export async function* stream(path, body, signal) {
  const answer = await reach(path, body, signal);
  for await (const event of eventsOf(answer.body)) {
    if (event.error) throw said(event.error);
    yield event;
  }
}

// An <img> sends no key, so a picture is fetched like everything else.
export async function pictureAt(path) {
  return URL.createObjectURL(await (await reach(path)).blob());
}

async function reach(path, body, signal) {
  for (;;) {
    const used = currentKey();
    const answer = await sent(path, body, signal);
    if (answer.ok) return answer;
    if (answer.status !== 401) throw await problem(answer);
    // Another request may have met the same refusal and have a key by now.
    if (used === currentKey() && !(await askForKey())) throw new Error("This server asks for a key.");
  }
}

async function sent(path, body, signal) {
  const options = { headers: authorization(), signal };
  if (body) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer.");
  }
}

async function problem(answer) {
  const content = await answer.json().catch(() => null);
  return content?.error?.message ? said(content.error) : new Error(`Error ${answer.status}`);
}

function said(error) {
  return new Error(error.request_id ? `${error.message} (request ${error.request_id})` : error.message);
}
