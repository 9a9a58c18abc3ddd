// Tokens of this page: the login's cookie gets them, for the stream, for what is done, and for Vonage. They are short-lived
// and kept in memory alone.

import { PhoneError } from "../switchhook.js";

const CSRF = 'meta[name="csrf-token"]';

/**
 * What `POST …/token` returns. If there is none for Vonage, as while that is away, the one for this server alone: calls
 * are shown all the same. Throws PhoneError: 401 or 403 once the login has ended.
 */
export async function newTokens(user) {
  let response = await request(user);
  if (response.status === 403 && (await hasAnotherLogin())) response = await request(user);
  if (response.status >= 500) response = await request(user, { sdk: false });
  const found = await response.json().catch(() => ({}));
  if (response.ok) return found;
  throw new PhoneError({ detail: "", title: response.statusText, ...found, status: response.status });
}

function request(user, wanted = {}) {
  return fetch(`/api/v1/users/${encodeURIComponent(user)}/token`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector(CSRF)?.content ?? "" },
    body: JSON.stringify(wanted),
    cache: "no-store",
  });
}

/** Whether somebody has logged in again, in another tab: then the CSRF token is that login's, which a new page has. */
async function hasAnotherLogin() {
  const response = await fetch(location.pathname, { cache: "no-store" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const [before, now] = [document, page].map((each) => each.querySelector(CSRF)?.content ?? "");
  if (!now || now === before) return false;
  document.querySelector(CSRF).content = now;
  return true;
}
