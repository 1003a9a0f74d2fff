// The address of a list holds what was filled in and nothing else; choices apply at once.

const form = document.querySelector("form[data-filters]");

form?.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

form?.addEventListener("change", ({ target }) => {
  if (target.matches("select, input[type=checkbox]")) form.requestSubmit();
});
