// The page's part of kk.console.

const LEAVE = "Ctrl-] leaves the terminal. Copy: Ctrl-Shift-C, paste: Ctrl-Shift-V.";
const PIECE = 1024; // bytes that the terminal gets at once: between two pieces the page goes on
const BACKLOG = 2 ** 20; // bytes that may wait for a page that nobody looks at
// What the terminal puts into the place of the letter before: some are enough for any writing, and a page
// that has to draw thousands in one place stands still.
const ACCENT = "[\\p{M}\\p{Cf}\\u1160-\\u11ff]";
const ACCENTS = 8;
const HEAP = new RegExp(`(${ACCENT}{${ACCENTS}})${ACCENT}+`, "gu");
const LAST = new RegExp(`${ACCENT}*$`, "u");
const QUIET = "Nothing came yet: press Enter. A Linux guest talks here with console=ttyS0 in its kernel's arguments.";

async function render({ model, el }) {
  const { xterm, addon, style } = await library(model);
  const view = Math.random().toString(36).slice(2);
  const screen = node("div", "kvmkit-console-screen");
  const status = node("span", "kvmkit-console-state");
  status.setAttribute("role", "status");
  const size = button("", "Tell a shell in the guest how large this terminal is: a serial line cannot");
  const leave = button("Disconnect", "Give the console up, so that somebody else can have it");
  const bar = node("div", "kvmkit-console-bar");
  bar.append(status, size, leave);
  el.classList.add("kvmkit-console");
  // JupyterLab takes Ctrl-S, Ctrl-B and more for itself unless an element says so (Lumino's CommandRegistry).
  screen.setAttribute("data-lm-suppress-shortcuts", "true");
  const hint = node("div", "kvmkit-console-hint");
  const sheet = document.createElement("style");
  sheet.textContent = style;
  el.append(sheet, bar, screen, hint);

  let term, fit; // made anew if what a guest says breaks them
  let seen = -1; // bytes that this view was given; -1: not yet what was said before it was there
  let waiting = []; // pieces for the terminal: [bytes, whether they were said before]
  let backlog = 0; // bytes in them
  let writing = null; // the piece that the terminal works at
  let decoder = new TextDecoder();
  let accents = ""; // with which the last piece ended
  let answers = false; // whether this view has told that it is in the page

  function open() {
    term = new xterm.Terminal({
      fontFamily: css("--jp-code-font-family", "monospace"),
      fontSize: 13,
      scrollback: 10000,
      minimumContrastRatio: 4.5, // a guest's colours are chosen for a dark screen
    });
    fit = new addon.FitAddon();
    term.loadAddon(fit);
    term.open(screen);
    restrain(term);
    term.attachCustomKeyEventHandler(keys);
    term.onData(type);
  }

  function type(text) {
    // xterm.js answers what a guest asks of a terminal: once is enough, not again when a page shows it again,
    // and not from a view that nobody can see. Which of several views may answer, the kernel knows.
    if (!writing?.[1] && screen.isConnected) model.send({ kind: "type", text, view });
  }

  // The view that came into the page last, or was used last, is the one that answers.
  function answer() {
    answers = true;
    model.send({ kind: "answers", view });
  }

  function say() {
    const attached = model.get("state") === "attached";
    el.dataset.state = model.get("state");
    status.textContent = `${model.get("title")}: ${attached ? "attached" : model.get("why")}`;
    hint.textContent = model.get("_fault") || (attached && seen === 0 ? QUIET : LEAVE);
    leave.disabled = model.get("state") === "left";
    size.disabled = !attached;
  }

  // The kernel was restarted or has ended: nothing that is typed would arrive anywhere.
  function orphaned() {
    el.dataset.state = "lost";
    status.textContent = `${model.get("title")}: the kernel behind it has ended; run the cell again`;
    term.options.disableStdin = leave.disabled = size.disabled = true;
  }

  function show(message, buffers) {
    if (message.kind === "replay" && message.view === view) {
      term.reset();
      waiting = [];
      backlog = 0;
      seen = message.end;
      write(buffers[0], true);
    } else if (message.kind === "output" && seen >= 0 && message.start >= seen) {
      const lost = message.start > seen || backlog > BACKLOG;
      seen = message.start + buffers[0].byteLength;
      lost ? replay() : write(buffers[0], false);
    }
    say();
  }

  // Jupyter's server drops what comes too fast, and a browser stops the clock of a tab in the background.
  function replay() {
    seen = -1;
    waiting = [];
    backlog = 0;
    model.send({ kind: "view", view });
  }

  function write(buffer, replayed) {
    for (let start = 0; start < buffer.byteLength; start += PIECE) {
      const size = Math.min(PIECE, buffer.byteLength - start);
      waiting.push([new Uint8Array(buffer.buffer, buffer.byteOffset + start, size), replayed]);
    }
    backlog += buffer.byteLength;
    if (!writing) next();
  }

  function next() {
    const piece = (writing = waiting.shift() ?? null);
    if (!piece) return;
    backlog -= piece[0].byteLength;
    term.write(text(piece[0]), () => piece === writing && next());
  }

  function text(bytes) {
    const said = (accents + decoder.decode(bytes, { stream: true })).replace(HEAP, "$1").slice(accents.length);
    accents = LAST.exec(accents + said)[0];
    return said;
  }

  // xterm.js does not go on after an error of its own: a new one does, without the piece that broke it.
  function broken() {
    const piece = writing;
    setTimeout(() => {
      if (!piece || piece !== writing) return;
      const focused = screen.contains(document.activeElement);
      term.dispose();
      open();
      coloured();
      fitted();
      if (focused) term.focus();
      next();
    }, 1000);
  }

  function keys(event) {
    if (event.type !== "keydown" || !event.ctrlKey || event.altKey) return true;
    if (event.key === "]" || event.code === "BracketRight") {
      event.preventDefault();
      (el.parentElement.closest("[tabindex]") ?? leave).focus(); // of the notebook, if it is in one
      return false;
    }
    if (event.shiftKey && event.code === "KeyC") {
      event.preventDefault(); // a browser would open its tools
      copy(term.getSelection(), term);
      return false;
    }
    // xterm.js takes what a browser pastes, which comes as an event of its own.
    return !(event.shiftKey && event.code === "KeyV");
  }

  function fitted() {
    if (!screen.clientWidth) return; // in a tab that is not shown
    fit.fit();
    size.textContent = `stty ${term.cols}x${term.rows}`;
    if (!answers) answer();
  }

  function coloured() {
    term.options.theme = theme();
  }

  open();
  screen.addEventListener("focusin", answer);
  addEventListener("error", broken);
  size.onclick = () => {
    term.focus();
    type(` stty columns ${term.cols} rows ${term.rows}\r`);
  };
  leave.onclick = () => model.send({ kind: "leave" });
  model.on("msg:custom", show);
  model.on("change:state change:why change:_fault", say);
  model.on("comm_live_update", orphaned); // ipywidgets' own event, when a model loses its kernel
  const sizes = new ResizeObserver(fitted);
  sizes.observe(screen);
  const themes = new MutationObserver(coloured);
  themes.observe(document.body, { attributes: true });
  coloured();
  say();
  model.send({ kind: "view", view });

  return () => {
    model.off("msg:custom", show);
    model.off("change:state change:why change:_fault", say);
    model.off("comm_live_update", orphaned);
    sizes.disconnect();
    themes.disconnect();
    removeEventListener("error", broken);
    term.dispose();
  };
}

// Has a terminal do by one sequence no more than fills its screen, and leave the page's colours alone.
// xterm.js does what it is told as often as it is told: ESC[3000000L takes it five seconds.
function restrain(term) {
  const most = () => Math.max(term.rows, term.cols);
  // Lines put in, deleted and scrolled, tabs, the last character again; ECMA-48, 8.3. Others end at the edge.
  for (const final of "ILMSTZb") term.parser.registerCsiHandler({ final }, ([count]) => count > most());
  // Palette, text, paper and cursor: only the question, not a change, for which all is drawn anew.
  for (const code of [10, 11, 12]) term.parser.registerOscHandler(code, (data) => data !== "?");
  for (const code of [4, 104, 110, 111, 112]) term.parser.registerOscHandler(code, () => true);
}

// xterm.js and its addon-fit: half a megabyte, which a page asks for once and no stored notebook holds.
async function library(model) {
  if (!globalThis.kvmkitTerminal) {
    const code = new Promise((resolve) => {
      model.on("msg:custom", (message, buffers) => message.kind === "library" && resolve(buffers[0]));
    });
    model.send({ kind: "library" });
    const url = URL.createObjectURL(new Blob([await code], { type: "text/javascript" }));
    globalThis.kvmkitTerminal = await import(url);
    URL.revokeObjectURL(url);
  }
  return globalThis.kvmkitTerminal;
}

function node(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  return made;
}

function button(label, title) {
  const made = node("button", "kvmkit-console-button");
  made.type = "button";
  made.textContent = label;
  made.title = title;
  return made;
}

function css(name, otherwise) {
  return getComputedStyle(document.body).getPropertyValue(name).trim() || otherwise;
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const background = css("--jp-layout-color0", dark ? "#111111" : "#ffffff");
  const foreground = css("--jp-content-font-color0", dark ? "#ffffff" : "#000000");
  const selection = css("--jp-editor-selected-focused-background", "#79b8ff80");
  return { background, foreground, cursor: foreground, cursorAccent: background, selectionBackground: selection };
}

// navigator.clipboard is there on https and localhost only.
function copy(text, term) {
  if (navigator.clipboard) {
    navigator.clipboard.writeText(text);
    return;
  }
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  term.focus();
}

export default { render };
