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
      await run(...waiting);
    }
  };
}
