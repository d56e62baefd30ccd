import { EventEmitter } from "node:events";

interface Events {
  /** This organisation enrolled at an operator. */
  enrolled: [operator: "router" | "dealer"];
  /** People compared a fingerprint. */
  trusted: [];
  /** The agreements in force, or their masks, are others than before. */
  agreements: [];
  /** A job changed. */
  job: [id: string];
  /** There may be jobs that the scheduler does not know yet. */
  unsubmitted: [];
  /** An attempt ended; its report waits to be sent. */
  attempt: [id: string];
  /** A bound run ended; its report waits to be sent. */
  run: [];
  /** A revocation waits to be sent. */
  revocation: [];
  /** Workers came or went. */
  workers: [];
  /** Demand for a size of run was seen, or stock changed. */
  demand: [];
}

/** What one part of the access point tells the others. */
export class Changes extends EventEmitter<Events> {
  constructor() {
    super();
    this.setMaxListeners(0);
  }
}
