// What can be seen of the dashboard: defined in its page before anything else runs.
window.oddGrid = () =>
  [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".grid")).find(Boolean);

// Every cell in sight is there, and its picture painted.
window.oddSeen = () => {
  const grid = window.oddGrid();
  if (!grid?.dataset.ready) return false;
  const box = grid.getBoundingClientRect();
  const cells = [...grid.querySelectorAll(".cell")].filter((cell) => {
    const place = cell.getBoundingClientRect();
    return place.top < box.bottom && place.bottom > box.top;
  });
  return (
    cells.length > 5 &&
    cells.every((cell) => cell.querySelector("img")?.complete && cell.querySelector("img").naturalWidth > 0)
  );
};

window.oddAgain = (before) => Number(window.oddGrid()?.dataset.ready) > before && window.oddSeen();

window.oddCase = () =>
  [...document.querySelectorAll("*")].some((e) => e.shadowRoot?.querySelector(".stage")?.dataset.ready);

window.oddJump = (part) => {
  const grid = window.oddGrid();
  grid.scrollTop = grid.scrollHeight * part;
  return new Promise((done) => requestAnimationFrame(done));
};

// All tiles in sight are there.
window.oddCaseWhole = () => {
  const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".odd"));
  const viewer = roots.find((root) => root?.viewer)?.viewer;
  return Boolean(viewer?.isSettled) && viewer.viewport?.scale === 1;
};

// Milliseconds from the first request of the grid until now: what is before is Streamlit's own page.
window.oddOwnShare = () => {
  const asked = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/oddpixel/runs/"));
  return performance.now() - Math.min(...asked.map(({ startTime }) => startTime));
};

const frame = () => new Promise(requestAnimationFrame);

// Milliseconds from a key until the page shows something, and the frame with it is drawn.
async function untilSeen(key, isSeen) {
  const begun = performance.now();
  document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  do await frame();
  while (!isSeen());
  await frame();
  return performance.now() - begun;
}

window.oddVerdict = (key) => {
  const id = window.oddGrid().querySelector(".cell.current").id;
  return untilSeen(key, () => window.oddGrid().querySelector(`#${id} .chip[class*="verdict-"]`));
};

window.oddNext = (key) => {
  const stages = [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".stage"));
  const stage = stages.find(Boolean);
  const before = stage.dataset.ready;
  return untilSeen(key, () => stage.dataset.ready !== before);
};
