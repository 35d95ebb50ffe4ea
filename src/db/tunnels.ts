import { sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { OrmTx } from './domain-row.ts';

/** A route's end: the tunnel of an organisation (null: of none) in a region. */
export interface Route {
  readonly orgId: string | null;
  readonly region: string;
}

const keyOf = ({ orgId, region }: Route): string => JSON.stringify([orgId, region]);

/**
 * Finds the tunnels of these routes and makes those that are missing, in one order, so that two writers of the same
 * tunnels never wait for each other in a ring.
 *
 * @returns the id of each route's tunnel.
 */
export const tunnelsFor = async (tx: OrmTx, routes: readonly Route[]): Promise<(route: Route) => string> => {
  const wanted = new Map(routes.map((route) => [keyOf(route), route]));
  if (wanted.size === 0) return () => missing();
  const rows = [...wanted.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { orgId, region }]) => ({ id: uuidv7(), key, org_id: orgId, region }));
  const given = sql`json_to_recordset(${JSON.stringify(rows)}::text::json) as g(id uuid, key text, org_id text, region text)`;
  await tx.execute(sql`
    insert into tunnels (id, org_id, region)
    select g.id, g.org_id, g.region from ${given}
    where not exists (select from tunnels t where coalesce(t.org_id, '') = coalesce(g.org_id, '') and t.region = g.region)
    order by g.key
    on conflict (coalesce(org_id, ''), region) do nothing`);
  const found = await tx.execute<{ key: string; id: string }>(sql`
    select g.key, t.id from ${given}
    join tunnels t on coalesce(t.org_id, '') = coalesce(g.org_id, '') and t.region = g.region`);
  const ids = new Map(found.map(({ key, id }) => [key, id]));
  return (route) => ids.get(keyOf(route)) ?? missing();
};

const missing = (): never => {
  throw new Error('a tunnel that was just made is not there');
};
