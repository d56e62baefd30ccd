import { setFlagsFromString } from "node:v8";

// Key streams, chunks and messages are short-lived Buffers outside the heap, hundreds of megabytes a second of them beside
// a heap of some 35. Without these flags V8 takes their bytes for a heap that grows, and spends two thirds of a dealer's
// time on collecting and marking it. Set where the first correlation code is loaded: dealer and workers.
setFlagsFromString("--external-memory-accounted-in-global-limit");
setFlagsFromString("--no-incremental-marking");
