import { v7 as uuidv7 } from 'uuid';
import type { OrmTx } from './domain-row.ts';
import { type SQL, sql } from './drizzle.ts';

/** A route's end: the tunnel of an organisation (null: of none) in a region. */
export interface Route {
  readonly orgId: string | null;
  readonly region: string;
}

const keyOf = ({ orgId, region }: Route): string => JSON.stringify([orgId, region]);

type Wanted = ReadonlyMap<string, Route>;

const given = (wanted: Wanted): SQL => {
  const rows = [...wanted].map(([key, { orgId, region }]) => ({ id: uuidv7(), key, org_id: orgId, region }));
  return sql`json_to_recordset(${JSON.stringify(rows)}::text::json) as g(id uuid, key text, org_id text, region text)`;
};

const find = async (tx: OrmTx, wanted: Wanted): Promise<Map<string, string>> => {
  const found = await tx.execute<{ key: string; id: string }>(sql`
    select g.key, t.id from ${given(wanted)}
    join tunnels t on coalesce(t.org_id, '') = coalesce(g.org_id, '') and t.region = g.region`);
  return new Map(found.map(({ key, id }) => [key, id]));
};

// In one order, so that two writers of the same tunnels never wait for each other in a ring.
const make = (tx: OrmTx, wanted: Wanted) =>
  tx.execute(sql`
    insert into tunnels (id, org_id, region)
    select g.id, g.org_id, g.region from ${given(wanted)} order by g.key collate "C"
    on conflict (coalesce(org_id, ''), region) do nothing`);

/**
 * Finds the tunnels of these routes and makes those that are missing.
 *
 * @returns the id of each route's tunnel.
 */
export const tunnelsFor = async (tx: OrmTx, routes: readonly Route[]): Promise<(route: Route) => string> => {
  const wanted = new Map(routes.map((route) => [keyOf(route), route]));
  const ids = wanted.size === 0 ? new Map<string, string>() : await find(tx, wanted);
  const absent = new Map([...wanted].filter(([key]) => !ids.has(key)));
  if (absent.size > 0) {
    await make(tx, absent);
    for (const [key, id] of await find(tx, absent)) ids.set(key, id);
  }
  return (route) => ids.get(keyOf(route)) ?? missing();
};

const missing = (): never => {
  throw new Error('a tunnel that was just made is not there');
};
