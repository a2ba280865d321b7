// A field whose text is in the page and in the kernel alone: see secret.py.

function render({ model, el }) {
  for (const name of ["inline-hbox", "text"]) {
    el.classList.add("jupyter-widgets", `widget-${name}`, `jupyter-widget-${name}`);
  }
  const rows = model.get("rows");
  if (rows) {
    el.classList.add("widget-textarea", "jupyter-widget-textarea");
  }
  const label = document.createElement("label");
  label.className = "widget-label jupyter-widget-label";
  label.style.width = "140px";
  label.textContent = model.get("description");
  const input = document.createElement(rows ? "textarea" : "input");
  input.id = `kvmkit-secret-${Math.random().toString(36).slice(2)}`;
  label.htmlFor = input.id;
  if (rows) {
    input.rows = rows;
    input.spellcheck = false;
  } else {
    input.type = "password";
    input.autocomplete = "new-password";
  }
  el.append(label, input);

  input.addEventListener("input", () => model.send({ value: input.value }));
  const told = (message) => {
    input.value = message.value;
  };
  model.on("msg:custom", told);
  model.send({ asks: true });
  return () => model.off("msg:custom", told);
}

export default { render };
