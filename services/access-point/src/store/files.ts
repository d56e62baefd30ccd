import { createHash, randomBytes } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, rmSync } from "node:fs";
import { open, readFile, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** Kinds of large things in the vault. */
export type Area = "weights" | "masked" | "inputs" | "results";
const AREAS: readonly Area[] = ["weights", "masked", "inputs", "results"];
const PIECE = 256 * 1024;
const UNFINISHED = ".part";

/** Files of the vault, mode 0600, written whole or not at all: temporary file, fsync, rename, fsync of the folder. */
export class VaultFiles {
  constructor(private readonly folder: string) {
    for (const area of AREAS) {
      mkdirSync(join(folder, area), { recursive: true, mode: 0o700 });
      for (const name of readdirSync(join(folder, area)))
        if (name.endsWith(UNFINISHED)) rmSync(join(folder, area, name));
    }
  }

  /**
   * Writes a file from pieces. `accept` sees the SHA-256 of the content before the file takes its name; where it throws,
   * nothing is left.
   */
  async write(
    area: Area,
    name: string,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    accept: (digest: Buffer, bytes: number) => void = () => {},
  ): Promise<void> {
    const path = this.path(area, name);
    const unfinished = `${path}.${randomBytes(6).toString("hex")}${UNFINISHED}`;
    const handle = await open(unfinished, "wx", 0o600);
    try {
      const hash = createHash("sha256");
      let bytes = 0;
      try {
        for await (const piece of pieces) {
          hash.update(piece);
          bytes += piece.length;
          await writeAll(handle, piece);
        }
        accept(hash.digest(), bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(unfinished, path);
      await syncFolder(join(this.folder, area));
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  async read(area: Area, name: string): Promise<Buffer> {
    return readFile(this.path(area, name));
  }

  /** The content in pieces of 256 KiB; read as the consumer takes them. */
  async *stream(area: Area, name: string): AsyncIterable<Buffer> {
    for await (const piece of createReadStream(this.path(area, name), { highWaterMark: PIECE })) yield piece as Buffer;
  }

  /** Bytes. */
  async size(area: Area, name: string): Promise<number> {
    return (await stat(this.path(area, name))).size;
  }

  async has(area: Area, name: string): Promise<boolean> {
    return stat(this.path(area, name)).then(
      () => true,
      () => false,
    );
  }

  async remove(area: Area, name: string): Promise<void> {
    await rm(this.path(area, name), { force: true });
  }

  /** Names are ids and hexadecimal digests only, so that no name leads out of its folder. */
  private path(area: Area, name: string): string {
    if (!/^[A-Za-z0-9_-]{1,120}$/.test(name)) throw new TypeError(`${area} have no file of that name`);
    return join(this.folder, area, name);
  }
}

async function writeAll(handle: FileHandle, piece: Uint8Array) {
  for (let at = 0; at < piece.length;) at += (await handle.write(piece, at)).bytesWritten;
}

async function syncFolder(path: string) {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
