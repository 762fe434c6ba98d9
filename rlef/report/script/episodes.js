// The episode browser: filters, a list, one episode with programs, changes and feedback. Text nodes only.
(() => {
  "use strict";
  const { data, make } = RLEF;
  const list = document.getElementById("list");
  if (list === null) return;
  const several = data.runs.length > 1;
  const panel = document.getElementById("episode");
  const field = (name) => document.getElementById(`f-${name}`);
  const nameOf = (episode) => [several && data.runs[episode.run], episode.from].filter(Boolean).join(", ");
  const signalsOf = (episode) => episode.turns.flatMap((turn) => turn.signals);
  const wordsOf = (episode) => [episode.task, ...episode.turns.flatMap((turn) =>
    [turn.told, turn.program, turn.answer].filter((place) => place !== undefined).map((place) => data.texts[place]))]
    .join("\n").toLowerCase();
  const words = data.episodes.map(wordsOf);
  let found = [];
  let current = -1;

  function fill(name, values, every) {
    const options = [...new Set(values)].map((value) => make("option", { value }, value));
    field(name).replaceChildren(make("option", { value: "" }, every), ...options);
  }
  fill("kind", data.episodes.map((episode) => episode.kind).sort(), "all");
  fill("turns", data.episodes.map((episode) => String(episode.turns.length)).sort(), "all");
  fill("end", data.endings.filter((end) => data.episodes.some((e) => e.turns.some((turn) => turn.end === end))), "anything");
  fill("from", data.episodes.map(nameOf), "everywhere");
  fill("signal", data.episodes.flatMap(signalsOf).sort(), "any or none");
  const tasks = [...new Set(data.episodes.map((episode) => episode.task))].sort();
  document.getElementById("task-names").replaceChildren(...tasks.map((task) => make("option", { value: task })));

  function filter() {
    const [text, task] = [field("text").value.toLowerCase(), field("task").value.toLowerCase()];
    const [kind, turns, end] = [field("kind").value, field("turns").value, field("end").value];
    const [from, signal] = [field("from").value, field("signal").value];
    found = data.episodes.map((_, number) => number).filter((number) => {
      const episode = data.episodes[number];
      return (!text || words[number].includes(text)) && (!task || episode.task.toLowerCase().includes(task))
        && (!kind || episode.kind === kind) && (!turns || episode.turns.length === Number(turns))
        && (!end || episode.turns.some((turn) => turn.end === end)) && (!from || nameOf(episode) === from)
        && (!signal || signalsOf(episode).includes(signal));
    });
    document.getElementById("found").textContent = `${found.length} of ${data.episodes.length} shown`;
    list.replaceChildren(...found.map((number) => {
      const episode = data.episodes[number];
      const good = episode.kind === "repaired" || episode.kind === "solved at first";
      const line = [` · ${episode.turns.length} turn${episode.turns.length === 1 ? "" : "s"}`, nameOf(episode),
        episode.step && `update ${episode.step}`].filter(Boolean).join(" · ");
      const button = make("button", { type: "button", "data-number": number },
        make("span", { class: "task" }, episode.task),
        make("span", { class: "line" }, make("span", { class: good ? "good" : "bad" }, episode.kind), line));
      button.addEventListener("click", () => open(number, true));
      return make("li", {}, button);
    }));
    if (found.length) open(found.includes(current) ? current : found[0], false);
    else panel.replaceChildren(make("p", { class: "soft" }, "No episode fits the filters."));
  }

  // Lines of a program, each a list of spans.
  function coloured(place) {
    const text = data.texts[place];
    const runs = data.colours[place] || [text.length, 0];
    const lines = [[]];
    let at = 0;
    for (let i = 0; i < runs.length; i += 2) {
      text.slice(at, at + runs[i]).split("\n").forEach((piece, number) => {
        if (number) lines.push([]);
        if (piece) lines[lines.length - 1].push([data.classes[runs[i + 1]], piece]);
      });
      at += runs[i];
    }
    return lines;
  }
  const spans = (line) => line.map(([kind, text]) => (kind ? make("span", { class: kind }, text) : text));
  const row = (kind, gutter, line) => make("div", { class: `row ${kind}` },
    make("span", { class: "gutter" }, gutter), make("span", {}, ...spans(line), "\n"));

  function program(turn) {
    const lines = coloured(turn.program);
    if (lines.length > 1 && !lines[lines.length - 1].length) lines.pop();
    return lines.map((line, number) => row("", String(number + 1), line));
  }

  function changes(turn, before) {
    const [old, now] = [coloured(before.program), coloured(turn.program)];
    const rows = [];
    let at = 0;
    const equal = (to) => { for (; at < to; at += 1) rows.push(row("", String(at + 1), now[at])); };
    for (const [a, b, c, d] of turn.changes) {
      equal(c);
      for (let i = a; i < b; i += 1) rows.push(row("removed", "−", old[i]));
      for (let i = c; i < d; i += 1) rows.push(row("added", `+ ${i + 1}`, now[i]));
      at = d;
    }
    equal(now.length - (now[now.length - 1].length ? 0 : 1));
    return rows;
  }

  function code(turn, before) {
    const box = make("div", { class: "code", tabindex: "0", role: "region", "aria-label": "program" });
    if (!turn.changes) {
      box.append(...program(turn));
      return [box];
    }
    if (!turn.changes.length) {
      box.append(...program(turn));
      return [make("p", { class: "soft" }, "the program before once more"), box];
    }
    const buttons = make("div", { class: "buttons", role: "group", "aria-label": "View" });
    for (const [name, draw] of [["changes", () => changes(turn, before)], ["program", () => program(turn)]]) {
      const button = make("button", { type: "button", "aria-pressed": "false" }, name);
      button.addEventListener("click", () => {
        for (const other of buttons.children) other.setAttribute("aria-pressed", String(other === button));
        box.replaceChildren(...draw());
      });
      buttons.append(button);
    }
    buttons.firstChild.click();
    return [buttons, box];
  }

  function verdicts(name, all) {
    if (!all.length) return [];
    const passed = all.filter((verdict) => verdict === "accepted").length;
    const failed = all.find((verdict) => verdict !== "accepted");
    return [make("span", { class: failed ? "bad" : "good" },
      `${name} tests: ${passed} of ${all.length} accepted${failed ? `, ${failed.replaceAll("_", " ")}` : ""}`), " "];
  }

  function open(number, focus) {
    current = number;
    for (const button of list.querySelectorAll("button")) {
      const mine = Number(button.dataset.number) === number;
      button.setAttribute("aria-current", String(mine));
      if (mine) list.scrollTop = Math.max(0, button.offsetTop - list.offsetTop - list.clientHeight / 3);
    }
    const episode = data.episodes[number];
    const parts = [make("h3", {}, episode.task),
      make("p", { class: "soft" }, [episode.kind, nameOf(episode), episode.step && `update ${episode.step}`,
        `seed ${episode.seed}`, episode.cut && "cut short"].filter(Boolean).join(" · "))];
    episode.turns.forEach((turn, place) => {
      const told = make("pre", { tabindex: "0" }, data.texts[turn.told]);
      const good = turn.end === "accepted";
      const part = make("div", { class: "turn" },
        make("h4", {}, `Turn ${place + 1}`, make("span", { class: `badge ${good ? "good" : "bad"}` }, turn.end),
          ...turn.signals.map((signal) => make("span", { class: "badge bad" }, signal)),
          make("span", { class: "soft" }, `reward ${turn.reward}`)),
        make("div", { class: "soft" }, place ? "feedback it got" : "task"), told);
      if (turn.program !== undefined) {
        part.append(make("div", { class: "soft" }, "program"));
        const before = place && episode.turns[place - 1].program !== undefined ? episode.turns[place - 1] : null;
        part.append(...code(turn, before));
      }
      if (turn.answer !== undefined) {
        const whole = make("pre", { tabindex: "0" }, data.texts[turn.answer]);
        part.append(make("details", turn.program === undefined ? { open: true } : {},
          make("summary", {}, turn.program === undefined ? "answer, no program found in it" : "whole answer"), whole));
      }
      part.append(make("p", { class: "soft" }, ...verdicts("public", turn.public), ...verdicts("private", turn.private)));
      parts.push(part);
    });
    panel.replaceChildren(...parts);
    if (focus && window.innerWidth < 736) panel.scrollIntoView({ block: "start" });
  }

  function step(by) {
    const place = Math.min(found.length - 1, Math.max(0, found.indexOf(current) + by));
    if (found.length) open(found[place], false);
  }

  const form = document.getElementById("filters");
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  for (const button of document.querySelectorAll("button[data-task]")) {
    button.addEventListener("click", () => {
      form.reset();
      field("task").value = button.dataset.task;
      filter();
      document.getElementById("episodes").scrollIntoView();
    });
  }
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) { step(by); event.preventDefault(); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "t") RLEF.toggle();
    else if (event.key === "/") { field("text").focus(); event.preventDefault(); }
  });
  filter();
})();
