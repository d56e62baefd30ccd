// The charts, and where they are.
import { join } from "node:path";
import { root } from "../dependencies.mjs";
import { accessPoint } from "./values/access-point.mjs";
import { dealer } from "./values/dealer.mjs";
import { router } from "./values/router.mjs";

export const helmFolder = join(root, "deploy", "helm");
export const library = "parley-common";

/** `release`: the name it has in examples and tests. */
export const charts = [
  {
    name: "parley-router",
    release: "router",
    description: "The router's operator: identity, registry, agreements and scheduler",
    values: router,
  },
  {
    name: "parley-dealer",
    release: "dealer",
    description: "The dealer's operator: deals correlated randomness to organisations",
    values: dealer,
  },
  {
    name: "parley-access-point",
    release: "clinic-a",
    description: "One organisation: its access point and its workers",
    values: accessPoint,
  },
];
