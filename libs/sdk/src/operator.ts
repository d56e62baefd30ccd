import { credentials } from "@grpc/grpc-js";
import { Code, ParleyError, createClient, dealer, identity } from "@parley/proto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The two places at which organisations enrol. */
export type EnrolmentOffice = "identity" | "dealer";

export interface OperatorConnection {
  /** host:port of identity, or of the dealer, for mutual TLS. */
  readonly address: string;
  /** Folder with tls.crt, tls.key and ca.crt: the certificate of the operator's people. */
  readonly folder: string;
  readonly office: EnrolmentOffice;
}

/** A one-time token with which an organisation enrols: what an operator's people hand out. @throws ParleyError, also where a file is missing */
export async function createEnrolmentToken(
  { address, folder, office }: OperatorConnection,
  organisationId: string,
  validSeconds: number,
): Promise<{ token: string; expires: Date | undefined }> {
  const [ca, key, chain] = ["ca.crt", "tls.key", "tls.crt"].map((name) => readCertificate(folder, name));
  const settings = { address, credentials: credentials.createSsl(ca, key, chain) };
  const client =
    office === "dealer"
      ? createClient(dealer.DealerServiceService, settings)
      : createClient(identity.IdentityServiceService, settings);
  try {
    return await client.createEnrolmentToken({ organisationId, validSeconds });
  } finally {
    client.close();
  }
}

function readCertificate(folder: string, name: string): Buffer {
  const file = join(folder, name);
  if (existsSync(file)) return readFileSync(file);
  throw new ParleyError(
    Code.NOT_FOUND,
    "OPERATOR_CERTIFICATE",
    `${file}, a part of the operator's certificate, does not exist`,
    "Run this where identity or the dealer runs (kubectl exec), or name the folder with --folder.",
  );
}
