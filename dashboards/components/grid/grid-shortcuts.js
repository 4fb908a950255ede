// Keys and gestures of the triage view.

export function gridShortcuts(grid) {
  return [
    { key: "O", isOnce: true, action: () => grid.decide("odd"), meaning: "verdict: odd" },
    { key: "N", isOnce: true, action: () => grid.decide("normal"), meaning: "verdict: normal" },
    { key: "U", isOnce: true, action: () => grid.decide("unsure"), meaning: "verdict: unsure" },
    { key: "Z", isOnce: true, action: () => grid.undo(), meaning: "take back your last verdict" },
    { key: ".", action: () => grid.goToUndecided(), meaning: "next item without a verdict" },
    { key: "Enter", action: () => grid.openCase(), meaning: "open the case" },
    { key: "T", isOnce: true, action: () => grid.tag(), meaning: "tag what is selected, or take a tag off" },
    { key: "X", action: () => grid.toggleSelected(), meaning: "select, for a verdict on several" },
    { key: "A", action: () => grid.selectAll(), meaning: "select all that this view shows" },
    { key: "Ctrl+A", action: () => grid.selectAll(), meaning: "the same" },
    { key: "Escape", action: () => grid.clearSelection(), meaning: "clear the selection" },
    { key: "J", action: () => grid.goTo(grid.current + 1), meaning: "next" },
    { key: "K", action: () => grid.goTo(grid.current - 1), meaning: "before" },
    { key: "ArrowRight", action: () => grid.goTo(grid.current + 1), meaning: "next" },
    { key: "ArrowLeft", action: () => grid.goTo(grid.current - 1), meaning: "before" },
    { key: "ArrowDown", action: () => grid.goTo(grid.current + grid.list.layout.columns), meaning: "a row down" },
    { key: "ArrowUp", action: () => grid.goTo(grid.current - grid.list.layout.columns), meaning: "a row up" },
    { key: "Home", action: () => grid.goTo(0), meaning: "first" },
    { key: "End", action: () => grid.goTo(grid.rows.count - 1), meaning: "last" },
    { key: "M", isOnce: true, action: () => grid.toggleMaps(), meaning: "maps on the tiles, or not" },
    { key: "/", action: () => grid.filterBar.focusName(), meaning: "find by name" },
    { key: "?", action: () => grid.showHelp(), meaning: "these keys" },
  ];
}

export const GESTURES = [{ key: "Ctrl+click, Shift+click", meaning: "add to the selection, or select a range" }];
