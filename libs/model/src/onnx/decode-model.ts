import { PlanError } from "@parley/plan";
import { ModelProto } from "../gen/onnx.js";
import { scanModel } from "./scan.js";

/** Bytes of the largest ONNX file that is read. */
export const MOST_BYTES = 1 << 29;
/** Fields (nodes, attributes, names, dimensions, ..) of the largest graph that is read; a thousand layers have some 50,000. */
const MOST_FIELDS = 1 << 18;

/**
 * Decodes an ONNX file.
 * @throws PlanError MALFORMED_ONNX, MODEL_TOO_LARGE
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  if (bytes.length > MOST_BYTES)
    throw new PlanError(
      "MODEL_TOO_LARGE",
      `the ONNX file has ${bytes.length} bytes, more than ${MOST_BYTES}`,
      "Publish a smaller model.",
    );
  const model = attempt(() => {
    scanModel(bytes, MOST_FIELDS);
    return ModelProto.decode(bytes);
  });
  if (bytes.length === 0 || model.graph === undefined)
    throw new PlanError(
      "MALFORMED_ONNX",
      "the file is not an ONNX model: it has no graph",
      "Export the model to ONNX again.",
    );
  return model;
}

function attempt<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RangeError && error.message.startsWith("more than"))
      throw new PlanError("MODEL_TOO_LARGE", `the ONNX graph has ${error.message}`, "Publish a smaller model.");
    const detail = error instanceof Error ? error.message.slice(0, 120) : "";
    throw new PlanError(
      "MALFORMED_ONNX",
      `the file is not an ONNX model: it is malformed or truncated (${detail})`,
      "Export the model to ONNX again.",
    );
  }
}
