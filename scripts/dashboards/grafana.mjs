// Grafana's JSON from short definitions: what is the same in every panel is here once.
const COLUMNS = 24;
const HEIGHT = 8;
const DATASOURCE = { type: "prometheus", uid: "${datasource}" };

/** Labels by which every expression is narrowed to what the variables choose. */
export const CHOSEN = 'namespace=~"$namespace",job=~"$job"';

/** Narrows to processes of the organisation that is chosen: its name is in each process's target_info. */
export const ofOrganisation = (expression) =>
  `(${expression}) * on (job, instance) group_left () target_info{service_namespace=~"$organisation"}`;

/** Quantiles of a histogram as targets, their lines told apart by labels; points lead to traces (exemplars). */
export const quantiles = (metric, { by = [], where = "", of = [0.5, 0.95, 0.99] } = {}) =>
  of.map((quantile) => [
    `histogram_quantile(${quantile}, sum by (${["le", ...by].join(", ")}) (rate(${metric}_bucket{${CHOSEN}${where}}[$__rate_interval])))`,
    `p${quantile * 100}${by.map((label) => ` {{${label}}}`).join("")}`,
    { exemplar: true },
  ]);

/** Rate of a counter, summed by labels. */
export const rate = (metric, by, where = "") =>
  `sum by (${by.join(", ")}) (rate(${metric}{${CHOSEN}${where}}[$__rate_interval]))`;

const variable = (name, label, query) => ({
  name,
  label,
  type: "query",
  datasource: DATASOURCE,
  definition: query,
  query: { query, refId: name },
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: ".*",
  current: { selected: true, text: ["All"], value: ["$__all"] },
});

const VARIABLES = {
  datasource: { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", current: {} },
  namespace: variable("namespace", "Namespace", "label_values(process_uptime_seconds, namespace)"),
  job: variable("job", "Job", 'label_values(process_uptime_seconds{namespace=~"$namespace"}, job)'),
  organisation: variable("organisation", "Organisation", "label_values(target_info, service_namespace)"),
};

function target([expr, legendFormat, more = {}], index) {
  return { refId: String.fromCharCode(65 + index), datasource: DATASOURCE, expr, legendFormat, range: true, ...more };
}

function panel({ title, description, unit, type = "timeseries", show, max }, id, gridPos) {
  const isGraph = type === "timeseries";
  return {
    id,
    type,
    title,
    description,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit, min: 0, ...(max !== undefined && { max }), ...(isGraph && { custom: { fillOpacity: 8 } }) },
      overrides: [],
    },
    options: isGraph
      ? {
          legend: { displayMode: "list", placement: "bottom", showLegend: true },
          tooltip: { mode: "multi", sort: "desc" },
        }
      : { reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false }, colorMode: "value" },
    targets: show.map(target),
  };
}

/** One dashboard. Panels stand in rows of three, or as wide as they say. */
export function dashboard({ uid, title, description, variables = [], panels }) {
  let [x, y] = [0, 0];
  const placed = panels.map((definition, index) => {
    const w = definition.width ?? COLUMNS / 3;
    if (x + w > COLUMNS) [x, y] = [0, y + HEIGHT];
    const made = panel(definition, index + 1, { x, y, w, h: HEIGHT });
    x += w;
    return made;
  });
  return {
    uid,
    title,
    description,
    tags: ["parley"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    timezone: "browser",
    links: [{ type: "dashboards", title: "Parley", tags: ["parley"], asDropdown: true, keepTime: true }],
    templating: { list: ["datasource", "namespace", "job", ...variables].map((name) => VARIABLES[name]) },
    panels: placed,
  };
}
