// Changes go through the API; what goes wrong is said in the server's own words.

export async function send(method, url, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail || problem.title || `The server answered ${response.status}.`);
}

// Shows a sentence in the element that the page keeps for it (role="status", so that it is read out too).
export function say(element, sentence) {
  element.textContent = sentence;
  element.hidden = sentence === "";
}
