import { requestBytes, requestJson, routeUrl } from "../shared/requests.js";
import { decodeHeatMap } from "./heat-map.js";

/** Size, unit, window, spacing of an original. */
export function fetchFacts(run, item) {
  return requestJson(routeUrl(run, "facts", { item }));
}

/**
 * The heat map of an item, null where none was kept.
 * @param isKept - what the run says about that; undefined where it is not known.
 * @throws RequestError where one was kept and cannot be had: that must not look like an image in which nothing is odd.
 */
export async function fetchHeatMap(run, item, isKept) {
  if (isKept === false) return null;
  try {
    return decodeHeatMap(await requestBytes(routeUrl(run, "heat", { item })));
  } catch (error) {
    if (isKept === undefined && error.status === 404) return null;
    throw error;
  }
}
