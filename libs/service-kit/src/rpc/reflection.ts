import { loadSync } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import type { Server } from "@grpc/grpc-js";
import { existsSync, globSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The .proto files, where this runs from a checkout. */
const FOLDER = fileURLToPath(new URL("../../../../proto", import.meta.url));

/** grpc.reflection for development, so that tools such as grpcurl can list the services that a server offers. */
export function addReflection(server: Server, services: readonly string[]): void {
  if (!existsSync(FOLDER)) return;
  const files = globSync("parley/*/v1/*.proto", { cwd: FOLDER });
  const definition = loadSync(files, { includeDirs: [FOLDER] });
  new ReflectionService(definition, { services: [...services] }).addToServer(server);
}
