import { parentPort, workerData } from "node:worker_threads";
import { convertModel, type ImportRequest } from "./convert.js";

parentPort?.postMessage(convertModel(workerData as ImportRequest));
