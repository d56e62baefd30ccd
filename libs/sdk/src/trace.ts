import { randomBytes } from "node:crypto";

/** A new W3C traceparent, sampled. */
export const newTraceparent = () => `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
