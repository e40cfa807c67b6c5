/* Blocks of a panel -> elements. Text is set as text, never as HTML. */

const made = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined && text !== null) element.textContent = text;
  return element;
};

const asCell = (cell) => (typeof cell === "string" ? { text: cell } : cell);
const asColumn = (column) => (typeof column === "string" ? { title: column } : column);

function bar(share) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "bar");
  svg.setAttribute("viewBox", "0 0 100 4");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const filled = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  filled.setAttribute("width", String(100 * Math.min(Math.max(share, 0), 1)));
  filled.setAttribute("height", "4");
  svg.append(filled);
  return svg;
}

function tableCell(cell, column, heads, linked) {
  const element = made(heads ? "th" : "td", [column.right ? "right" : "", cell.tone ?? ""].join(" ").trim());
  if (heads) element.scope = "row";
  const text = cell.code ? made("code", "", cell.text) : document.createTextNode(cell.text);
  if (cell.link) {
    const link = made("a");
    link.href = linked(cell.link);
    link.dataset.inside = "";
    link.append(text);
    element.append(link);
  } else {
    element.append(text);
  }
  if (cell.share !== null && cell.share !== undefined) element.append(bar(cell.share));
  return element;
}

function table(block, linked) {
  const columns = block.columns.map(asColumn);
  const box = made("div", "scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", block.caption || "Table");
  const element = made("table");
  if (block.caption) element.append(made("caption", "", block.caption));
  const head = made("tr");
  for (const column of columns) {
    const cell = made("th", column.right ? "right" : "", column.title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = made("tbody");
  for (const cells of block.rows) {
    const row = made("tr");
    row.append(...cells.map((cell, at) => tableCell(asCell(cell), columns[at], at === 0, linked)));
    body.append(row);
  }
  const top = made("thead");
  top.append(head);
  element.append(top, body);
  box.append(element);
  return box;
}

function stats(block) {
  const list = made("dl", "stats");
  for (const item of block.items) {
    const stat = made("div", "stat");
    stat.append(made("dt", "", item.label), made("dd", `value ${item.tone ?? ""}`.trim(), item.value));
    if (item.hint) stat.append(made("dd", "hint", item.hint));
    list.append(stat);
  }
  return list;
}

function code(block) {
  const box = made("div", "code");
  if (block.name) box.append(made("p", "code-name", block.name));
  const pre = made("pre");
  pre.tabIndex = 0;
  pre.append(made("code", "", block.text));
  box.append(pre);
  return box;
}

function fold(block, linked) {
  const box = made("details", "fold");
  box.append(made("summary", "", block.title));
  const inner = made("div", "panel-body");
  for (const each of block.blocks) inner.append(render(each, linked).element);
  box.append(inner);
  return box;
}

function chart(spec) {
  const figure = made("figure");
  const caption = made("figcaption");
  caption.append(made("h3", "", spec.title), made("p", "", spec.summary));
  const canvas = made("div", "canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${spec.title}. ${spec.summary}`);
  figure.append(caption, canvas);
  let handle = null;
  return {
    element: figure,
    start() { handle = globalThis.farthingCharts.draw(canvas, spec); },
    update(next) {
      caption.replaceChildren(made("h3", "", next.title), made("p", "", next.summary));
      canvas.setAttribute("aria-label", `${next.title}. ${next.summary}`);
      handle?.update(next);
    },
    stop() { handle?.dispose(); },
  };
}

const SIMPLE = {
  table,
  stats,
  code,
  fold,
  text: (block) => made("p", "muted plain", block.text),
  note: (block) => made("p", `note ${block.tone ?? ""}`.trim(), block.text),
};

/* {element, start(), update(block) or null, stop()}; `linked` turns the link of a cell into an address. */
export function render(block, linked) {
  if (!(block.type in SIMPLE)) return chart(block);
  return { element: SIMPLE[block.type](block, linked), start() {}, update: null, stop() {} };
}

export { made };
