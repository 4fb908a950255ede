import { requestBytes, requestJson, routeUrl } from "../shared/requests.js";
import { decodeHeatMap } from "./heat-map.js";

/** Size, unit, window, spacing of an original. */
export function fetchFacts(run, item) {
  return requestJson(routeUrl(run, "facts", { item }));
}

/** What is said of an item beside its picture. */
export function fetchCase(run, item) {
  return requestJson(routeUrl(run, "case", { item }));
}

/** The items that are not flagged and look most like an item. */
export async function fetchNormals(run, item) {
  return (await requestJson(routeUrl(run, "normals", { item }))).normals;
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
