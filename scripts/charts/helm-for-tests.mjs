// helm for specs, or why they are skipped.
import { bringTool } from "./tools.mjs";

const { path, why } = await bringTool("helm");
if (why) console.warn(`Skipped: ${why}.`);

export const helm = path;
