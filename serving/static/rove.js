// A group of buttons is one stop of the Tab key; arrow keys, Home and End move within it.

const MOVES = {
  ArrowLeft: () => -1,
  ArrowRight: () => 1,
  ArrowUp: (columns) => -columns,
  ArrowDown: (columns) => columns,
};

const buttonsOf = (group) => [...group.children].filter((one) => one.matches("button:not([hidden])"));

export function rove(group) {
  group.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const items = buttonsOf(group);
    const at = items.indexOf(document.activeElement);
    const to = { Home: 0, End: items.length - 1 }[event.key] ?? at + (MOVES[event.key]?.(columnsOf(group)) ?? NaN);
    if (at < 0 || !items[to]) return;
    event.preventDefault();
    items[to].focus();
  });
  group.addEventListener("focusin", (event) => stopAt(group, event.target.closest("button")));
}

// Says which button of the group the Tab key finds.
export function stopAt(group, button) {
  for (const one of buttonsOf(group)) one.tabIndex = one === button ? 0 : -1;
}

function columnsOf(group) {
  const style = getComputedStyle(group);
  return style.display === "grid" ? style.gridTemplateColumns.split(" ").length : 1;
}
