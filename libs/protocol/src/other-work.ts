/** Lets other sessions of this process take their messages: some may be in their run. */
export const otherWork = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
