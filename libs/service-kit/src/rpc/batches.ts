interface Waiting<Q, R> {
  readonly request: Q;
  readonly resolve: (answer: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One piece of work for many requests: what comes while a batch is under way goes into the next one. A request that comes
 * alone waits for nothing; under load round trips and commits are shared.
 */
export class Batches<Q, R> {
  private waiting: Waiting<Q, R>[] = [];
  private isBusy = false;

  /**
   * @param work answers each request in order; an Error as an answer is thrown at that request alone
   * @param most requests in one batch
   */
  constructor(
    private readonly work: (requests: readonly Q[]) => Promise<readonly (R | Error)[]>,
    private readonly most = 64,
  ) {}

  run(request: Q): Promise<R> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ request, resolve, reject });
      if (this.isBusy) return;
      this.isBusy = true;
      setImmediate(() => void this.flush()); // requests that came in one piece from the network share a batch
    });
  }

  private async flush() {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.most);
      try {
        const answers = await this.work(batch.map(({ request }) => request));
        for (const [index, { resolve, reject }] of batch.entries()) {
          const answer = answers[index];
          if (answer instanceof Error) reject(answer);
          else resolve(answer);
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.isBusy = false;
  }
}
