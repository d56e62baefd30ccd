// What every run on a cluster has around it: a cluster that answers, and an end that takes away what the run made.
import { compile } from "../compile.mjs";
import { onSignals } from "../system.mjs";

/**
 * @param work gets a list of what is to be ended, and how to say something to people
 * @returns what went wrong, if anything
 */
export async function onCluster({ keep }, work) {
  compile();
  // Loaded after compiling: they import the compiled packages.
  const { requireCluster } = await import("./commands.mjs");
  const { remove } = await import("./installation.mjs");
  const say = (text) => console.error(text);
  const ending = [];
  let isThere = false;
  const stop = onSignals(async () => {
    for (const end of ending.splice(0).reverse()) await end();
    if (isThere && !keep) await remove(say).catch((error) => say(error.message));
  });
  let failure;
  try {
    await requireCluster();
    isThere = true;
    await work(ending, say);
  } catch (error) {
    failure = error.message;
    say(`The run ended early: ${failure}`);
  }
  await stop();
  return failure;
}
