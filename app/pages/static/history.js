// The moments of the filters in the reader's time zone: in the address they are in UTC.

const two = (number) => String(number).padStart(2, "0");

for (const input of document.querySelectorAll('input[type="datetime-local"][data-at]')) {
  const at = new Date(input.dataset.at);
  const [date, time] = [[at.getFullYear(), at.getMonth() + 1, at.getDate()], [at.getHours(), at.getMinutes(), at.getSeconds()]];
  input.value = `${date.map(two).join("-")}T${time.map(two).join(":")}`;
}

document.querySelector("form.filters")?.addEventListener("formdata", ({ formData }) => {
  for (const name of ["since", "until"]) {
    const at = new Date(formData.get(name));
    if (!Number.isNaN(at.getTime())) formData.set(name, at.toISOString().replace(".000Z", "Z"));
  }
  // What is empty would only make the address longer.
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});
