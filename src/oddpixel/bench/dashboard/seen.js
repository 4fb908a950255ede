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
