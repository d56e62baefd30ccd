// The two clinics as their users see them: connections through a forwarded port, a model, a signed agreement.
import { Parley } from "../../libs/sdk/dist/index.js";
import { agree, plaintext } from "../demo/network.mjs";
import { compareFingerprints, profileOf } from "./installation.mjs";
import { forward } from "./port-forward.mjs";

const ENROL_PORT = 8444;

/** @returns connections by name, profiles, and how to end them */
export async function connectClinics() {
  const forwards = [];
  const parleys = new Map();
  const profiles = new Map();
  const close = () => {
    for (const parley of parleys.values()) parley.close();
    for (const { stop } of forwards) stop();
  };
  try {
    for (const name of ["clinic-a", "clinic-b"]) {
      const way = await forward(name, `svc/${name}`, ENROL_PORT);
      forwards.push(way);
      const profile = await profileOf(name, way.address);
      profiles.set(name, profile);
      parleys.set(name, Parley.connect(profile));
    }
    return { parleys, profiles, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** clinic-a publishes the network, both compare fingerprints and sign for so many records. */
export async function agreeOn(parleys, network, records) {
  await compareFingerprints(parleys);
  const [a, b] = ["clinic-a", "clinic-b"].map((name) => parleys.get(name));
  const asset = await agree(a, b, network, records);
  return { asset, plain: await plaintext(network, asset) };
}
