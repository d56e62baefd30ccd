// Four operators' installs, with the commands of docs/operations.md: router, dealer, clinic-a, clinic-b, a namespace each.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { root } from "../dependencies.mjs";
import { apply, getJson, helm, kubectl } from "./commands.mjs";

export const OPERATORS = ["router", "dealer", "clinic-a", "clinic-b"];
const CLINICS = ["clinic-a", "clinic-b"];
const chart = (name) => join(root, "deploy/helm", name);

export const chartOf = (name) => chart(CLINICS.includes(name) ? "parley-access-point" : `parley-${name}`);

/** Marks namespaces that such a run made: no others are installed into, or removed. */
const MADE_BY = ["app.kubernetes.io/created-by", "parley-cluster-run"];

/** Namespaces that admit restricted pods only. @throws Error where one of the names is somebody else's */
export async function makeNamespaces() {
  const { items } = await getJson("default", "namespaces");
  const others = items
    .filter(({ metadata }) => OPERATORS.includes(metadata.name) && metadata.labels?.[MADE_BY[0]] !== MADE_BY[1])
    .map(({ metadata }) => metadata.name);
  if (others.length)
    throw new Error(
      `namespaces of these names are there already, and not of such a run: ${others.join(", ")}. Use another cluster, or remove them.`,
    );
  for (const name of OPERATORS)
    await apply("default", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: {
        name,
        labels: {
          [MADE_BY[0]]: MADE_BY[1],
          "pod-security.kubernetes.io/enforce": "restricted",
          "pod-security.kubernetes.io/warn": "restricted",
        },
      },
    });
}

/** Values that all four take: the image, and what a trial brings itself. */
export function valuesFor(name, { image, postgresImage, valkeyImage, valkeyCommand }, more = []) {
  const [repository, tag] = splitImage(image);
  const settings = [`image.repository=${repository}`, `image.tag=${tag}`, ...more];
  if (!CLINICS.includes(name)) settings.push("embedded.enabled=true");
  if (postgresImage && !CLINICS.includes(name)) settings.push(`embedded.postgresql.image=${postgresImage}`);
  if (valkeyImage && name === "router") settings.push(`embedded.valkey.image=${valkeyImage}`);
  if (valkeyCommand && name === "router") settings.push(`embedded.valkey.command=${valkeyCommand}`);
  // The trial's helm test runs a private prediction.
  settings.push("selfTest.enabled=true");
  if (CLINICS.includes(name))
    settings.push(
      `organisation=${name}`,
      "enrolment.router.existingSecret=enrolment-router",
      "enrolment.dealer.existingSecret=enrolment-dealer",
    );
  return settings.flatMap((setting) => ["--set", setting]);
}

/** Options have made sure of the tag; a registry may have a port. */
function splitImage(image) {
  const at = image.lastIndexOf(":");
  return [image.slice(0, at), image.slice(at + 1)];
}

export async function install(name, options, say) {
  if (CLINICS.includes(name)) await bringTokens(name);
  say(`helm install ${name} ...`);
  const values = valuesFor(name, options);
  await helm(name, "upgrade", "--install", name, chartOf(name), "--wait", "--timeout", "8m", ...values);
}

/** What the operators of router and dealer send to an organisation: a one-time token each. */
async function bringTokens(name) {
  for (const operator of ["router", "dealer"]) {
    const deployment = operator === "router" ? "deploy/router-identity" : "deploy/dealer";
    const token = (await kubectl(operator, "exec", deployment, "--", "parley", "token", name)).trim();
    const metadata = { name: `enrolment-${operator}` };
    await apply(name, { apiVersion: "v1", kind: "Secret", metadata, stringData: { token } });
  }
}

/** The profile that the access point's chart keeps for its administrator. */
export async function profileOf(name, address) {
  const { data } = await getJson(name, "secret", `${name}-admin`);
  const text = (key) => Buffer.from(data[key], "base64").toString();
  return { address, ca: text("ca.crt"), apiKey: text("api-key").trim() };
}

/** What two administrators do on the telephone: read the fingerprint at its owner, type it at the partner. */
export async function compareFingerprints(parleys) {
  for (const [name, parley] of parleys) {
    const { organisation: dealer } = await parley.organisations.get("dealer");
    await parley.organisations.trust("dealer", dealer.fingerprint);
    for (const [other, partner] of parleys) {
      if (other === name) continue;
      const { organisation } = await partner.organisations.get();
      await parley.organisations.trust(other, organisation.fingerprint);
    }
  }
}

/** Removes what such runs made. */
export async function remove(say) {
  say("removing what the run made ...");
  await kubectl("default", "delete", "namespace", "-l", MADE_BY.join("="), "--wait=true");
}

export const suffix = () => randomBytes(3).toString("hex");
