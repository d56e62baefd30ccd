import { connect } from "node:net";

/** Sets configuration of a running Redis server by its inline commands. @throws Error with the server's refusal */
export async function configureRedis(url, settings) {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  try {
    for (const [name, value] of Object.entries(settings)) {
      socket.write(`CONFIG SET ${name} ${value}\r\n`);
      const answer = await new Promise((resolve, reject) => socket.once("data", resolve).once("error", reject));
      if (!answer.toString().startsWith("+OK")) throw new Error(`Redis refuses ${name}: ${answer.toString().trim()}`);
    }
  } finally {
    socket.destroy();
  }
}
