// Times in the viewer's zone, the reviewer's name, filters in the address, and the inbox's keys.
(() => {
  "use strict";
  document.documentElement.lang = "en"; // which the framework's page leaves out, and screen readers pronounce by
  const styles = {
    full: { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
    time: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
    day: { day: "2-digit", month: "short", year: "numeric" },
  };
  const formats = Object.fromEntries(Object.entries(styles).map(([k, v]) => [k, new Intl.DateTimeFormat("en-GB", v)]));
  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const text = formats[time.dataset.style || "full"].format(new Date(time.dateTime)).replace(",", "");
      time.textContent = text;
      time.dataset.local = "1";
    }
  };

  const author = () => localStorage.getItem("latentwatch.author") || "";
  const rows = () => [...document.querySelectorAll(".inbox tbody tr[data-incident]")];
  const picked = () => [...document.querySelectorAll(".inbox .pick input:checked")].map((box) => Number(box.value));
  const count = () => { for (const place of document.querySelectorAll("[data-chosen]")) { const text = String(picked().length); if (place.textContent !== text) place.textContent = text; } };
  const unpick = () => { kept = []; for (const box of document.querySelectorAll(".inbox .pick input:checked")) box.checked = false; count(); };
  let kept = []; // what is chosen, while the list is drawn anew
  let chosen = null;
  let place = null; // where the chosen row is, or was: a labelled alert leaves the list, and the next one takes its place
  const show = (scroll) => {
    const all = rows();
    for (const row of all) row.classList.toggle("now", row.dataset.incident === chosen);
    const at = all.findIndex((one) => one.dataset.incident === chosen);
    if (at < 0) return;
    place = at;
    if (scroll) all[at].scrollIntoView({ block: "nearest" });
  };
  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.dataset.incident === chosen);
    const wanted = at >= 0 ? at + step : place === null ? (step > 0 ? 0 : all.length - 1) : step > 0 ? place : place - 1;
    const next = Math.min(all.length - 1, Math.max(0, wanted));
    chosen = all[next].dataset.incident;
    show(true);
  };
  const current = () => rows().find((row) => row.dataset.incident === chosen);
  const act = (what, more = {}) => {
    const page = document.querySelector("[data-alert-page]");
    const whole = document.querySelector("[data-incident-page]");
    const chosenOnes = picked();
    const words = document.querySelector("form[data-label]");
    const told = words && ["true", "false", "unsure"].includes(what) ? { cause: words.elements.cause.value, note: words.elements.note.value } : {};
    if (page) emitEvent("alert-act", { id: Number(page.dataset.alertPage), what, ...told, ...more, author: author() });
    else if (whole) emitEvent("incident-act", { ids: [Number(whole.dataset.incidentPage)], what, ...more, author: author() });
    else if (chosenOnes.length) { emitEvent("incident-act", { ids: chosenOnes, what, ...more, author: author() }); unpick(); }
    else if (chosen) emitEvent("incident-act", { ids: [Number(chosen)], what, ...more, author: author() });
  };
  // What needs a word more than a key: until when, to whom, what. Whatever is chosen when it is said is meant.
  const targeted = () => document.querySelector("[data-alert-page], [data-incident-page]") || picked().length || chosen;
  const local = (moment) => new Date(moment - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  const handle = (name) => {
    const dialog = document.getElementById(name);
    if (!dialog || !targeted()) return;
    const form = dialog.querySelector("form");
    if (name === "assign") form.elements.assignee.value = author();
    if (name === "comment") form.elements.note.value = "";
    if (name === "snooze") form.elements.until.value = local(new Date(Date.now() + 8 * 3600000));
    dialog.showModal();
    const first = dialog.querySelector("[data-until]") || form.querySelector("input, textarea");
    first.focus();
    if (first.select) first.select();
  };
  const until = {
    "1h": () => new Date(Date.now() + 3600000),
    "4h": () => new Date(Date.now() + 4 * 3600000),
    morning: () => { const at = new Date(); at.setHours(8, 0, 0, 0); if (at <= new Date()) at.setDate(at.getDate() + 1); return at; },
    over: () => null,
  };
  const say = (dialog, what, more) => { dialog.close(); act(what, more); };
  const snooze = (dialog, moment) => say(dialog, "snooze", { until: moment ? moment.toISOString() : "" });

  const undo = () => {
    const button = document.querySelector("[data-undo]");
    if (button) emitEvent("undo", { id: Number(button.dataset.undo), exception: Number(button.dataset.exception || 0), author: author() });
  };

  // A list is gone back to as it was left: filters, page, place.
  const came = (path) => history.length > 1 && document.referrer && new URL(document.referrer).origin === location.origin && new URL(document.referrer).pathname === path;

  // A map that has the focus: arrows move it, + and - zoom about its middle, 0 shows all.
  const moveMap = (map, key) => {
    const chart = getElement(Number(map.id.slice(1))).chart;
    const [across, up] = chart.getOption().dataZoom;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[key];
    const factor = { "+": 0.6, "=": 0.6, "-": 1 / 0.6, 0: 100 }[key];
    if (!step && !factor) return false;
    const moved = ({ start, end }, by) => {
      const width = end - start, wide = Math.min(100, Math.max(1, width * (factor || 1)));
      const from = (start + end - wide) / 2 + (by || 0) * 0.2 * width;
      const begin = Math.min(100 - wide, Math.max(0, from));
      return { start: begin, end: begin + wide };
    };
    const [right, above] = step || [0, 0];
    chart.dispatchAction({ type: "dataZoom", batch: [{ dataZoomIndex: 0, ...moved(across, right) }, { dataZoomIndex: 1, ...moved(up, above) }] });
    return true;
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const map = event.target.closest(".chart.map[tabindex]");
    if (map && moveMap(map, event.key)) { event.preventDefault(); return; }
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const inbox = document.querySelector(".inbox");
    const page = document.querySelector("[data-alert-page]");
    const help = document.querySelector("dialog#keys");
    if (event.key === "?" && help) {
      if (help.open) help.close();
      else { help.showModal(); help.querySelector("[data-closes]").focus(); } // not the name, where the next key would be written
      event.preventDefault();
      return;
    }
    const whole = document.querySelector("[data-incident-page]");
    const asking = event.target.closest("dialog");
    const choice = asking && asking.querySelectorAll("[data-until]")[Number(event.key) - 1];
    if (choice) { choice.click(); event.preventDefault(); return; }
    if ((!inbox && !page && event.key !== "z") || asking) return;
    const keys = { a: "acknowledge", t: "true", f: "false", u: "unsure" };
    const dialogs = { s: "snooze", m: "assign", c: "comment" };
    if (inbox && (event.key === "j" || event.key === "ArrowDown")) move(1);
    else if (inbox && (event.key === "k" || event.key === "ArrowUp")) move(-1);
    else if (inbox && (event.key === "Enter" || event.key === "o") && current()) location.assign(current().dataset.href);
    else if (inbox && event.key === "x" && current()) current().querySelector(".pick input").click();
    else if (page && event.key === "e") { const next = document.querySelector(".proposals [data-emit=except]") || document.querySelector("[data-emit=exceptions-propose]"); if (next) next.click(); }
    else if (event.key === "z") undo();
    else if (event.key in keys) act(keys[event.key]);
    else if (event.key in dialogs) handle(dialogs[event.key]);
    else if ((page || whole) && event.key === "Escape") came("/alerts") ? history.back() : location.assign("/alerts");
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const row = event.target.closest(".inbox tbody tr[data-href]");
    if (row && !event.target.closest("a, button, .pick")) { location.assign(row.dataset.href); return; }
    if (event.target.closest("[data-clears]")) { unpick(); return; }
    if (event.target.closest("[data-undo]")) { undo(); return; }
    const handling = event.target.closest("[data-handles]");
    if (handling) { handle(handling.dataset.handles); return; }
    const moment = event.target.closest("[data-until]");
    if (moment) { snooze(moment.closest("dialog"), until[moment.dataset.until]()); return; }
    const many = event.target.closest("[data-bulk]");
    if (many && many.dataset.bulk === "split") { emitEvent("incident-split", { ids: picked(), author: author() }); unpick(); return; }
    if (many) { act(many.dataset.bulk); return; }
    const back = event.target.closest("a[data-back]");
    if (back && came(back.pathname)) { event.preventDefault(); history.back(); return; }
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog").close();
    const emitter = event.target.closest("[data-emit]");
    const lasting = document.querySelector("select[data-lasting]");
    const cause = document.querySelector("input[data-cause]");
    if (emitter) emitEvent(emitter.dataset.emit, { cause: cause ? cause.value : "", ...emitter.dataset, lasting: lasting ? lasting.value : "", author: author() });
    const button = event.target.closest("[data-act]");
    if (button) { event.preventDefault(); act(button.dataset.act); }
  });

  // Filters: the address is the view, so that a link is one too.
  const address = (form) => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value !== "") query.append(name, value);
    return query.toString();
  };
  let typing;
  const filter = (form) => {
    const query = address(form);
    history.replaceState(null, "", location.pathname + (query ? `?${query}` : ""));
    emitEvent("filters", query);
  };
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-author]")) { localStorage.setItem("latentwatch.author", event.target.value.trim()); return; }
    const form = event.target.closest("form[data-filters]");
    if (!form) return;
    clearTimeout(typing);
    typing = setTimeout(() => filter(form), event.target.matches("input") ? 300 : 0);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches(".inbox .pick input")) { kept = picked(); count(); }
    if (event.target.matches("select[data-goto]")) location.assign(event.target.value);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("form[data-filters]")) { event.preventDefault(); filter(event.target); }
    const asking = event.target.closest("dialog[data-handling]");
    if (asking) {
      event.preventDefault();
      const said = event.target.elements;
      if (said.until) snooze(asking, new Date(said.until.value));
      else if (said.assignee) say(asking, "assign", { assignee: said.assignee.value });
      else say(asking, "comment", { note: said.note.value });
      return;
    }
    if (event.target.matches("form[data-emits]")) {
      event.preventDefault();
      const form = event.target;
      const said = Object.fromEntries(new FormData(form));
      for (const field of form.querySelectorAll("input[type=datetime-local]")) said[field.name] = field.value ? new Date(field.value).toISOString() : "";
      emitEvent(form.dataset.emits, { ...said, what: event.submitter ? event.submitter.value : "", author: author() });
    }
    if (event.target.matches("form[data-label]")) {
      event.preventDefault();
      const form = event.target;
      emitEvent("alert-label", {
        id: Number(form.dataset.label), author: author(), cause: form.elements.cause.value, note: form.elements.note.value,
      });
    }
  });

  const fill = (root) => { for (const field of root.querySelectorAll("[data-author]")) if (!field.value) field.value = author(); };
  const repick = () => { for (const box of document.querySelectorAll(".inbox .pick input")) if (!box.checked && kept.includes(Number(box.value))) box.checked = true; count(); };
  const name = () => { for (const bar of document.querySelectorAll(".q-loading-bar:not([aria-label])")) bar.setAttribute("aria-label", "Loading"); }; // which the framework leaves without a name
  const settle = () => { localise(document); fill(document); show(false); repick(); name(); };
  new MutationObserver(settle).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", settle);

  // Charts are drawn on canvas and take their colours when made; a change of scheme draws the page anew,
  // unless somebody is writing.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (![...document.querySelectorAll("textarea")].some((area) => area.value)) location.reload();
  });
  window.latentwatch = {
    colour: (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(),
    time: (moment, style = "full") => formats[style].format(new Date(moment)).replace(",", ""),
    utc: (moment) => new Date(moment).toISOString().slice(0, 19).replace("T", " ") + " UTC",
  };
})();

// What charts call: tooltips built from text nodes' escaping, and the map's cells.
(() => {
  "use strict";
  const escape = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
  // Neighbouring cells meet on the same pixel; the odd offset keeps an edge in the very middle of one from going both ways.
  const snap = (edge) => Math.round(edge + 0.137);
  const value = (one) => (one === null || one === undefined || one === "-" ? "–" : typeof one === "number" ? Number(one.toPrecision(4)).toLocaleString("en") : one);
  Object.assign(window.latentwatch, {
    tip: (items) => {
      if (!items.length) return "";
      const lines = items.filter((item) => item.value[1] !== null).map((item) => `${escape(item.seriesName)} <b>${escape(value(item.value[1]))}</b>`);
      const moment = items[0].value[0];
      return `${latentwatch.time(moment)} <span style="opacity:.65">${latentwatch.utc(moment)}</span><br>${lines.join("<br>")}`;
    },
    placeTip: (item) => {
      if (!item.data || !item.data.time) return "";
      const moment = item.data.time;
      return `${escape(item.name || "whole stream")} · alert ${item.data.alert}<br>${latentwatch.time(moment)}<br>surprise <b>${item.data.surprise}</b> · ${escape(item.seriesName)}${item.data.state ? `<br>${escape(item.data.state)}` : ""}`;
    },
    // Places of many dots at once, as 32-bit floats: two a dot.
    places: (text) => new Float32Array(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer),
    view: (query) => history.replaceState(null, "", location.pathname + (query ? `?${query}` : "")),
    incidentTip: (item) => {
      if (!item.data || !item.data.incident) return escape(item.seriesName || "");
      return `${escape(item.data.name)} · incident ${item.data.incident}<br>${latentwatch.time(item.data.time)}<br>${escape(item.data.features)} · ${escape(item.seriesName)}`;
    },
    cell: (width, height) => (params, api) => {
      const [x, y] = api.coord([api.value(0), api.value(1)]);
      const [w, h] = api.size([width, height]);
      const [left, right, upper, lower] = [x - w / 2, x + w / 2, y - h / 2, y + h / 2].map(snap);
      return {
        type: "rect", z2: 0, shape: { x: left, y: upper, width: right - left, height: lower - upper },
        style: { fill: latentwatch.colour("chart-1"), opacity: 0.05 + 0.5 * api.value(2) },
      };
    },
  });
})();
