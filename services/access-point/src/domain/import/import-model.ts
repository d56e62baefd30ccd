import { Code, ParleyError } from "@parley/proto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { convertModel, type ImportOutcome, type ImportRequest, type ImportedModel } from "./convert.js";

/** The compiled thread; beside TypeScript sources there is none, and the import then runs in place. */
const THREAD = new URL("./import-worker.js", import.meta.url);
const MEMORY_MB = 4096;

/** Imports an ONNX file in a thread of its own, so that runs and workers go on meanwhile. @throws ParleyError INVALID_ARGUMENT naming node, layer or field; RESOURCE_EXHAUSTED */
export async function importModel(request: ImportRequest): Promise<ImportedModel> {
  const outcome = existsSync(fileURLToPath(THREAD)) ? await inThread(request) : convertModel(request);
  if ("model" in outcome) return outcome.model;
  const { reason, message, hint } = outcome.refusal;
  throw new ParleyError(Code.INVALID_ARGUMENT, reason, message, hint);
}

const inThread = (request: ImportRequest) =>
  new Promise<ImportOutcome>((resolve, reject) => {
    const thread = new Worker(THREAD, { workerData: request, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB } });
    thread.once("message", resolve);
    thread.once("error", (error: Error & { code?: string }) =>
      reject(
        error.code === "ERR_WORKER_OUT_OF_MEMORY"
          ? new ParleyError(
              Code.RESOURCE_EXHAUSTED,
              "MODEL_TOO_LARGE",
              `the model needs more than ${MEMORY_MB} MB to be imported`,
              "Publish a smaller model.",
            )
          : error,
      ),
    );
    thread.once("exit", () => reject(new Error("the import ended without an answer")));
  });
