// Tokens of this page: the login's cookie gets them, for the stream, for what is done, and for Vonage. They are short-lived
// and kept in memory alone.

import { PhoneError } from "../switchhook.js";

/** What `POST …/token` returns. Throws PhoneError: 401 or 403 once the login has ended. */
export async function newTokens(user) {
  const csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  const response = await fetch(`/api/v1/users/${encodeURIComponent(user)}/token`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: "{}",
    cache: "no-store",
  });
  const found = await response.json().catch(() => ({}));
  if (response.ok) return found;
  throw new PhoneError({ detail: "", title: response.statusText, ...found, status: response.status });
}
