// Why something was not done: a problem of the API in the words of the page (app/pages/acting.py).

/** Why nothing was done, in the language of the page: `problem` is a response of the API that is an error. */
export function reason(problem, words) {
  const { action } = problem;
  const fault = words.faults[problem.title] ?? words.faults[action?.state] ?? (problem.errors && words.faults.wrong) ?? words.faults.else;
  const parts = [fault];
  if (action?.vonage_detail) parts.push(`${words.vonage} ${action.vonage_detail}`);
  else if (problem.errors) for (const [name, text] of Object.entries(problem.errors)) parts.push(`${name}: ${[text].flat().join(" ")}`);
  else if (["Not in a state for it", "NCCO refused", "Conference not possible"].includes(problem.title)) parts.push(words.reasons[problem.detail] ?? problem.detail);
  else if (parts[0] === words.faults.else && problem.detail) parts.push(problem.detail);
  return parts.join(". ");
}
