// Preloaded into a process by a test: writes everything that its HTTP/2 streams receive, decrypted, one file per stream.
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { isMainThread } from "node:worker_threads";

const folder = process.env.PARLEY_TEST_CAPTURE;
if (folder && isMainThread) {
  const service = /services\/([a-z-]+)\//.exec(process.argv[1] ?? "")?.[1] ?? "other";
  const owner = process.env.PARLEY_ORG ?? process.env.PARLEY_WORKER_NAME?.replace(/-worker.*$/, "") ?? "operator";
  const own = join(folder, `${owner}.${service}`);
  mkdirSync(own, { recursive: true });
  const names = new WeakMap();
  let count = 0;
  const push = Readable.prototype.push;
  Readable.prototype.push = function (chunk, encoding) {
    if (chunk instanceof Uint8Array && this.constructor.name.endsWith("Http2Stream")) {
      if (!names.has(this)) names.set(this, join(own, `${process.pid}-${count++}.bin`));
      appendFileSync(names.get(this), chunk);
    }
    return push.call(this, chunk, encoding);
  };
}
