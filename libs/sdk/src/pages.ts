import type { common } from "@parley/proto";

const PAGE = 200;

/** Everything of a listing, page by page. */
export async function allPages<T>(
  fetch: (page: common.PageRequest) => Promise<{ readonly items: readonly T[]; readonly nextToken: string }>,
): Promise<T[]> {
  const all: T[] = [];
  for (let token = ""; ;) {
    const { items, nextToken } = await fetch({ limit: PAGE, token });
    all.push(...items);
    if (!nextToken || nextToken === token) return all;
    token = nextToken;
  }
}
