// What goes wrong between a page and the server.

/** What the server says is wrong: its problem (RFC 9457). `status` is 0 where there was no response, with `cause`. */
export class PhoneError extends Error {
  constructor(problem, options) {
    super(problem.detail || problem.title, options);
    this.name = "PhoneError";
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail;
    this.error_id = problem.error_id ?? null;
    this.problem = problem;
  }
}

/** That no response came, and why. */
export function noResponse(cause) {
  return new PhoneError({ status: 0, title: "No response", detail: cause.message }, { cause });
}

/** What the server says in a response that is no success. */
export async function problemOf(response) {
  const unknown = { status: response.status, title: response.statusText || "No success", detail: "" };
  return { ...unknown, ...(await response.json().catch(() => ({}))) };
}
