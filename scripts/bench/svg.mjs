// A small writer of SVG plots: elements, text, scales, ticks.
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const number = (value) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);

/** An element with attributes and children, which are elements already. */
export const tag = (name, attributes, ...children) => {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(number(value))}"`);
  return `<${name}${written.join("")}${children.length ? `>${children.flat(9).join("\n")}</${name}>` : "/>"}`;
};

export const text = (x, y, content, { anchor = "start", size = 12, fill = "#333", weight = "normal" } = {}) =>
  tag("text", { x, y, "text-anchor": anchor, "font-size": size, fill, "font-weight": weight }, escape(content));

export const line = (x1, y1, x2, y2, stroke = "#ddd", width = 1) =>
  tag("line", { x1, y1, x2, y2, stroke, "stroke-width": width });

export const dot = (cx, cy, fill, stroke = fill) =>
  tag("circle", { cx, cy, r: 4.5, fill, stroke, "stroke-width": 1.5 });

/** Maps [least, most] to [from, to], logarithmically. */
export const logScale = (least, most, from, to) => (value) =>
  from + ((Math.log(value) - Math.log(least)) / (Math.log(most) - Math.log(least))) * (to - from);

/** Powers of ten within a range. */
export const decades = (least, most) => {
  const ticks = [];
  for (let power = Math.ceil(Math.log10(least) - 1e-9); 10 ** power <= most * (1 + 1e-9); power++)
    ticks.push(10 ** power);
  return ticks;
};

/** The decades around values. */
export const spanOf = (values) => [
  10 ** Math.floor(Math.log10(Math.min(...values))),
  10 ** Math.ceil(Math.log10(Math.max(...values))),
];

/** A whole picture on a white ground, which reads in dark pages too. `title` is for screen readers. */
export const picture = (width, height, title, ...content) =>
  `${tag(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "font-family": "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif",
    },
    tag("title", {}, escape(title)),
    tag("rect", { width, height, fill: "#fff" }),
    content,
  )}\n`;
