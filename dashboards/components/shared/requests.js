// Requests to the dashboard's own routes. An answer that is an error is thrown with the message that the server gave.

export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.name = "RequestError";
    this.status = status;
  }
}

export function routeUrl(run, route, query = {}) {
  return `/oddpixel/runs/${encodeURIComponent(run)}/${route}?${new URLSearchParams(query)}`;
}

export async function request(url, options = {}) {
  const response = await fetch(url, { credentials: "same-origin", ...options });
  if (!response.ok) throw new RequestError(response.status, await errorMessage(response));
  return response;
}

export async function requestJson(url, options = {}) {
  return (await request(url, options)).json();
}

export async function requestBytes(url) {
  return (await request(url)).arrayBuffer();
}

/** The ticket names the author; the server signed it, and no other site can know it. */
export function postJson(url, ticket, content, options = {}) {
  const headers = { "content-type": "application/json", "x-oddpixel-ticket": ticket };
  return requestJson(url, { ...options, method: "POST", headers, body: JSON.stringify(content) });
}

async function errorMessage(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `${response.status} ${response.statusText}`; // a proxy's page, not an answer of ours
  }
}
