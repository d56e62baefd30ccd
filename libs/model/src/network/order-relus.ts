import { readCounts, renameInputs, type Network, type ReluLayer, type ValueId } from "./network.js";

/**
 * Puts maximum pooling before ReLU, with which it commutes (protocol, section 5): the tournament then runs on the output of
 * the linear layer, whose shares are known offline, and fewer elements go through the ReLU. Drops a ReLU of a ReLU.
 */
export function orderRelus(network: Network): void {
  for (let changed = true; changed;) changed = commuteOne(network) || dropOne(network);
}

function commuteOne(network: Network): boolean {
  const { layers, sizes } = network;
  const reads = readCounts(network);
  for (let at = 0; at < layers.length; at++) {
    const relu = layers[at];
    if (relu.op !== "relu" || reads[relu.output] !== 1) continue;
    const behind = layers.findIndex((layer) => layer.op === "maxpool" && layer.input === relu.output);
    const pool = layers[behind];
    if (pool?.op !== "maxpool") continue;
    // pool: input -> middle, relu: middle -> output; the middle value takes the pool's size
    sizes[relu.output] = sizes[pool.output];
    const later: ReluLayer = { ...relu, input: relu.output, output: pool.output };
    layers[behind] = later;
    layers[at] = { ...pool, input: relu.input, output: relu.output };
    return true;
  }
  return false;
}

function dropOne(network: Network): boolean {
  const at = network.layers.findIndex(
    (layer) =>
      layer.op === "relu" && network.layers.some((other) => other.op === "relu" && other.output === layer.input),
  );
  const relu = network.layers[at];
  if (relu?.op !== "relu") return false;
  const rename = (id: ValueId): ValueId => (id === relu.output ? relu.input : id);
  network.layers.splice(at, 1);
  network.layers = network.layers.map((layer) => renameInputs(layer, rename));
  network.output = rename(network.output);
  return true;
}
