#!/usr/bin/env node
// A TCP relay that behaves like a slower link. See the usage below, or import startRelay.
import { connect, createServer } from "node:net";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Direction } from "./direction.mjs";
import { Link } from "./link.mjs";

/** One-way delay in milliseconds and bandwidth in Mbit/s, per direction. */
export const LINKS = { lan: { delayMs: 0.1, megabits: 5000 }, wan: { delayMs: 20, megabits: 350 } };

const USAGE = `Usage: node loadtest/relay.mjs --target HOST:PORT [options]

  --listen HOST:PORT   where to listen (default 127.0.0.1:0: a free port)
  --link lan|wan       lan: ${LINKS.lan.delayMs} ms, ${LINKS.lan.megabits} Mbit/s; wan: ${LINKS.wan.delayMs} ms, ${LINKS.wan.megabits} Mbit/s
  --delay MS           one-way delay, milliseconds (default lan's)
  --bandwidth MBIT     per direction, Mbit/s (default lan's)
  --help               this text

Prints one line of JSON when it listens. Each connection has the link to itself.`;

/** @returns the address it listens on, and what ends it */
export async function startRelay({ target, delayMs, megabits, listen = "127.0.0.1:0" }) {
  const to = addressOf(target);
  new Link(delayMs, megabits); // refuses what is not possible before anything listens
  const sockets = new Set();
  const server = createServer({ allowHalfOpen: true }, (inbound) => {
    const outbound = connect({ ...to, allowHalfOpen: true });
    for (const [from, out] of [
      [inbound, outbound],
      [outbound, inbound],
    ]) {
      sockets.add(from);
      from.setNoDelay(true);
      new Direction(from, out, new Link(delayMs, megabits));
      from.on("error", () => out.resetAndDestroy());
      from.on("close", (failed) => {
        sockets.delete(from);
        if (failed) out.resetAndDestroy();
      });
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(addressOf(listen), resolve));
  return {
    address: `${addressOf(listen).host === "127.0.0.1" ? "localhost" : addressOf(listen).host}:${server.address().port}`,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function addressOf(text) {
  const match = /^(.+):(\d{1,5})$/.exec(text ?? "");
  if (!match || Number(match[2]) > 65535) throw new Error(`"${text}" is not HOST:PORT`);
  return { host: match[1], port: Number(match[2]) };
}

async function main() {
  try {
    const { values } = parseArgs({
      options: {
        target: { type: "string" },
        listen: { type: "string" },
        link: { type: "string", default: "lan" },
        delay: { type: "string" },
        bandwidth: { type: "string" },
        help: { type: "boolean" },
      },
    });
    if (values.help) return console.log(USAGE);
    const link = LINKS[values.link];
    if (!link) throw new Error(`--link ${values.link}: choose lan or wan`);
    if (!values.target) throw new Error("--target HOST:PORT is missing");
    const delayMs = Number(values.delay ?? link.delayMs);
    const megabits = Number(values.bandwidth ?? link.megabits);
    const { target, listen } = values;
    const { address } = await startRelay({ target, listen, delayMs, megabits });
    console.log(JSON.stringify({ msg: "listening", address, target, delayMs, megabits }));
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
