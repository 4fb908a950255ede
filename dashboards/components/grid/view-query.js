// The query of a view: sort, filters and thresholds, as the address bar has them.
import { formatNumber } from "../shared/numbers.js";

/** The query that a page was opened with, and the item that it should show. */
export function openedQuery(text) {
  const query = new URLSearchParams(text);
  const item = query.get("item");
  query.delete("item");
  query.delete("run");
  return { query, item };
}

/** With another value; an empty one takes a filter away, but sorts by the order of the inputs. */
export function changedQuery(query, name, value) {
  const changed = new URLSearchParams(query);
  if (value || name === "sort") changed.set(name, value);
  else changed.delete(name);
  return changed;
}

export function isAscending(query) {
  return query.get("up") === "1";
}

/** What the address bar holds: the view, and the item where the cursor is (null for the first). */
export function addressQuery(run, query, item) {
  const address = new URLSearchParams({ run, ...Object.fromEntries(query) });
  if (item !== null) address.set("item", item);
  return address;
}

/** A range of values, such as `p_value:0.01:0.02`, in words; empty without one. */
export function rangeText(range) {
  const [column, low, high] = (range ?? "").split(":");
  if (!column) return "";
  const name = column === "p_value" ? "p" : "oddness";
  if (!low || !high) return low ? `${name} from ${formatNumber(low)}` : `${name} below ${formatNumber(high)}`;
  return `${name} ${formatNumber(low)} to ${formatNumber(high)}`;
}
